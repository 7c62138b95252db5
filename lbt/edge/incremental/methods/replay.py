"""Replay of images: a memory of uint8 pixels within a budget of bytes (Rolnick et al. 2019, arXiv 1811.11682)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbt.edge import kit
from lbt.edge.incremental.coding import Coder, Pixels
from lbt.edge.incremental.options import RehearsalOptions
from lbt.edge.incremental.rehearsal import Rehearsal

if TYPE_CHECKING:
    from torch import Tensor

REMEMBERED = 1_000_000
"""Number from which the augmentations of remembered images count, apart from those of new ones."""


class Options(RehearsalOptions):
    """A memory of images."""


class Method(Rehearsal):
    """New and remembered images in one batch, all augmented."""

    def coder(self, shape: tuple[int, ...]) -> Coder:
        return Pixels(shape)

    def remembered(self, images: Tensor) -> Tensor:
        return images

    def together(self, images: Tensor, old: Tensor, key: tuple[int, int]) -> Tensor:
        return self.forward(kit.torch.cat([images, self.view(old, key[0], REMEMBERED + key[1])]))
