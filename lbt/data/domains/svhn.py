"""Street View House Numbers, cropped digits, as published: 65,931 / 7,326 / 26,032, colour, 32×32.

Netzer et al., "Reading Digits in Natural Images with Unsupervised Feature Learning", NIPS workshop 2011.
"""

from __future__ import annotations

from lbt.artifacts import Images
from lbt.data.download import published
from lbt.data.formats import read_mat
from lbt.data.params import DomainSpec
from lbt.data.splits import DIGITS, Splits, split_published

CLASSES = DIGITS
URL = "http://ufldl.stanford.edu/housenumbers/"
SHA256: dict[str, str | None] = {
    "train_32x32.mat": "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
    "test_32x32.mat": "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
}


def load(spec: DomainSpec) -> Splits:
    """The published digits; a tenth of the training part is for validation."""
    train, test = (Images(*read_mat(path), DIGITS) for path in published(spec, URL, SHA256))
    return split_published(train, test, validation=0.1)
