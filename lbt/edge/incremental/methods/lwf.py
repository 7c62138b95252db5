"""LwF: learning without forgetting (Li & Hoiem 2017, arXiv 1606.09282).

L = cross-entropy + λ · τ² · KL(softmax(z_old/τ) ‖ softmax(z/τ)) over the classes that the old network knew

The old network is the one of the last boundary. It sees the new images alone, so that nothing of old tasks is kept but
its weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lbt.edge import kit
from lbt.edge.incremental.learner import SEEN, Learner
from lbt.edge.incremental.options import Options as Common
from lbt.edge.online import Device

if TYPE_CHECKING:
    from torch import Tensor

KNOWN = "known"
"""Name in :attr:`Base.extra` of the classes that the old network knew, bool (K,)."""


class Options(Common):
    """The old network's answers to new images (arXiv 1606.09282)."""

    strength: float = Field(1.0, ge=0, le=1e6)
    """λ: factor of the distillation."""
    temperature: float = Field(2.0, gt=0, le=1000)
    """τ: temperature of both predictions."""


class Method(Learner):
    """Cross-entropy, and agreement with the network of the last boundary."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.options = device.options(Options)
        self.extra[KNOWN] = self.extra[SEEN]
        self.old = self.twin("old")

    def begin_task(self, number: int) -> None:
        if number:
            self.old.load_state_dict(self.network.state_dict())
            self.extra[KNOWN] = self.extra[SEEN]

    def loss(self, images: Tensor, labels: Tensor, key: tuple[int, int]) -> Tensor:
        logits = self.forward(images)
        new = kit.F.cross_entropy(self.opened(logits), labels)
        known = self.extra[KNOWN]
        if known.sum() < 2:  # the softmax of one class is 1 whatever its logit
            return new
        kit.use_running(self.old)
        t = self.options.temperature
        old = (self.infer(self.old, images)[:, known] / t).log_softmax(1)
        mine = (logits[:, known] / t).log_softmax(1)
        return new + self.options.strength * t**2 * kit.F.kl_div(mine, old, reduction="batchmean", log_target=True)
