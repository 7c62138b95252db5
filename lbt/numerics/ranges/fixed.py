"""A limit that is given, not found: no pass over the data (WAGE's weights and activations)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lbt.numerics.ranges._base import RuleBase

if TYPE_CHECKING:
    from torch import Tensor

    from lbt.numerics.formats import FormatBase


class Rule(RuleBase):
    """limit = ``value``."""

    rule: Literal["fixed"] = "fixed"
    value: float = Field(1.0, ge=1e-30, le=1e30)
    """The largest magnitude that is written without saturating."""

    def limit(self, x: Tensor, dim: int, form: FormatBase) -> Tensor:
        top = x.abs().amax(dim, keepdim=True)
        return top.isfinite().float() * self.value + (top - top)  # not finite where the data are not
