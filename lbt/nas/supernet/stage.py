"""The supernet stage: shared weights trained on one domain, then the one-shot accuracy of sampled architectures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kendalltau, spearmanr
from torch import Tensor
from torch.nn import functional as F

from lbt.artifacts import read_images, write_table, write_tensors
from lbt.data.images import match_classes, to_float
from lbt.errors import LbtError
from lbt.nas.spaces.nasbench201 import SPACE, format
from lbt.nas.supernet.params import SupernetParams
from lbt.nas.supernet.score import predictions
from lbt.nas.supernet.shared import Supernet
from lbt.nn.optim import plain
from lbt.progress import track

CURVE_POINTS = 100
"""Rows of the training curve; each is a mean over the steps since the row before."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The domain's splits, Parquet as the data stage writes them."""

    train: Path
    validation: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """``scores``: architecture, accuracy, accuracy_even, accuracy_odd; ``curve``: step, loss, accuracy."""

    supernet: Path
    scores: Path
    curve: Path


def run(params: SupernetParams, inputs: Inputs, outputs: Outputs) -> dict[str, float | int | str]:
    """Train, then score ``params.architectures`` different cells.

    Returns:
        ``best_arch`` and its accuracy, mean and spread of the accuracies, and how far one half of the validation images
        ranks the architectures as the other half does (``halves/kendall_tau``, ``halves/spearman``): the scores' noise.
    """
    train, validation = read_images(inputs.train), read_images(inputs.validation)
    classes = match_classes({"train": train, "validation": validation})
    for path, split in ((inputs.train, train), (inputs.validation, validation)):
        if (split.labels < 0).all():
            raise LbtError(f"{path}: no labelled images to train and score the supernet on")
    validation = validation.take(np.flatnonzero(validation.labels >= 0))
    channels = train.pixels.shape[3]
    labelled = train.labels >= 0
    images, labels = to_float(train)[labelled], torch.from_numpy(train.labels[labelled])

    supernet = Supernet(params.channels, len(classes), channels, params.cells, params.seed)
    supernet = supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    curve = fit(supernet, images, labels, params)
    rows = sample(params.architectures, params.seed)
    right = predictions(supernet, to_float(validation, channels), rows) == validation.labels  # (A, N)
    halves = right[:, 0::2].mean(axis=1), right[:, 1::2].mean(axis=1)
    accuracy = right.mean(axis=1)

    described = {"channels": params.channels, "cells": params.cells, "in_channels": channels, "classes": list(classes)}
    write_tensors(outputs.supernet, supernet.state_dict(), extra=described)
    architectures = [format(row) for row in rows]
    scores = {
        "architecture": architectures,
        "accuracy": accuracy,
        "accuracy_even": halves[0],
        "accuracy_odd": halves[1],
    }
    write_table(outputs.scores, scores)
    write_table(outputs.curve, curve)
    best = int(accuracy.argmax())
    return {
        "architectures": len(rows),
        "best_arch": architectures[best],
        "accuracy/best": float(accuracy[best]),
        "accuracy/mean": float(accuracy.mean()),
        "accuracy/std": float(accuracy.std()),
        "halves/kendall_tau": _correlation(kendalltau, *halves),
        "halves/spearman": _correlation(spearmanr, *halves),
    }


def sample(count: int, seed: int) -> np.ndarray:
    """``count`` different rows of the space, in random order: int64 (count, 6)."""
    return SPACE.all()[np.random.default_rng([seed, 1]).permutation(SPACE.size)[:count]]


def fit(supernet: Supernet, images: Tensor, labels: Tensor, params: SupernetParams) -> list[dict[str, float]]:
    """Uniform single-path training, in place; the rows of the training curve.

    Each step draws its batch and its path from a generator keyed by (seed, step).
    """
    optimizer = plain.SGD(
        supernet.parameters(), params.learning_rate, momentum=0.9, weight_decay=params.weight_decay, nesterov=True
    )
    curve: list[dict[str, float]] = []
    every = max(1, params.steps // CURVE_POINTS)
    losses, hits = [], []
    for step in track(range(params.steps), "supernet"):
        generator = np.random.default_rng([params.seed, 0, step])
        batch = torch.from_numpy(generator.integers(len(labels), size=params.batch))
        path = generator.integers(SPACE.choices)
        logits = supernet(images[batch], path)
        loss = F.cross_entropy(logits, labels[batch])
        optimizer.param_groups[0]["lr"] = params.learning_rate * 0.5 * (1 + np.cos(np.pi * step / params.steps))
        optimizer.zero_grad(set_to_none=True)  # weights off the path get no gradient, and stay as they are
        loss.backward()
        torch.nn.utils.clip_grad_norm_(supernet.parameters(), 5.0)
        optimizer.step()
        losses.append(loss.item())
        hits.append((logits.argmax(dim=1) == labels[batch]).float().mean().item())
        if (step + 1) % every == 0 or step + 1 == params.steps:
            curve.append({"step": step + 1, "loss": float(np.mean(losses)), "accuracy": float(np.mean(hits))})
            losses, hits = [], []
    return curve


def _correlation(measure: object, a: np.ndarray, b: np.ndarray) -> float:
    """A rank correlation; 0 where one side is constant, and no ranking exists."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(measure(a, b).statistic)  # type: ignore[operator]
