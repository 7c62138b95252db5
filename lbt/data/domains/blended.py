"""Any images, each blended with a patch of a natural photo: an MNIST-M of the user's digits.

See ``mnistm`` for how they are blended, and ``arrays`` for the files that are read. The split is theirs.
"""

from __future__ import annotations

from lbt.data.blend import blend
from lbt.data.domains import arrays
from lbt.data.domains.arrays import listing as listing
from lbt.data.params import DomainSpec
from lbt.data.splits import Splits


def load(spec: DomainSpec) -> Splits:
    """The images at ``spec.path`` over patches drawn with the spec's seed, in colour."""
    return blend(arrays.load(spec), spec.seed)
