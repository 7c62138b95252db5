"""EWC: elastic weight consolidation (Kirkpatrick et al. 2017, arXiv 1612.00796).

L = cross-entropy + λ/2 · Σ F_i·(w_i - w*_i)²    F: diagonal of the Fisher information, w*: weights at the last boundary

F of a task is the mean squared gradient of the cross-entropy over its batches, times their size (an estimate of the
mean over single images), measured on every ``fisher_every``-th batch before it is learnt, since no image stays. Tasks
add up, F ← γ·F + F_task, with one anchor for all, as in online EWC (Schwarz et al. 2018, arXiv 1805.06370). λ·F is at
most 1/(learning rate), where one step of descent leads back to the anchor; beyond twice that it would diverge. Keeps
three float32 values a weight: F, w* and the F of the task that runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lbt.edge import kit
from lbt.edge.incremental.learner import Learner
from lbt.edge.incremental.options import Options as Common
from lbt.edge.online import Device

if TYPE_CHECKING:
    from torch import Tensor


class Options(Common):
    """A penalty on weights that old tasks need (arXiv 1612.00796)."""

    strength: float = Field(100.0, ge=0, le=1e12)
    """λ: factor of the penalty."""
    decay: float = Field(1.0, ge=0, le=1)
    """γ: what is left of the Fisher information at each boundary."""
    fisher_every: int = Field(4, ge=1, le=1_000_000)
    """Batches from one measurement of the Fisher information to the next."""


class Method(Learner):
    """Cross-entropy and the anchor."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.options = device.options(Options)

    def prepare(self, shape: tuple[int, ...]) -> None:
        super().prepare(shape)
        self.extra |= {f"task/{name}": kit.torch.zeros_like(p) for name, p in self.named_parameters().items()}
        self.extra["measured"] = kit.torch.zeros(())

    def begin_task(self, number: int) -> None:
        if not number:
            return
        for name, p in self.named_parameters().items():
            mine = self.extra[f"task/{name}"] / self.extra["measured"].clamp_min(1)
            old = self.extra.get(f"fisher/{name}", kit.torch.zeros_like(mine))
            self.extra[f"fisher/{name}"] = self.options.decay * old + mine
            self.extra[f"task/{name}"] = kit.torch.zeros_like(p)
        self.extra["measured"] = kit.torch.zeros(())
        self.keep_start()

    def loss(self, images: Tensor, labels: Tensor, key: tuple[int, int]) -> Tensor:
        if key[0] % self.options.fisher_every == 0 and key[1] == 0:
            self._measure(images, labels)
        return super().loss(images, labels, key) + self.penalty()

    def penalty(self) -> Tensor:
        """λ/2 · Σ F·(w - w*)², 0-d; 0 in the first task."""
        strength, most = self.options.strength, 1 / self.options.lr
        parts = [
            ((strength * self.extra[f"fisher/{name}"]).clamp(max=most) * (p - self.start(name)).square()).sum()
            for name, p in self.named_parameters().items()
            if f"fisher/{name}" in self.extra
        ]
        return kit.torch.stack(parts).sum() / 2 if parts else kit.torch.zeros(())

    def _measure(self, images: Tensor, labels: Tensor) -> None:
        """Add the squared gradient of a batch to the task's Fisher information."""
        kit.use_running(self.network)
        named = self.named_parameters()
        loss = super().loss(images, labels, (0, 0))
        for name, gradient in zip(named, kit.torch.autograd.grad(loss, list(named.values())), strict=True):
            self.extra[f"task/{name}"] = self.extra[f"task/{name}"] + len(images) * gradient.square()
        self.extra["measured"] = self.extra["measured"] + 1
        self.train_mode()
