"""Fitting a predictor on evaluated architectures.

Any predictor is fitted by :func:`fit` and answers through :class:`Fitted`. A file of ``encoders/`` either holds its own
``fit`` (the Gaussian process, ``best``) or a neural ``Encoder``, which is trained here with an MLP head on top.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from lbt.errors import LbtError
from lbt.nas.predictors import ENCODERS
from lbt.nas.predictors.calibrate import Calibration
from lbt.nas.predictors.cells import Cells, beside, cells
from lbt.nas.predictors.layers import Head
from lbt.nas.predictors.losses import loss_function
from lbt.nas.predictors.state import State, below, under
from lbt.nas.predictors.stopping import BestEpochs
from lbt.nas.space import CellSpace
from lbt.nn.optim import plain

CHUNK = 4096
"""Architectures that are scored at a time."""


@dataclass(frozen=True)
class Options:
    """Training of a neural predictor.

    Attributes:
        loss: name of a loss of :mod:`lbt.nas.predictors.losses`.
        epochs: passes over the training cells.
        batch: architectures per step, all pairs of which are compared; None lets it grow with the root of their number,
            from 16 to 128 (few cells need the steps more than the pairs).
        learning_rate: of Adam; it falls to zero along half a cosine.
        weight_decay: decoupled, per step.
        width: size of embeddings and information.
        hidden: widths of the head's hidden layers.
        members: size of the ensemble; more than one gives an uncertainty.
        validation: share of the training cells that is held back to choose the best epoch; 0 trains on all to the end.
        stop_by: whose held-out cells choose a member's best epoch: ``all`` members' or the ``others``', so that nothing
            about a member follows from its own.
        candidates: predictors among which ``auto`` chooses.
    """

    loss: str = "hinge"
    epochs: int = 200
    batch: int | None = None
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    width: int = 128
    hidden: tuple[int, ...] = (200, 200)
    members: int = 1
    validation: float = 0.0
    stop_by: str = "all"
    candidates: tuple[str, ...] = ("gates", "mlp", "onehot_gp", "effects_gp", "committee")

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Options:
        """The options that JSON has kept: it knows no tuple."""
        return cls(**{**facts, "hidden": tuple(facts["hidden"]), "candidates": tuple(facts["candidates"])})


class Fitted(Protocol):
    """A fitted predictor.

    Attributes:
        calibration: what makes scores expected values with deviations that hold (:mod:`lbt.nas.predictors.calibrate`);
            None where scores only rank.
    """

    calibration: Calibration | None

    def predict(self, rows: np.ndarray, columns: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Score and its standard deviation for rows (N, L): float64 (N,) each; larger is better.

        ``columns`` (N, C) are the numbers that the predictor was fitted with beside the rows, if it was. Scores of a
        ranking loss have no unit. The deviation is 0 where the predictor has no uncertainty.
        """

    def state(self) -> State:
        """Tensors and facts from which :func:`load` makes a predictor that predicts the same to the last bit."""


class PredictorNetwork(nn.Module):
    """An encoder with a head: rows in, one score per member out; the head also sees the rows' ``columns`` numbers."""

    def __init__(
        self, name: str, space: CellSpace, options: Options, generator: torch.Generator, columns: int = 0
    ) -> None:
        super().__init__()
        self.name, self.space, self.options, self.columns = name, space, options, columns
        self.encoder = ENCODERS.load(name).Encoder(space, options.members, options.width, generator)
        self.head = Head(options.members, self.encoder.output_size + columns, list(options.hidden), generator)

    def forward(self, batch: Cells) -> Tensor:
        embedding = self.encoder(batch)
        return self.head(torch.cat([embedding, batch.columns], -1) if self.columns else embedding)


class Neural:
    """A trained :class:`PredictorNetwork`; see :class:`Fitted`.

    Attributes:
        network: the network, in evaluation mode.
        members: K.
        held: int64 (K, H): the training cells that each member did not train on.
    """

    calibration: Calibration | None = None

    def __init__(self, network: PredictorNetwork, members: int, held: np.ndarray) -> None:
        self.network, self.members, self.held = network.eval(), members, held

    def scores(self, rows: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        """Every member's score, float64 (K, N), each member's scaled as it was trained."""
        return np.concatenate([s.double().numpy() for s in self._run(self.network, rows, columns)], 1)

    def embed(self, rows: np.ndarray) -> np.ndarray:
        """The first member's embedding of each architecture, float32 (N, width)."""
        return np.concatenate([e[0].numpy() for e in self._run(self.network.encoder, rows)])

    def predict(self, rows: np.ndarray, columns: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        scores = self.scores(rows, columns)
        return scores.mean(0), scores.std(0)

    def state(self) -> State:
        tensors = under("network", self.network.state_dict()) | {"held": torch.from_numpy(self.held)}
        network = self.network
        return tensors, {"encoder": network.name, "options": asdict(network.options), "columns": network.columns}

    @classmethod
    def load(cls, space: CellSpace, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Neural:
        """The networks of a :meth:`state`."""
        options = Options.of(facts["options"])
        network = PredictorNetwork(facts["encoder"], space, options, torch.Generator(), facts["columns"])
        network.load_state_dict(below("network", tensors))
        return cls(network, options.members, tensors["held"].numpy())

    @torch.no_grad()
    def _run(self, module: nn.Module, rows: np.ndarray, columns: np.ndarray | None = None) -> list[Tensor]:
        table = cells(self.network.space, rows, columns)
        starts = range(0, len(table), CHUNK)
        return [module(table[start : start + CHUNK].expand(self.members)) for start in starts]


def fit(
    name: str,
    space: CellSpace,
    rows: np.ndarray,
    values: np.ndarray,
    options: Options | None = None,
    seed: int = 0,
    columns: np.ndarray | None = None,
) -> Fitted:
    """Fit the predictor ``name`` on rows (N, L) with measured ``values`` (N,), larger is better.

    Args:
        name: a file of ``encoders/``.
        space: the search space of the rows.
        rows, values: the evaluated architectures.
        options: training of a neural predictor.
        seed: everything random follows from it.
        columns: float64 (N, C), numbers that are known of any architecture before it is evaluated, such as its
            operations, standardised (see :mod:`lbt.nas.predictors.columns`); predicting then needs them too.

    Raises:
        LbtError: an unknown predictor or loss, fewer than two architectures, or a value that is not finite.
    """
    if len(rows) < 2 or len(rows) != len(values):
        raise LbtError(
            f"a predictor needs two evaluated architectures or more, found {len(rows)} and {len(values)} values"
        )
    if not np.isfinite(values).all():
        raise LbtError(f"row {int(np.flatnonzero(~np.isfinite(values))[0])}: the value is not a finite number")
    options, columns = options or Options(), beside(rows, columns)
    module = ENCODERS.load(name)
    if hasattr(module, "fit"):
        return module.fit(space, rows, values, options, seed, columns)
    generator = torch.Generator().manual_seed(seed)
    network = PredictorNetwork(name, space, options, generator, columns.shape[1])
    return train(network, rows, values, options, seed, columns=columns)


def load(name: str, space: CellSpace, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Fitted:
    """The fitted predictor ``name`` of a :meth:`Fitted.state`."""
    module = ENCODERS.load(name)
    return module.load(space, tensors, facts) if hasattr(module, "fit") else Neural.load(space, tensors, facts)


class Auxiliary(Protocol):
    """A second loss of the encoder, from cells without labels; its own parameters are trained with the network's."""

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def __call__(self, network: PredictorNetwork, generator: torch.Generator) -> Tensor:
        """The loss of one step, a scalar; ``generator`` draws whatever is random about it."""


def train(
    network: PredictorNetwork,
    rows: np.ndarray,
    values: np.ndarray,
    options: Options,
    seed: int,
    auxiliary: Auxiliary | None = None,
    columns: np.ndarray | None = None,
) -> Neural:
    """Train ``network`` in place; each member has an order of the cells and a validation split of its own.

    With K members and a validation share of 1/K the splits are the K folds of a cross-validation. ``auxiliary`` adds
    its loss to that of every step.
    """
    generator = torch.Generator().manual_seed(seed + 1)
    loss_of, members = loss_function(options.loss), options.members
    table = cells(network.space, rows, columns)
    target = torch.from_numpy((values - values.mean()) / max(values.std(), 1e-12)).float()
    held = int(len(rows) * options.validation)
    shuffled = torch.randperm(len(rows), generator=generator)
    order = torch.stack([shuffled.roll(-member * held) for member in range(members)])  # splits next to each other
    held_index, train_index = order[:, :held], order[:, held:]

    batch_size = options.batch or min(128, max(16, int(2.3 * train_index.shape[1] ** 0.5)))
    steps = -(-train_index.shape[1] // batch_size)
    parameters = [*network.parameters(), *(auxiliary.parameters() if auxiliary else ())]
    optimizer = plain.AdamW(parameters, lr=options.learning_rate, weight_decay=options.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs * steps)
    best = BestEpochs(network, options.members, options.stop_by)
    network.train()
    for _ in range(options.epochs):
        shuffle = torch.stack([torch.randperm(train_index.shape[1], generator=generator) for _ in range(members)])
        for batch in train_index.gather(1, shuffle).tensor_split(steps, 1):
            loss = loss_of(network(table[batch]), target[batch]).sum()
            if auxiliary:
                loss = loss + auxiliary(network, generator)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        if held:
            with torch.no_grad():
                best.see(loss_of(network(table[held_index]), target[held_index]))
    if held:
        best.restore()
    return Neural(network, members, held_index.numpy())
