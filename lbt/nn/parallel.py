"""Models whose batch is shared by several processes: every process computes as if it had the whole batch.

The convention is that of ``DistributedDataParallel``: every process has a loss, and the gradient of the training run is
the mean over the processes. :func:`split` gives every process the results of the whole batch, so that any loss may be
written as if there were one process, also one that looks at the batch as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lbt.distributed import average, own_group, share, total, world
from lbt.errors import LbtError
from lbt.nn.context import contexts_in, contexts_of, set_first_sample
from lbt.nn.layers.base import QuantizedLayer
from lbt.nn.layers.flow import flows
from lbt.nn.norms._base import Norm
from lbt.nn.norms.float_bn import FloatBN
from lbt.nn.shared_range import Shared
from lbt.numerics.spec import RoleSpec
from lbt.recipe import Roles

T = TypeVar("T", Tensor, tuple[Tensor, Tensor])


def share_ranges(model: nn.Module) -> None:
    """Let all processes quantize alike: A and E with the same limits, G as the mean of all processes' gradients.

    Without it each process quantizes its part of the batch with that part's range, as if batches were smaller: sound,
    but dependent on the number of processes. Ranges per sample or block belong to one process anyway. With the rule
    ``max`` the limits are those of the whole batch; with other rules the largest of the processes' limits. The tensor
    scale of ``mls-*`` and ``nvfp4`` stays each process's own. Call it in every process, before or after wrapping in
    ``DistributedDataParallel``, and say where each part of the batch begins with ``set_step(model, step,
    first_sample=n)``: stochastic rounding then draws what it would have in one process.

    Raises:
        LbtError: nothing in ``model`` was converted, or ``torch.distributed`` is not initialised.
    """
    contexts = contexts_of(model, "share_ranges")
    if not (dist.is_available() and dist.is_initialized()):
        raise LbtError("share_ranges: torch.distributed is not initialised; call init_process_group first")
    own_group()
    for context in contexts:
        context.shared = True
        for sites in (context.sites, context.final_sites):
            sites.update({site: (roles and shared_roles(roles), why) for site, (roles, why) in sites.items()})
    for module in model.modules():
        if isinstance(module, QuantizedLayer):
            module.roles = shared_roles(module.roles)
            module.final_roles = module.final_roles and shared_roles(module.final_roles)
        for flow in flows(module):
            flow.a, flow.e = _shared(flow.a), _shared(flow.e)
            flow.final = flow.final and (_shared(flow.final[0]), _shared(flow.final[1]))


def shared_roles(roles: Roles) -> Roles:
    """``roles`` with limits of A, E, AG and EG that all processes agree on."""
    return Roles(**{**dict(roles), **{role: _shared(getattr(roles, role)) for role in ("A", "E", "AG", "EG")}})


def _shared(spec: RoleSpec | None) -> RoleSpec | None:
    if (
        spec is None
        or spec.granularity not in ("tensor", "channel")
        or isinstance(spec.range, Shared)
        or spec.range.learned
    ):
        return spec
    return spec.model_copy(update={"range": Shared(inner=spec.range)})


def share_model(model: nn.Module) -> nn.Module:
    """``model``, ready for :func:`split`: batch norms over all processes' samples; shared ranges if it was converted.

    Alone, nothing changes.

    Raises:
        LbtError: it has a batch norm whose statistics cannot be shared.
    """
    if world().size > 1:
        if contexts_in(model):
            share_ranges(model)
        for name, module in model.named_modules():
            if type(module) in (nn.BatchNorm2d, FloatBN):
                module.__class__ = SharedBatchNorm
            elif isinstance(module, Norm) and not isinstance(module, SharedBatchNorm):
                found = f"{name}: the statistics of a {type(module).__name__} cannot be shared by processes"
                raise LbtError(f"{found}; accepted under torchrun: recipes with the norm float_bn")
    return model


def split(function: Callable[[Tensor], T], images: Tensor, models: Iterable[nn.Module]) -> T:
    """``function(images)``, of which each process computes its share.

    Args:
        function: what ``models`` make of images (N, …): tensors whose first dimension is N.
        images: the whole batch, the same in every process. With fewer images than processes all compute all.
        models: whose stochastic rounding must know which samples these are.

    Returns:
        The results of all N images, in every process. An error that comes back is passed on to the own share, times the
        number of processes: after :func:`average_gradients` it is what one process would have found.
    """
    alone = world().size == 1 or len(images) < world().size
    own = slice(0, len(images)) if alone else share(len(images))
    for model in models:
        set_first_sample(model, own.start)
    if alone:
        return function(images)
    result = function(images[own])
    if isinstance(result, Tensor):
        return _Gathered.apply(result, own, len(images))
    return tuple(_Gathered.apply(one, own, len(images)) for one in result)  # type: ignore[return-value]


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace the gradient of each of ``parameters`` by its mean over all processes."""
    if world().size > 1:
        gradients = [p.grad for p in parameters if p.grad is not None]
        for gradient, mean in zip(gradients, average(gradients), strict=True):
            gradient.copy_(mean)


class SharedBatchNorm(nn.BatchNorm2d):
    """``nn.BatchNorm2d`` whose batch is that of all processes (on any device, unlike PyTorch's own)."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H, W); the statistics are those of all N, and errors flow through them to all."""
        if not self.training or world().size == 1:
            return super().forward(input)
        count = total([torch.tensor([input.numel() // input.shape[1]])])[0].item()
        mean = _Sum.apply(input.sum((0, 2, 3))) / count
        centred = input - mean.view(1, -1, 1, 1)
        variance = _Sum.apply(centred.square().sum((0, 2, 3))) / count
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                factor = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(variance * count / (count - 1), factor)
        scale = (variance + self.eps).rsqrt() * (1 if self.weight is None else self.weight)
        y = centred * scale.view(1, -1, 1, 1)
        return y if self.bias is None else y + self.bias.view(1, -1, 1, 1)


class _Sum(torch.autograd.Function):
    """The sum over all processes; so is the error's, since every process's loss depends on it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return total([x.clone()])[0]

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> Tensor:  # type: ignore[override]
        return total([error.clone()])[0]


class _Gathered(torch.autograd.Function):
    """The rows of all processes. Backward: every process has the same loss, and its error reaches the own rows only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, own: slice, count: int) -> Tensor:
        ctx.own = own
        whole = x.new_zeros(count, *x.shape[1:])
        whole[own] = x
        return total([whole])[0]

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        return error[ctx.own] * world().size, None, None
