"""Base of the methods that learn remembered examples beside the new ones."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from lbt.edge import kit
from lbt.edge.incremental.coding import Coder
from lbt.edge.incremental.learner import SEEN, Learner
from lbt.edge.incremental.options import RehearsalOptions, Rehearsed
from lbt.edge.incremental.store import Store
from lbt.edge.online import Device

if TYPE_CHECKING:
    from torch import Tensor


class Rehearsal(Learner):
    """Cross-entropy of the batch and of as many remembered examples as the options name."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.rehearsal = device.options(Rehearsed)

    # Declared by a method --------------------------------------------------------------------------------------------

    @abstractmethod
    def coder(self, shape: tuple[int, ...]) -> Coder:
        """The code in which an example is kept, for images of ``shape``."""

    @abstractmethod
    def remembered(self, images: Tensor) -> Tensor:
        """Values to keep of the images (B, …) that :meth:`predict` saw last."""

    @abstractmethod
    def together(self, images: Tensor, old: Tensor, key: tuple[int, int]) -> Tensor:
        """Logits (B + M, K) of images and of remembered examples (M, …)."""

    # -----------------------------------------------------------------------------------------------------------------

    def prepare(self, shape: tuple[int, ...]) -> None:
        self.code = self.coder(shape)
        bound = self.rehearsal if isinstance(self.rehearsal, RehearsalOptions) else None
        budget, policy = (None, None) if bound is None else (bound.budget, bound.policy)
        self.store = Store(budget, self.code.size, len(self.extra[SEEN]), policy, self.extra)
        super().prepare(shape)

    def load(self, state: dict[str, object]) -> None:
        super().load(state)
        self.store.held = self.extra

    def examples(self) -> int | None:
        return len(self.store)

    @property
    def images_of_step(self) -> int:
        return self.device.params.batch + self.rehearsal.rehearsed

    def adapt(self, images: Tensor, labels: Tensor, step: int) -> Tensor:
        probabilities = super().adapt(images, labels, step)
        self.store.offer(self.code.encode(self.kept), labels, self._random("offer", step))
        return probabilities

    def predict(self, images: Tensor) -> Tensor:
        probabilities = super().predict(images)
        self.kept = self.remembered(images)
        return probabilities

    def loss(self, images: Tensor, labels: Tensor, key: tuple[int, int]) -> Tensor:
        if not len(self.store):
            return super().loss(images, labels, key)
        codes, old = self.store.draw(self.rehearsal.rehearsed, self._random("draw", *key))
        self.trained += len(codes)
        logits = self.together(images, self.code.decode(codes), key)
        return kit.F.cross_entropy(self.opened(logits), kit.torch.cat([labels, old]))

    def _random(self, *key: str | int) -> kit.torch.Generator:
        return kit.generator(self.device.params.seed, "memory", *key)
