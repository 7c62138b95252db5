"""A training on the source, short or full, and what it says about the target without one of its labels.

``expected`` is the accuracy on the target that the network's confidence lets expect (Garg et al., ATC, arXiv
2201.04234): of its probabilities on the source's validation images a threshold is taken above which as many lie as are
right, and the share of target images above it is the estimate. The network sees the target with batch statistics of
the target (AdaBN), as every method of adaptation does.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

from lbt.adapt.evidence import unlabelled_evidence
from lbt.errors import LbtError, warn
from lbt.models import read_model
from lbt.nas.choose.setting import Setting
from lbt.nas.choose.state import TOOK
from lbt.nas.search.reward import CLEARLY, ThresholdedReward
from lbt.pretrain import stage
from lbt.pretrain.params import PretrainJob
from lbt.train.batches import Examples
from lbt.train.evaluation import predict


@dataclass(frozen=True)
class Trial:
    """A trained network.

    Attributes:
        text: the network's line.
        source: accuracy on the source's validation images, in percent; 0 for a training that diverged.
        expected: accuracy on the target that is expected without its labels, in percent.
        agreement: share of target images whose class the target's batch statistics leave as it is.
        entropy: mean entropy of the target's predictions, in nats.
        seconds: of training and evidence.
    """

    text: str
    source: float
    expected: float
    agreement: float
    entropy: float
    seconds: float


def trial(setting: Setting, text: str, steps: int, seed: int = 0) -> Trial:
    """Train ``text`` for ``steps`` steps, or take what an earlier run found."""
    job = setting.pretraining(text, steps, seed)
    found = setting.state.kept("trial", job.model_dump(), lambda: _run(setting, text, job))
    known = {key: found[key] for key in ("source", "expected", "agreement", "entropy")}
    return Trial(text, **known, seconds=found[TOOK])


def model_file(setting: Setting, text: str, steps: int, seed: int) -> Path:
    """The weights of a trial."""
    job = setting.pretraining(text, steps, seed)
    made = setting.found(text, job)
    return made.weights if made else _own_file(setting, job)


def _own_file(setting: Setting, job: PretrainJob) -> Path:
    return setting.state.folder / f"model-{setting.state.name(job.model_dump())}.safetensors"


def _run(setting: Setting, text: str, job: PretrainJob) -> dict[str, Any]:
    task, made = setting.task, setting.found(text, job)
    if made is not None:
        path, source = made.weights, made.metrics["validation_accuracy"]
    else:
        path = _own_file(setting, job)
        inputs = stage.Inputs(**task.files("source"))
        outputs = stage.Outputs(model=path, curve=path.with_suffix(".parquet"))
        try:
            source = stage.run(job, inputs, outputs)["validation_accuracy"]
        except LbtError as error:
            if "the loss is" not in str(error):
                raise
            warn(f"{text}: {error}")
            return {"source": 0.0, "expected": 0.0, "agreement": 0.0, "entropy": 0.0}
    network, _ = read_model(path)
    target = task.examples("target", "train")
    evidence = look(network, task.examples("source", "validation").labelled(), target, setting.options.images)
    return {"source": source, **evidence}


def look(network: nn.Module, validation: Examples, target: Examples, most: int) -> dict[str, float]:
    """``expected`` (percent), ``agreement`` (0…1) and ``entropy`` (nats) of at most ``most`` target images."""
    some = target.take(torch.arange(min(most, len(target))))
    moved = with_statistics(network, some.whole)
    after, before = predict(moved, some), predict(network, some)
    found = unlabelled_evidence(after, before, validation.classes)
    known = predict(network, validation)
    return {
        "expected": 100 * expected_accuracy(known, validation.labels, after),
        "agreement": found["agreement"],
        "entropy": found["mean_entropy"],
    }


def expected_accuracy(known: Tensor, labels: Tensor, unknown: Tensor) -> float:
    """The share of ``unknown`` that is expected to be right, 0…1.

    Args:
        known: class probabilities (N, K) of labelled images.
        labels: (N,).
        unknown: class probabilities (M, K) of images without a label.
    """
    right = int((known.argmax(1) == labels).sum())
    if right == 0:
        return 0.0
    threshold = known.amax(1).sort(descending=True).values[right - 1]
    return float((unknown.amax(1) >= threshold).double().mean())


@torch.no_grad()
def with_statistics(network: nn.Module, images: Tensor, batch: int = 64) -> nn.Module:
    """A copy of ``network`` whose batch norms have the statistics of ``images`` (N, C, H, W), in evaluation mode."""
    moved = copy.deepcopy(network)
    for norm in (m for m in moved.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over the pass
    moved.train()
    for part in images.split(batch):
        if len(part) > 1 or len(images) == 1:
            moved(part if len(part) > 1 else part.repeat(2, 1, 1, 1))
    return moved.eval()


def values(trials: Sequence[Trial], validation: int) -> np.ndarray:
    """Worth of each network in points, float64 (N,): the source's accuracy, and below its noise the target's evidence.

    Two accuracies by ``validation`` images that differ by less than ``CLEARLY`` deviations of their difference say
    nothing: there the rank of ``expected`` decides (:mod:`lbt.nas.search.reward`).
    """
    coarse = np.array([one.source for one in trials])
    share = float(np.clip(coarse.mean() / 100, 0.5 / validation, 1 - 0.5 / validation))
    noise = 100 * (2 * share * (1 - share) / validation) ** 0.5
    ranks = (rankdata([one.expected for one in trials]) - 1) / max(1, len(trials) - 1)
    reward = ThresholdedReward(lambda rows: coarse[rows], CLEARLY * noise, lambda rows: ranks[rows])
    return reward(np.arange(len(trials)))
