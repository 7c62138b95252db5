"""Synthetic Digits as published, two .mat files in SVHN's format: colour, 32×32.

Ganin et al., JMLR 17 (2016), section 5.2.3. The authors give a page, no address of a file, and no checksum: the files
are put in place by hand, and a digest in the key ``sha256`` is checked if it is given.
"""

from __future__ import annotations

from lbt.artifacts import Images
from lbt.data.download import published
from lbt.data.formats import read_mat
from lbt.data.params import DomainSpec
from lbt.data.splits import DIGITS, Splits, split_published

CLASSES = DIGITS
FILES: dict[str, str | None] = {"synth_train_32x32.mat": None, "synth_test_32x32.mat": None}
BY_HAND = "get SynthDigits.zip from http://yaroslav.ganin.net/, unpack it"


def load(spec: DomainSpec) -> Splits:
    """The published digits; a tenth of the training part is for validation."""
    train, test = (Images(*read_mat(path), DIGITS) for path in published(spec, "", FILES, BY_HAND))
    return split_published(train, test, validation=0.1)
