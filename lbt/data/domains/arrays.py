"""Images and labels in a file (.npz, .npy, Parquet, idx, libsvm, .mat, .h5) or in a folder of such files.

See :mod:`lbt.data.readers` for the formats, and :mod:`lbt.data.own` for the split.
"""

from __future__ import annotations

from pathlib import Path

from lbt.data import readers
from lbt.data.listing import Listing
from lbt.data.own import assemble
from lbt.data.params import DomainSpec
from lbt.data.splits import Splits


def listing(spec: DomainSpec) -> Listing:
    """The images at ``spec.path``, not decoded."""
    return readers.read(Path(spec.path or ""))


def load(spec: DomainSpec) -> Splits:
    """The images at ``spec.path``."""
    return assemble(listing(spec), spec)
