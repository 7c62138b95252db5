"""Questions to the user while the stream runs: the device chooses the images whose labels it asks for.

Images arrive in the order of time. Until the first update the network that judges them is the backbone with the norm
statistics of the images so far; each update trains a personal network, without masks, on the answers so far."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from lbt.edge.users.budget import Budget
from lbt.edge.users.options import Asking, Options
from lbt.edge.users.package import Resident
from lbt.edge.users.personal import fresh, personalise
from lbt.edge.users.questions import QUESTIONS, Look
from lbt.edge.users.statistics import estimate
from lbt.train.batches import Examples, generator

BATCH = 16
"""Images that are predicted together; each is judged, and asked, before the next."""


@dataclass(frozen=True)
class Asked:
    """Result of asking.

    Attributes:
        early: the images, with the answers as labels beside those that were known.
        images: numbers of the images that were asked, in the order of the stream.
    """

    early: Examples
    images: tuple[int, ...]

    @property
    def answered(self) -> int:
        """Number of questions that got a label."""
        return int((self.early.labels[list(self.images)] >= 0).sum())


def ask(resident: Resident, early: Examples, answers: Tensor, asking: Asking, options: Options) -> Asked:
    """Run a user's images as a stream and ask for the labels of at most ``asking.ask`` of each period's.

    A pure function of its arguments; nothing is on the backbone afterwards. A label of ``answers`` has no effect
    before its image was asked.

    Args:
        resident: the backbone.
        early: the stream; a label is -1 where the user has not given it yet. An image with a label is not asked.
        answers: (N,) int64, the label that the user would give to each image; -1 for none, which costs a question too.
        asking: budget and criterion.
        options: of the personal networks that the updates train.
    """
    if not asking.ask:
        return Asked(early, ())
    period = asking.ask_period or max(1, int((early.labels < 0).sum()))
    stream = _Stream(resident, early, asking, options, Budget(asking.ask, period))
    for start in range(0, len(early), BATCH):
        stream.batch(start, answers)
    return Asked(stream.early(), tuple(stream.asked))


class _Stream:
    """The state of a stream that is being asked."""

    def __init__(self, resident: Resident, early: Examples, asking: Asking, options: Options, budget: Budget) -> None:
        self.resident, self.given, self.updates, self.budget = resident, early, asking.ask_updates, budget
        steps = options.steps // (asking.ask_updates + 1)
        self.options = options.model_copy(update={"masks": None, "steps": steps})
        self.criterion, self.random = QUESTIONS.load(asking.questions), generator(options.seed, early.name, "ask")
        self.labels, self.asked, self.updated = early.labels.clone(), list[int](), 0
        self.backbone, self.features = fresh(resident.backbone), list[Tensor]()
        self.personal: nn.Module | None = None

    def early(self, end: int | None = None) -> Examples:
        """The first images with the labels that are known now."""
        return replace(self.given, images=self.given.images[:end], labels=self.labels[:end].clone())

    @torch.no_grad()
    def batch(self, start: int, answers: Tensor) -> None:
        """Judge the images from ``start`` on, and ask."""
        end = min(start + BATCH, len(self.given))
        self._update(start, end)
        assert self.personal is not None
        images = self.given.images[start:end]
        features = self.personal.features(images)  # type: ignore[operator]
        personal = self.personal.classifier(features).softmax(1)  # type: ignore[operator]
        backbone = self.backbone(images).softmax(1)
        for row, number in enumerate(range(start, end)):
            if self.given.labels[number] >= 0:
                continue
            first, second = torch.rand(2, generator=self.random).tolist()
            asked = torch.stack(self.features) if self.features else features[:0]
            look = Look(personal[row], backbone[row], features[row], asked, first)
            if self.budget.ask(self.criterion.worth(look), second):
                self.asked.append(number)
                self.features.append(features[row])
                self.labels[number] = answers[number]

    @torch.enable_grad()
    def _update(self, start: int, end: int) -> None:
        """Renew the network that judges: its statistics, or by an update that is due and has a label to learn from."""
        due = start * (self.updates + 1) // len(self.given)
        if due > self.updated and bool((self.labels[:start] >= 0).any()):
            self.updated = due
            result = personalise(self.resident, self.early(start), self.options)
            self.personal = self.resident.apply(result.package)
            self.resident.remove()
        elif not self.updated:
            self.personal = fresh(self.resident.backbone)
            estimate(self.personal, self.given.images[:end])
