"""A rule whose limit is agreed on by all processes of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import SerializeAsAny

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
        import torch.distributed as dist

        # NaN would not survive a maximum everywhere; infinity does, and is reported by the caller in every process
        own = self.inner.limit(x, dim, form).nan_to_num(nan=float("inf"), posinf=float("inf")).contiguous()
        dist.all_reduce(own, dist.ReduceOp.MAX, group=_groups[0])
        return own

    def remember(self, limit: Tensor, running: Tensor) -> Tensor:
        return self.inner.remember(limit, running)


_groups: list[Any] = []


def make_group() -> None:
    """A process group of the limits' own, so that they do not get between the reductions of gradients.

    All processes must call it together.
    """
    import torch.distributed as dist

    _groups[:] = [dist.new_group()]
