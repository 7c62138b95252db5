"""Fitted predictors as files: safetensors with a header that says what was fitted, on which space, for which target."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lbt.artifacts import read_tensors, write_tensors
from lbt.errors import LbtError
from lbt.nas.predictors import fit as fitting
from lbt.nas.predictors.calibrate import values_of
from lbt.nas.predictors.columns import Columns
from lbt.nas.predictors.fit import Fitted, Options
from lbt.nas.predictors.state import below, under
from lbt.nas.space import CellSpace, SpaceSpec, build

FORMAT = "lbt predictor 2"
NONE = Columns()


@dataclass(frozen=True)
class Predictor:
    """A fitted predictor and what it was fitted on.

    Attributes:
        encoder: its name, a file of ``lbt/nas/predictors/encoders/``.
        space: the search space.
        target: the column that was learnt.
        options: training of a neural predictor.
        seed: of the fit.
        fitted: the predictor itself.
        values: float64 (N,), the evaluated architectures' values.
        scores: float64 (N,), what ``fitted`` predicts for them: places a new score among the values.
        columns: the table's columns that serve as features.
        smaller: True where a smaller value is better (an error, a latency); a larger score is better either way.
    """

    encoder: str
    space: CellSpace
    target: str
    options: Options
    seed: int
    fitted: Fitted
    values: np.ndarray
    scores: np.ndarray
    columns: Columns = NONE
    smaller: bool = False

    @classmethod
    def fit(
        cls,
        encoder: str,
        space: CellSpace,
        rows: np.ndarray,
        values: np.ndarray,
        target: str,
        options: Options,
        seed: int,
        columns: Columns = NONE,
        numbers: np.ndarray | None = None,
        smaller: bool = False,
    ) -> Predictor:
        """Fit ``encoder`` on rows (N, L) with ``values`` (N,) of the column ``target``.

        ``numbers`` (N, C), in the table's units, are the values of ``columns``.
        """
        beside = columns(_numbers(rows, numbers))
        fitted = fitting.fit(encoder, space, rows, -values if smaller else values, options, seed, beside)
        scores = fitted.predict(rows, beside)[0]
        return cls(encoder, space, target, options, seed, fitted, values, scores, columns, smaller)

    def predict(self, rows: np.ndarray, numbers: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Score and deviation of rows (M, L), larger is better; ``numbers`` (M, C) as in :meth:`fit`."""
        return self.fitted.predict(rows, self.columns(_numbers(rows, numbers)))

    def expected(self, scores: np.ndarray) -> np.ndarray:
        """The value that a score stands for, in the target's unit, float64 (M,).

        A calibrated predictor's scores are normal scores of the values. Those of another one only rank: their value is
        the evaluated values' quantile at the score's place among the evaluated architectures' scores.
        """
        sign = -1.0 if self.smaller else 1.0
        if self.fitted.calibration is not None:
            return sign * values_of(scores, sign * self.values)
        return sign * np.quantile(sign * self.values, np.searchsorted(np.sort(self.scores), scores) / len(self.scores))


def _numbers(rows: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
    return np.zeros((len(rows), 0)) if numbers is None else numbers


def save(path: str | Path, predictor: Predictor) -> None:
    """Write ``predictor``; :func:`load` reads one that predicts the same to the last bit."""
    tensors, facts = predictor.fitted.state()
    parts = under("fitted", tensors) | under("known", {"values": predictor.values, "scores": predictor.scores})
    kept = {name: tensor.clone() for name, tensor in parts.items()}  # safetensors refuses tensors that share memory
    header = {
        "format": FORMAT,
        "encoder": predictor.encoder,
        "space": predictor.space.spec.model_dump(mode="json"),
        "target": predictor.target,
        "options": asdict(predictor.options),
        "seed": predictor.seed,
        "columns": asdict(predictor.columns),
        "smaller": predictor.smaller,
        "facts": facts,
    }
    write_tensors(path, kept, {**header, "sha256": _digest(kept, header)})


def load(path: str | Path) -> Predictor:
    """Read a predictor that :func:`save` wrote.

    Raises:
        LbtError: there is no such file, it is damaged, or it holds something else.
    """
    stored, header = read_tensors(path)
    tensors = {name: tensor.clone() for name, tensor in stored.items()}  # aligned as when fitted: sums come out alike
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise LbtError(
            f"{path}: not a saved predictor; accepted: a file of `lbt predict --save` or the predictor stage"
        )
    if header.pop("sha256", None) != _digest(tensors, header):
        raise LbtError(f"{path}: its content is not what was saved (altered?); save the predictor anew")
    space = build(SpaceSpec.model_validate(header["space"]))
    options = Options.of(header["options"])
    known = below("known", tensors)
    columns = Columns(**{name: tuple(parts) for name, parts in header["columns"].items()})
    fitted = fitting.load(header["encoder"], space, below("fitted", tensors), header["facts"])
    return Predictor(
        header["encoder"], space, header["target"], options, header["seed"], fitted,
        known["values"].numpy(), known["scores"].numpy(), columns, header["smaller"],
    )  # fmt: skip


def _digest(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> str:
    total = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        content = tensors[name].detach().contiguous()
        total.update(f"{name} {content.dtype} {tuple(content.shape)}\n".encode())
        total.update(content.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
