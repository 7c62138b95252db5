"""The limit with the least squared error: clipping and rounding errors balanced by trying."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lbt.numerics.ranges._sweep import Sweep

if TYPE_CHECKING:
    from torch import Tensor

    from lbt.numerics.formats import FormatBase


class Rule(Sweep):
    """limit = argmin Σ (x - Q(x))²."""

    rule: Literal["mse"] = "mse"

    def limit(self, x: Tensor, dim: int, form: FormatBase) -> Tensor:
        return self.search(x, dim, form, lambda a, q, d: (a - q).square().sum(d, keepdim=True))
