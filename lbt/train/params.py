"""Types of params that several trainings share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

Augmentation = Literal["none", "minimal", "standard", "warp", "affine", "intensity"]
"""A kind of random change of a training image, see :mod:`lbt.train.augmentation`."""


def _pair(text: str) -> str:
    source, separator, target = text.partition("-")
    if not (source and separator and target) or "-" in target:
        raise ValueError(f"found {text!r}; a pair is written source-target, for example mnist-optdigits")
    if source == target:
        raise ValueError(f"found {text!r}; source and target must differ")
    return text


Pair = Annotated[str, AfterValidator(_pair)]
"""``source-target``, two different domains."""
