"""A memory of images that is balanced by predicted class and prefers the recent and the certain (RoTTA's CSTU)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lbt.edge import kit

if TYPE_CHECKING:
    from torch import Tensor


class Memory:
    """Category-balanced sampling with timeliness and uncertainty (arXiv 2303.13899, algorithm 1).

    A class may hold ⌈capacity/classes⌉ images at most. A new image takes a free place, or that of the image with the
    worst score: of its own class if that is full, else of the classes that hold most; if its own score is worse, it is
    not kept. The score to drop an image is λ_t/(1 + exp(-age/capacity)) + λ_u·H(p)/log(classes).

    Args:
        capacity: images.
        age_weight, doubt_weight: λ_t and λ_u.
        held: where the tensors ``images``, ``class``, ``entropy``, ``age`` and ``seen`` are kept, in order of arrival.
    """

    def __init__(self, capacity: int, age_weight: float, doubt_weight: float, held: dict[str, Tensor]) -> None:
        self.capacity, self.weights, self.held = capacity, (age_weight, doubt_weight), held
        held["seen"] = kit.torch.zeros((), dtype=kit.torch.int64)

    @property
    def seen(self) -> int:
        """Images that were offered."""
        return int(self.held["seen"])

    def __len__(self) -> int:
        return len(self.held["age"]) if "age" in self.held else 0

    def add(self, image: Tensor, label: Tensor, entropy: Tensor, classes: int) -> None:
        """Offer an image (C, H, W) with its predicted class and its entropy, both 0-d."""
        if self._place(label, float(entropy), classes):
            new = {"images": image, "class": label, "entropy": entropy, "age": entropy.new_zeros(())}
            for name, value in new.items():
                old = [self.held[name]] if name in self.held else []
                self.held[name] = kit.torch.cat([*old, value.detach()[None].clone()])
        if "age" in self.held:
            self.held["age"] = self.held["age"] + 1
        self.held["seen"] = self.held["seen"] + 1

    def _place(self, label: Tensor, entropy: float, classes: int) -> bool:
        """True if the image is to be kept; the one in its place is gone then."""
        if not len(self):
            return True
        counts = kit.torch.bincount(self.held["class"], minlength=classes)
        if counts[label] < self.capacity / classes:
            if len(self) < self.capacity:
                return True
            candidates = counts[self.held["class"]] == counts.max()
        else:
            candidates = self.held["class"] == label
        scores = kit.torch.where(candidates, self._scores(classes), -math.inf)
        worst = len(scores) - 1 - int(scores.flip(0).argmax())  # of equal ones the last
        own = 0.5 * self.weights[0] + self.weights[1] * entropy / math.log(max(2, classes))
        if scores[worst] <= own:
            return False
        kept = kit.torch.arange(len(scores)) != worst
        for name in ("images", "class", "entropy", "age"):
            self.held[name] = self.held[name][kept]
        return True

    def _scores(self, classes: int) -> Tensor:
        """Score of each image that is held, (n,); the largest is dropped first."""
        age, entropy = self.held["age"], self.held["entropy"]
        return self.weights[0] * (age / self.capacity).sigmoid() + self.weights[1] * entropy / math.log(max(2, classes))
