"""Protocols: in which order a device sees the images, and under which corruption. One file each.

A file has ``order(setting)``, which gives an :class:`Order`; a pure function of the setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from lbt.registry import Registry

if TYPE_CHECKING:
    import numpy as np

STREAMS = Registry("stream", "lbt.edge.streams")
StreamName = Annotated[str, AfterValidator(STREAMS.check)]
CLEAN = -1
"""In the place of a corruption's number: the image as it is."""


@dataclass(frozen=True)
class Setting:
    """Facts from which a protocol makes its order.

    Attributes:
        labels: (N,) int64 class of each image; -1 for none.
        corruptions: number of corruptions.
        seed: of every draw.
        dirichlet: concentration of the class shares of ``correlated``.
        times: (N,) seconds or None, where the images have a time.
        where: name of the images, for an error.
    """

    labels: np.ndarray
    corruptions: int
    seed: int
    dirichlet: float = 0.1
    times: Sequence[float | None] | None = None
    where: str = "images"


@dataclass(frozen=True)
class Order:
    """A stream of T images.

    Attributes:
        image: (T,) int64 number of the image.
        corruption: (T,) int64 number of the corruption, or :data:`CLEAN`.
    """

    image: np.ndarray
    corruption: np.ndarray


def one_after_another(parts: Sequence[np.ndarray]) -> Order:
    """An order in which part k, numbers of images, is under corruption k."""
    import numpy as np

    number = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return Order(np.concatenate(parts).astype(np.int64), number.astype(np.int64))
