"""MNIST as published, four idx.gz files: 55,000 / 5,000 / 10,000, grey, 28×28 in a 32×32 frame.

LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/; the address is a mirror that is kept.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lbt.artifacts import Images
from lbt.data.download import published
from lbt.data.formats import digits, read_idx
from lbt.data.images import pad
from lbt.data.params import DomainSpec
from lbt.data.splits import DIGITS, Splits, split_published
from lbt.errors import LbtError

CLASSES = DIGITS
URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
SHA256: dict[str, str | None] = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def load(spec: DomainSpec) -> Splits:
    """The published digits; a twelfth of the training part is for validation."""
    train, train_labels, test, test_labels = published(spec, URL, SHA256)
    return split_published(_images(train, train_labels), _images(test, test_labels), validation=1 / 12)


def _images(images: Path, labels: Path) -> Images:
    pixels, numbers = read_idx(images, 3), read_idx(labels, 1)
    if len(pixels) != len(numbers) or pixels.shape[1:] != (28, 28):
        raise LbtError(f"{images}: {pixels.shape} images do not go with the {len(numbers)} labels of {labels.name}")
    try:
        return Images(pad(pixels[..., None], 32), digits(numbers.astype(np.int64), high=9), DIGITS)
    except ValueError as error:
        raise LbtError(f"{labels}: {error}") from None
