"""The guard: an adapted network that speaks against itself, without a label, is not deployed; its start is.

The start is the pretrained network in the recipe's numbers. Both networks predict the target's images, those of
training and those of validation. With p and q the class probabilities that start and adapted network give to an image,
and the truth drawn from their mean m = (p + q) / 2, the adapted network is expected to gain::

    gain = mean over images of m[argmax q] − m[argmax p]

An image on which they agree counts nothing; on another the surer network wins. A network whose batch statistics went
wrong is less sure of what it changed than its start was of what it had, and gain is negative.

A network that collapsed is sure of everything, so that confidence cannot convict it. It contradicts the start where the
start was all but certain: ``lost`` is the share of those images that changed their class. But a start that the target
misleads is certain of errors, too, and an adaptation that mends them contradicts it as much. The images themselves tell
the two apart: similar ones share a class more often after the latter (:mod:`lbt.adapt.neighbours`), less often after a
collapse.

The guard cannot see that a start and its adaptation are confidently wrong together; docs/adaptation.md has the cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from lbt.adapt import kit, neighbours
from lbt.adapt.method import Base, convert
from lbt.train.batches import Examples
from lbt.train.evaluation import accuracy

LEAST_GAIN = -0.005
"""Expected gain in accuracy below which the adapted network is refused. Zero would refuse what changed nothing."""
CERTAIN = 0.95
"""Probability above which the start counts as certain of an image."""
MOST_LOST = 0.15
"""Share of the images that the start was certain of, and that changed their class, above which it is refused unless
neighbours speak for it. Chosen on seed 5 of ``benchmarks/label_shift.py``, between the runs that gained and those that
lost ten points or more."""
LEAST_RISE = 0.1
"""Rise of the agreement among neighbours, as Cohen's kappa, with which as much may be lost. Chosen on the same runs."""


@dataclass(frozen=True)
class Verdict:
    """Evidence about an adapted network, without a label.

    Attributes:
        gain: expected gain in accuracy, from -1 to 1.
        lost: share of the images that the start was certain of and that changed their class; 0 without such images.
        rise: of the agreement among neighbours, from -2 to 2.
    """

    gain: float
    lost: float
    rise: float = 0.0

    @property
    def refused(self) -> bool:
        """True if the start is to be deployed instead; so is a network whose probabilities are not finite."""
        return not (self.gain >= LEAST_GAIN and (self.lost <= MOST_LOST or self.rise >= LEAST_RISE))

    def metrics(self) -> dict[str, float | int | None]:
        """The job's metrics, in percent."""
        evidence = {
            "guard/expected_gain": 100 * self.gain, "guard/lost": 100 * self.lost, "guard/neighbours": 100 * self.rise,
        }  # fmt: skip
        finite = {name: value if math.isfinite(value) else None for name, value in evidence.items()}
        return {"rolled_back": int(self.refused), **finite}


def judge(start: Tensor, adapted: Tensor, rise: float = 0.0) -> Verdict:
    """The verdict on a network.

    Args:
        start: class probabilities (N, K) of unlabelled images before adaptation.
        adapted: the same after.
        rise: of the agreement among neighbours, see :func:`lbt.adapt.neighbours.order`.
    """
    before, after = start.argmax(1, keepdim=True), adapted.argmax(1, keepdim=True)
    mean = (start.double() + adapted.double()) / 2
    certain = start.amax(1) > CERTAIN
    lost = (before != after).flatten()[certain].double().mean().item() if certain.any() else 0.0
    return Verdict((mean.gather(1, after) - mean.gather(1, before)).mean().item(), lost, rise)


def guard(
    method: Base, deployed: str, trained: Tensor, held_back: Examples, test: Examples
) -> tuple[dict[str, float | int | None], Tensor]:
    """Judge a network on unlabelled images; if it is refused, all networks that predict become the start again.

    Args:
        method: after its training.
        deployed: name of the network that would be deployed.
        trained: its class probabilities (N, K) for the target's training images.
        held_back: the target's validation images; their labels are not used.
        test: the target's test split, for the accuracy that is given up.

    Returns:
        Metrics: ``rolled_back``, 0 or 1; ``guard/expected_gain``, ``guard/lost`` and ``guard/neighbours`` in percent;
        ``adapted/target_accuracy`` of a network that was refused. And ``trained`` of the network that is deployed now.
    """
    start, network = convert(method.task.model, method.task, method.statistics()), method.networks[deployed]
    with method.on(start, "target"):
        before, seen = kit.predict(start, method.task.target), kit.predict(start, held_back)
    with method.on(network, "target"):
        after = kit.predict(network, held_back)
        first, then = kit.torch.cat([before, seen]), kit.torch.cat([trained, after])
        verdict = judge(first, then, rise(first, then, method.task.target, held_back))
        if not verdict.refused:
            return verdict.metrics(), trained
        given_up = kit.predict(network, test)
    for one in method.evaluated().values():
        one.load_state_dict(start.state_dict())
    return {**verdict.metrics(), "adapted/target_accuracy": accuracy(given_up, test.labels)}, before


def rise(start: Tensor, adapted: Tensor, *sets: Examples) -> float:
    """Rise of the agreement among similar images from ``start`` to ``adapted``.

    Args:
        start, adapted: class probabilities (N, K) of the images of ``sets``, one after the other.
    """
    index, near = neighbours.among(*sets)
    before, after = (neighbours.order(found[index].argmax(1), near) for found in (start, adapted))
    return after - before
