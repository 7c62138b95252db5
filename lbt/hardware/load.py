"""A network's training step as numbers, from which the cycles on many shapes of array follow at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lbt.hardware.boards import Board
from lbt.hardware.ops import FUSED, Gemm, Work


@dataclass(frozen=True)
class Load:
    """A network's step, in arrays over its different products.

    Attributes:
        gemms: (m, k, n, times) of each product's parts, pieces included.
        owner: index of the product that a part belongs to, ascending.
        transfer: cycles in which each product's compulsory bytes move.
        repeats: how often each product occurs.
        waits: (elements, cycles of transfer) of what runs on the lanes, one row each.
        rides: elements that pass the lanes while products run.
    """

    gemms: np.ndarray
    owner: np.ndarray
    transfer: np.ndarray
    repeats: np.ndarray
    waits: np.ndarray
    rides: float

    @classmethod
    def of(
        cls, works: Sequence[Work], board: Board, bits: tuple[int, int], rides: Mapping[tuple[str, str], float]
    ) -> Load:
        """The load of ``works`` on multipliers of ``bits``."""
        per_cycle = board.bytes_per_cycle
        products = Counter((w.gemms, _pieces(w, bits), sum(w.operands) / per_cycle) for w in works if w.macs)
        parts = [(g.m, g.k, g.n, g.count * p, i) for i, (gemms, p, _) in enumerate(products) for g in _full(gemms)]
        table = np.array(parts, float)
        waits = [
            (max(0.0, w.elements - rides.get((w.layer, w.stage), 0.0)), (w.reads + w.writes) / per_cycle)
            for w in works
            if not w.macs and w.known and w.kind not in FUSED
        ]
        transfer, repeats = [t for _, _, t in products], list(products.values())
        return cls(
            table[:, :4], table[:, 4].astype(int), np.array(transfer), np.array(repeats, float),
            np.array(waits, float).reshape(-1, 2), sum(rides.values()),
        )  # fmt: skip

    def cycles(self, rows: np.ndarray, cols: np.ndarray, lanes: np.ndarray) -> np.ndarray:
        """Cycles of a step for each shape; every operand moves once, the dataflow of each product is the fastest."""
        span = 1 + int(np.max(cols))
        # of numbers: pairs are sorted ten times slower
        sides, which = np.unique(rows * span + cols, return_inverse=True)
        products = self._products(*np.divmod(sides, span))[which]
        others = np.maximum(self.waits[:, :1] / lanes, self.waits[:, 1:]).sum(0)
        return products + others + np.maximum(0, self.rides / lanes - products)

    def _products(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Cycles of all products."""
        m, k, n, times = (column[:, None] for column in self.gemms.T)
        flows = ((m, n, k, 0), (k, n, m, 1), (k, m, n, 1))  # rows, columns, streamed, and a second fill
        first = np.searchsorted(self.owner, np.arange(len(self.transfer)))
        whole = np.zeros((3, len(self.transfer), len(rows)))
        for flow, (r, c, t, twice) in enumerate(flows):
            folds = np.ceil(r / rows) * np.ceil(c / cols)
            parts = times * (folds * ((1 + twice) * rows + cols + t - 2) - 1)
            whole[flow] = np.add.reduceat(parts, first)
        return self.repeats @ np.maximum(whole.min(0), self.transfer[:, None])


def _full(gemms: tuple[Gemm, ...]) -> list[Gemm]:
    return [gemm for gemm in gemms if gemm.macs]


def _pieces(work: Work, bits: tuple[int, int]) -> int:
    wide, narrow = max(work.x.width, work.y.width), min(work.x.width, work.y.width)
    return max(1, -(-wide // bits[0])) * max(1, -(-narrow // bits[1]))
