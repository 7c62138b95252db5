"""Several processes that share the batches of one training run, started by ``torchrun``.

    torchrun --nproc-per-node 2 --no-python lbt pretrain …

Each process takes a consecutive share of every batch. What is exchanged are sums and maxima; sums of integers do not
depend on how a batch is split, so the integer network's weights are the same to the last bit for any number of
processes; sums of floats agree to rounding. Alone (no ``torchrun``) every function here is the identity, and
torch.distributed is not touched.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lbt.errors import LbtError


class World(NamedTuple):
    """This process's number and how many there are."""

    rank: int
    size: int


def world() -> World:
    """Who shares the work; (0, 1) where nobody does."""
    if dist.is_available() and dist.is_initialized():
        return World(dist.get_rank(), dist.get_world_size())
    return World(0, 1)


@contextlib.contextmanager
def joined() -> Iterator[World]:
    """Join the other processes that ``torchrun`` started, and leave them at the end; nothing without ``torchrun``."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or world().size > 1:
        yield world()
        return
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield world()
        dist.barrier()  # who leaves first must not close connections that the others still use
    finally:
        dist.destroy_process_group()


def share(count: int) -> slice:
    """This process's part of ``count`` samples: consecutive, sizes differing by one at most.

    Raises:
        LbtError: fewer samples than processes.
    """
    rank, size = world()
    if count < size:
        raise LbtError(f"a batch of {count} cannot be shared by {size} processes; accepted: at least one sample each")
    small, more = divmod(count, size)
    start = rank * small + min(rank, more)
    return slice(start, start + small + (rank < more))


def total(tensors: list[Tensor]) -> list[Tensor]:
    """The sum over all processes of each tensor (of one dtype), in one message."""
    return _reduced(tensors, dist.ReduceOp.SUM)


def largest(tensors: list[Tensor]) -> list[Tensor]:
    """The elementwise maximum over all processes of each tensor (of one dtype), in one message."""
    return _reduced(tensors, dist.ReduceOp.MAX)


def wait() -> None:
    """Return when every process has come here."""
    if world().size > 1:
        dist.barrier()


def _reduced(tensors: list[Tensor], operation: dist.ReduceOp.RedOpType) -> list[Tensor]:
    if world().size == 1 or not tensors:
        return tensors
    flat = torch.cat([t.reshape(-1) for t in tensors])
    dist.all_reduce(flat, operation)
    return [part.view(t.shape) for part, t in zip(flat.split([t.numel() for t in tensors]), tensors, strict=True)]


def sum_gradients(model: nn.Module) -> None:
    """Replace every parameter's gradient by its sum over all processes."""
    if world().size > 1:
        own = [p for p in model.parameters() if p.grad is not None]
        for p, gradient in zip(own, total([p.grad for p in own if p.grad is not None]), strict=True):
            p.grad = gradient


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


def share_batch_norms(model: nn.Module) -> None:
    """Let every ``nn.BatchNorm2d`` of ``model`` normalise with the statistics of all processes' samples."""
    if world().size > 1:
        for module in model.modules():
            if type(module) is nn.BatchNorm2d:
                module.__class__ = SharedBatchNorm


class _Sum(torch.autograd.Function):
    """The sum over all processes; so is the error's, since every process's loss depends on it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return total([x.clone()])[0]

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> Tensor:  # type: ignore[override]
        return total([error.clone()])[0]
