"""Base of every incremental method: predict the batch that arrives, then learn it with its labels.

A method is a class ``Method`` in a file of ``lbt/edge/incremental/methods``, with its options in a class ``Options``
beside it. Classes that no label has named so far are closed: their logits take no part in a prediction or a loss.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lbt.edge import kit
from lbt.edge.incremental.options import Options
from lbt.edge.online import Base, Device

if TYPE_CHECKING:
    from torch import Tensor

SEEN = "seen"
"""Name in :attr:`Base.extra` of the open classes, bool (K,)."""


class Learner(Base):
    """Fine-tuning on what arrives; methods change :meth:`loss` and what happens around a task."""

    trains = "all"
    needs_labels = True

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.learning = device.options(Options)
        if self.learning.statistics == "batch":
            self.check_norms()
        head: Any = self.network.classifier
        self.extra[SEEN] = kit.torch.zeros(head.out_features, dtype=kit.torch.bool)

    # Declared by a method --------------------------------------------------------------------------------------------

    def prepare(self, shape: tuple[int, ...]) -> None:
        """Get ready for images of ``shape`` (C, H, W), before anything arrives.

        Raises:
            LbtError: the options do not fit the network or the images.
        """
        self.train_by(self.learning)

    def begin_task(self, number: int) -> None:
        """A new task starts, counted from 0. Methods that need no boundaries ignore it."""

    def loss(self, images: Tensor, labels: Tensor, key: tuple[int, int]) -> Tensor:
        """Loss of a batch in nats, 0-d: images (B, C, H, W), augmented, their labels (B,), and (step, update)."""
        return kit.F.cross_entropy(self.opened(self.forward(images)), labels)

    def examples(self) -> int | None:
        """Examples in the memory; None without one."""
        return None

    @property
    def images_of_step(self) -> int:
        """Examples of an update."""
        return self.device.params.batch

    # Used by the loop ------------------------------------------------------------------------------------------------

    def adapt(self, images: Tensor, labels: Tensor, step: int) -> Tensor:
        """Probabilities (B, K) from before the batch was learnt; then it is."""
        probabilities = self.predict(images)
        self.extra[SEEN] = self.extra[SEEN].index_fill(0, labels, value=True)
        for number in range(self.learning.updates):
            self.train_mode()
            self.update(self.loss(self.view(images, step, number), labels, (step, number)))
        return probabilities

    def predict(self, images: Tensor) -> Tensor:
        kit.use_running(self.network)
        return self.opened(self.infer(self.network, images)).softmax(1)

    def held_bytes(self) -> int:
        """Bytes of what the method keeps beside networks and optimizer."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.extra.values())

    # Used by a method ------------------------------------------------------------------------------------------------

    def train_mode(self) -> None:
        """Let the norms take the statistics that the options name."""
        (kit.use_batch if self.learning.statistics == "batch" else kit.use_running)(self.network)

    def opened(self, logits: Tensor) -> Tensor:
        """``logits`` (B, K) with those of closed classes at -∞; all are open until the first label."""
        seen = self.extra[SEEN]
        return logits.masked_fill(~seen, -math.inf) if seen.any() else logits
