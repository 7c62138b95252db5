"""The three functions that compute a quantization, on a matrix of groups; each module of backends has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from lbt.kernels.groups import Groups
    from lbt.numerics.formats import FormatBase
    from lbt.numerics.granularity import Layout
    from lbt.numerics.ranges import RuleBase
    from lbt.numerics.rounding import Index, Key, Rounding

Want = Literal["codes", "values", "both", "dequantized"]
"""``values``: without a single scale, which is left to the product; ``dequantized``: with every scale applied."""


class Backend(Protocol):
    """:mod:`lbt.kernels.plain`, :mod:`lbt.kernels.loops` or :mod:`lbt.kernels.gpu`: the same bits."""

    def limits(
        self, matrix: Tensor, layout: Layout, rule: RuleBase, form: FormatBase, known: int | None
    ) -> float | Tensor:
        """The limit of each group (see :meth:`RuleBase.limit`); a number where there is one group and it is at hand.

        Args:
            matrix: float32, not empty.
            layout: of the matrix.
            rule: the range rule.
            form: the format that the limits are for.
            known: the largest magnitude's bit pattern, if somebody noted it (:mod:`lbt.kernels.magnitude`).
        """
        ...

    def encode(
        self, matrix: Tensor, groups: Groups, rounding: Rounding, key: Key, index: Index, want: Want, out: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """(codes, values), matrices like ``matrix``; None for what is not wanted or comes from the other one lazily.

        Args:
            matrix: float32.
            groups: format, scales and zero points.
            rounding: nearest, stochastic or floor.
            key, index: of stochastic rounding; the elements' indices in the whole batch.
            want: ``dequantized`` gives values at least.
            out: float32 (numel,) to hold the values; a new tensor by default.
        """
        ...

    def decode(self, codes: Tensor, groups: Groups, out: Tensor | None) -> Tensor:
        """Values of ``codes``, a matrix like it: with the scales applied where there are several."""
        ...
