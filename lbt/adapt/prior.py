"""The target's class frequencies, estimated without its labels, and batches that are balanced by them.

A real target is rarely balanced, while batch statistics, a class-balance loss and a diversity loss all assume that it
is. The frequencies π are estimated by expectation maximisation on the predictions (Saerens, Latinne and Decaestecker
2002), starting with the pretrained network's and again as training goes on. Target images are then drawn with the
weight Σₖ p(k|x) / πₖ, so that the classes come up about equally often, and losses aim at the mix that this gives.

A network that errs in another domain errs by class, and EM overshoots then: on a balanced target it gave 41 % to one
class of ten and nothing to another. So the mean of the predictions, which is biased towards equal frequencies, decides
if the target is balanced.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lbt.errors import LbtError, unknown
from lbt.train.batches import generator, indices

RAREST = 0.2
"""A class is never taken for rarer than this share of an equal one: its images, or mistakes, would fill the batches."""
EVEN = 0.2
"""Total variation of the mean prediction from equal frequencies below which the target counts as balanced."""


def estimate(probabilities: Tensor, rounds: int = 50) -> Tensor:
    """Class frequencies (K,) of images whose class probabilities (N, K) come from a network trained on equal ones."""
    prior = probabilities.new_full((probabilities.shape[1],), 1 / probabilities.shape[1])
    for _ in range(rounds):
        posterior = probabilities * prior
        prior = (posterior / posterior.sum(1, keepdim=True).clamp_min(1e-12)).mean(0)
    return prior


def given_shares(shares: str | dict[str, float], classes: tuple[str, ...]) -> Tensor | None:
    """The frequencies (K,) that a user knows, in the order of ``classes``, made to add up to 1; None: to be estimated.

    Args:
        shares: ``estimated``, ``equal``, or a number for each class.
        classes: class names.

    Raises:
        LbtError: a class is missing or unknown.
    """
    if shares == "estimated":
        return None
    if isinstance(shares, str):
        return torch.full((len(classes),), 1 / len(classes))
    for name in shares:
        if name not in classes:
            raise unknown("class", name, classes, where="adapt.class_shares")
    missing = [name for name in classes if name not in shares]
    if missing:
        raise LbtError(f"adapt.class_shares: no share of {', '.join(map(repr, missing))}; accepted: one for each class")
    given = torch.tensor([shares[name] for name in classes])
    return given / given.sum()


_STATE = ("table", "mean", "weights", "mix")


class Balance:
    """The latest predictions for each target image, and the weights with which images are drawn.

    Args:
        probabilities: (N, K) of the network before adaptation.
        given: class frequencies that the user knows; None: estimated.
    """

    def __init__(self, probabilities: Tensor, given: Tensor | None = None) -> None:
        self.table, self.given = probabilities.clone(), given
        self.refresh()

    def state(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {name: getattr(self, name) for name in _STATE}

    def load(self, state: dict[str, Tensor]) -> None:
        """Put :meth:`state` back."""
        for name in _STATE:
            setattr(self, name, state[name])

    @property
    def even(self) -> bool:
        """True if the target counts as balanced."""
        return float((self.mean - 1 / len(self.mean)).abs().sum() / 2) < EVEN

    @property
    def kept(self) -> int:
        """Number of class probabilities that a device keeps."""
        return self.table.numel() if self.given is None else 0

    def see(self, index: Tensor, probabilities: Tensor) -> None:
        """Note new predictions (M, K) for the images at ``index`` (M,)."""
        self.table[index] = probabilities.detach()

    def refresh(self) -> None:
        """Estimate the frequencies and the weights anew."""
        classes = self.table.shape[1]
        self.mean = self.table.mean(0) if self.given is None else self.given
        if self.even:
            self.weights, self.mix = self.table.new_ones(len(self.table)), torch.full_like(self.mean, 1 / classes)
            return
        prior = estimate(self.table) if self.given is None else self.given
        posterior = self.table * prior
        posterior = posterior / posterior.sum(1, keepdim=True).clamp_min(1e-12)
        self.weights = (posterior / prior.clamp_min(RAREST / classes)).sum(1)
        mix = (self.weights[:, None] * posterior).sum(0)
        self.mix = mix / mix.sum()

    def indices(self, batch: int, seed: int, name: str, step: int) -> Tensor:
        """The images (batch,) of step ``step``: pieces of permutations for an even target, else drawn by weight."""
        if self.even:
            return indices(len(self.table), batch, seed, name, step)
        return torch.multinomial(self.weights, batch, True, generator=generator(seed, name, "balanced", step))
