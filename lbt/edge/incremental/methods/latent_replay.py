"""Latent replay: the front is frozen, and its quantized activations are remembered (Pellegrini et al. 2020).

arXiv 1912.01100; in few bits: Ravaglia et al. 2021, arXiv 2110.10486. A remembered example enters behind the cut, so
that the front is neither trained nor run for it, and its code is exact as long as the front does not change. The norms
of the front keep their statistics. New images are augmented, latent ones cannot be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lbt.edge.incremental.coding import Coder, Latents
from lbt.edge.incremental.options import RehearsalOptions
from lbt.edge.incremental.rehearsal import Rehearsal
from lbt.edge.online import Device

if TYPE_CHECKING:
    from torch import Tensor

Bits = Literal[2, 3, 4, 5, 6, 7, 8, 32]


class Options(RehearsalOptions):
    """A memory of activations (arXiv 1912.01100)."""

    cut: str | None = None
    """Module behind which activations are kept. Default: the one with the smallest output behind half of the
    operations."""
    bits: Bits = 8
    """Bits of a remembered value; 32: float32."""


class Method(Rehearsal):
    """The back of the network learns new and remembered activations together."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.options = device.options(Options)

    def coder(self, shape: tuple[int, ...]) -> Coder:
        from lbt.edge.incremental.cut import choose
        from lbt.hardware.trace import trace

        cut = choose(trace(self.network, shape), self.network, self.options.cut)
        self.cut = self.network.get_submodule(cut.name)
        self.front = [
            self.network.get_submodule(name) for name in cut.front if name in dict(self.network.named_modules())
        ]
        for module in self.front:
            module.requires_grad_(False)
        return Latents(cut.shape, self.options.bits)

    def train_mode(self) -> None:
        super().train_mode()
        for module in self.front:
            module.eval()

    def predict(self, images: Tensor) -> Tensor:
        from lbt.edge.incremental.cut import tapped

        with tapped(self.cut) as seen:
            probabilities = super().predict(images)
        self.kept = seen[0]
        return probabilities

    def remembered(self, images: Tensor) -> Tensor:
        return images

    def together(self, images: Tensor, old: Tensor, key: tuple[int, int]) -> Tensor:
        from lbt.edge.incremental.cut import joined

        with joined(self.cut, old):
            return self.forward(images)
