"""SAR (Niu et al. 2023, arXiv 2302.12400): Tent on reliable images, towards flat minima, with a way back.

    gradient of mean H(p) over images with H(p) < E₀;  w' = w + ρ·g/‖g‖
    gradient at w' of mean H(p') over those of them with H(p') < E₀, applied to w
    e ← 0.9·e + 0.1·(that mean);  e < e₀: the weights and the optimizer return to the source's

As in the paper the last norms stay: layer4 of its ResNet-50 has 10 of 53.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

from pydantic import Field

from lbt.edge import kit
from lbt.edge.knobs import OptimizerName, Training
from lbt.edge.online import BatchStatistics, Device

if TYPE_CHECKING:
    from torch import Tensor, nn


class SarOptions(Training):
    """Sharpness-aware, reliable entropy minimisation (arXiv 2302.12400); the defaults are the paper's for ResNet-50."""

    optimizer: OptimizerName = "sgd"
    """Update rule; the recipe says in which format its state and the weights are kept."""
    lr: float = Field(0.00025, gt=0, le=100)
    """Learning rate, constant."""
    margin: float = Field(0.4, gt=0, le=1)
    """E₀ as a share of log(classes): an image of more entropy is not reliable."""
    radius: float = Field(0.05, ge=0, le=100)
    """ρ: length of the step to where the gradient is taken."""
    recover: float = Field(0.2, ge=0, le=100)
    """e₀: mean entropy in nats below which the network has collapsed and starts anew."""
    frozen: float = Field(0.19, ge=0, lt=1)
    """Share of the norms, from the last, that stay."""


class Method(BatchStatistics):
    """Two backward passes a batch."""

    trains = "norms"
    spare = 1

    def __init__(self, device: Device) -> None:
        self.options = device.options(SarOptions)
        super().__init__(device)
        self.train_by(self.options)
        assert self.optimizer is not None
        self.keep_start()
        self.fresh = copy.deepcopy(self.optimizer.state_dict())

    def chosen_norms(self) -> list[nn.Module]:
        norms = kit.norm_layers(self.network)
        return norms[: max(1, len(norms) - round(self.options.frozen * len(norms)))]

    def adapt(self, images: Tensor, labels: Tensor, step: int) -> Tensor:
        kit.use_batch(self.network)
        logits = self.forward(images)
        margin = self.options.margin * math.log(logits.shape[1])
        entropy = kit.entropies(logits)
        reliable = entropy.detach() < margin
        if reliable.any():
            self.backward(entropy[reliable].mean())
            before = [p.detach().clone() for p in self.parameters()]
            self.climb()
            entropy = kit.entropies(self.forward(images))
            still = reliable & (entropy.detach() < margin)
            if still.any():
                loss = entropy[still].mean()
                self.backward(loss)
                self._put(before)
                assert self.optimizer is not None
                self.optimizer.step()
                self._watch(loss.detach())
            else:
                self._put(before)
        return logits.detach().softmax(1)

    def climb(self) -> None:
        """w ← w + ρ·g/‖g‖."""
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        norm = kit.torch.stack([g.norm() for g in gradients]).norm()
        with kit.torch.no_grad():
            for p in self.parameters():
                if p.grad is not None:
                    p.add_(p.grad * (self.options.radius / (norm + 1e-12)))

    def _put(self, values: list[Tensor]) -> None:
        with kit.torch.no_grad():
            for p, value in zip(self.parameters(), values, strict=True):
                p.copy_(value)

    def _watch(self, entropy: Tensor) -> None:
        """Follow the mean entropy, and start anew where it says that the network has collapsed."""
        if self.follow_mean(entropy) < self.options.recover:
            assert self.optimizer is not None
            self._put([self.start(name) for name in self.named_parameters()])
            self.optimizer.load_state_dict(copy.deepcopy(self.fresh))
            del self.extra["mean"]
