"""UCI optdigits, the 1,797 digits that ship with scikit-learn: 1,197 / 300 / 300, grey, 32×32.

Other writers and another scanner than MNIST's. The 8×8 counts (0 to 16 dark pixels per cell) become grey levels, are
interpolated bilinearly to 20×20, and put in the middle of 32×32. A digit fills its 8×8 cells; MNIST scales its digits
to a box of 20×20 (LeCun et al., 1998, section III.A), so that both are of one size.
"""

from __future__ import annotations

import numpy as np

from lbt.artifacts import Images
from lbt.data.images import convert, pad
from lbt.data.packages import package_file
from lbt.data.params import DomainSpec
from lbt.data.splits import DIGITS, Splits, split

CLASSES = DIGITS


def load(spec: DomainSpec) -> Splits:
    """The embedded digits. Nothing is drawn; the seed has no effect."""
    table = np.loadtxt(package_file("sklearn", "datasets/data/digits.csv.gz"), delimiter=",")
    grey = np.round(table[:, :64] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    images = convert(Images(grey, table[:, 64].astype(np.int64), DIGITS), channels=1, size=20)
    return split(Images(pad(images.pixels, 32), images.labels, DIGITS), validation=300, test=300)
