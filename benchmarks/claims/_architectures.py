"""Parts that the experiments on architectures share: NAS-Bench-201, few labels of one half, judged on the other."""

from __future__ import annotations

import functools

import numpy as np
import torch
from predictors import benchmark_table
from torch import Tensor, nn

from lbt.nas.predictors.cells import Cells, cells
from lbt.nas.predictors.fit import Neural, Options, train
from lbt.nas.predictors.layers import Head
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.predictors.stage import halves
from lbt.nas.space import CellSpace
from lbt.nas.tables import Table

from . import _setting as setting

LABELS, EPOCHS, WIDTH = 78, 100, 128
FIRST = 30
"""A job's seed is counted from here: seeds below were looked at while the predictors were designed."""


class Network(nn.Module):
    """An encoder with the usual head, one member: what :func:`lbt.nas.predictors.fit.train` trains."""

    def __init__(self, space: CellSpace, encoder: nn.Module, generator: torch.Generator) -> None:
        super().__init__()
        self.space, self.encoder = space, encoder
        self.head = Head(1, encoder.output_size, list(Options().hidden), generator)

    def forward(self, batch: Cells) -> Tensor:
        return self.head(self.encoder(batch))


@functools.cache
def table() -> Table:
    """All 15,625 cells."""
    return benchmark_table()


@functools.cache
def values() -> np.ndarray:
    """Floating-point accuracy on CIFAR-10 of every cell, percent."""
    return table().target("fp")


@functools.cache
def every() -> Cells:
    """Every cell as the encoders read it."""
    return cells(table().space, table().rows)


@functools.cache
def split(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The training half in random order, and the held-out half."""
    return halves(len(table()), FIRST + seed)


def generator(seed: int) -> torch.Generator:
    """Draws of the network of ``seed``."""
    return torch.Generator().manual_seed(FIRST + seed)


def tau(network: nn.Module, seed: int, loss: str = "hinge", targets: np.ndarray | None = None) -> float:
    """Kendall's tau on the held-out half after training on :data:`LABELS` cells (``targets`` in place of accuracy)."""
    chosen, held = split(seed)
    few = chosen[:LABELS]
    known = values()[few] if targets is None else targets
    fitted = fitted_on(network, few, known, seed, loss)
    return float(kendall_tau(fitted.predict(table().rows[held])[0], values()[held]))


def fitted_on(network: nn.Module, chosen: np.ndarray, known: np.ndarray, seed: int, loss: str = "hinge") -> Neural:
    """``network`` trained on ``known`` values of the cells ``chosen``."""
    options = Options(epochs=min(EPOCHS, setting.CAP), loss=loss)
    return train(network, table().rows[chosen], known, options, FIRST + seed)
