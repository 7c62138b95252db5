"""USPS as published in libsvm form: 6,562 / 729 / 2,007 handwritten digits from envelopes, grey, 32×32.

Hull, "A database for handwritten text recognition research", PAMI 16 (1994). The 16×16 images are interpolated to
28×28, the size of MNIST's, as in French et al., ICLR 2018 (arXiv 1706.05208), and put in the middle of 32×32.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lbt.artifacts import Images
from lbt.data import svmlight
from lbt.data.download import published
from lbt.data.formats import digits
from lbt.data.images import convert, pad
from lbt.data.params import DomainSpec
from lbt.data.splits import DIGITS, Splits, split_published
from lbt.errors import LbtError

CLASSES = DIGITS
URL = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/"
SHA256: dict[str, str | None] = {
    "usps.bz2": "3771e9dd6ba685185f89867b6e249233dd74652389f263963b3b741e994b034f",
    "usps.t.bz2": "a9c0164e797d60142a50604917f0baa604f326e9a689698763793fa5d12ffc4e",
}


def load(spec: DomainSpec) -> Splits:
    """The published digits; a tenth of the training part is for validation."""
    train, test = (_images(path) for path in published(spec, URL, SHA256))
    return split_published(train, test, validation=0.1)


def _images(path: Path) -> Images:
    rows = svmlight.read(path)
    values = rows.values(16 * 16)
    if np.abs(values).max() > 1:
        raise LbtError(f"{path}: found a value of {np.abs(values).max():g}; accepted: -1 (paper) to 1 (ink)")
    grey = np.round((values + 1) * 127.5).astype(np.uint8).reshape(-1, 16, 16, 1)
    try:
        numbers = digits(rows.labels, low=1) - 1  # the published labels are 1 to 10
    except ValueError as error:
        raise LbtError(f"{path}: {error}") from None
    images = convert(Images(grey, numbers, DIGITS), channels=1, size=28)
    return Images(pad(images.pixels, 32), numbers, DIGITS)
