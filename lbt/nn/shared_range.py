"""A rule whose limit is agreed on by all processes of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import SerializeAsAny

from lbt.distributed import largest, own_group
from lbt.numerics.ranges._base import RuleBase

if TYPE_CHECKING:
    from torch import Tensor

    from lbt.numerics.formats import FormatBase


class Shared(RuleBase):
    """The largest of the limits that ``inner`` finds in each process's part of the batch.

    Not in a recipe: :func:`lbt.nn.share_ranges` puts it around a model's rules. For the rule ``max`` the result is the
    whole batch's own limit.
    """

    rule: Literal["shared"] = "shared"
    inner: SerializeAsAny[RuleBase]
    """The rule of the recipe."""

    @property
    def memory(self) -> bool:
        return self.inner.memory

    def limit(self, x: Tensor, dim: int, form: FormatBase) -> Tensor:
        # NaN would not survive a maximum everywhere; infinity does, and is reported by the caller in every process
        own = self.inner.limit(x, dim, form).nan_to_num(nan=float("inf"), posinf=float("inf"))
        return largest([own], own_group())[0]

    def remember(self, limit: Tensor, running: Tensor) -> Tensor:
        return self.inner.remember(limit, running)
