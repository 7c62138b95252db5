"""Batch-norm statistics of a network that adapts: the running ones, those of the batch, or one folded into the other.

They work on every batch norm of :mod:`lbt.nn.norms`: statistics that are folded stand in the running buffers while the
network is in evaluation mode.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lbt.errors import LbtError
from lbt.nn.norms import norm_layers


def use_running(network: nn.Module) -> None:
    """Evaluation mode: each norm takes its running statistics, and nothing moves them."""
    network.eval()


def use_batch(network: nn.Module) -> None:
    """Training mode but for dropout: each norm takes the statistics of the batch.

    Raises:
        LbtError: the network has no batch norm, or one that does not take them in training.
    """
    norms = norm_layers(network)
    _check(network, norms)
    for norm in norms:
        if getattr(norm, "needs_running", False):
            found = f"{type(norm).__name__} normalises with running statistics"
            raise LbtError(f"edge: {found}, but this method needs the statistics of each batch; accepted: none, lame")
    network.train()
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()


@contextlib.contextmanager
def folded(network: nn.Module, share: float) -> Iterator[None]:
    """Within this context each norm folds the batch into its running statistics, and then normalises with them.

    μ ← (1 - share)·μ + share·μ_batch, and the same for σ² (biased). To a gradient they are constants.

    Args:
        network: with batch norms; they are in evaluation mode within the context.
        share: of the batch, 0 to 1.

    Raises:
        LbtError: the network has no batch norm, or one that is part of a convolution's weight.
    """
    norms = norm_layers(network)
    _check(network, norms)
    modes = [norm.training for norm in norms]
    hooks = [norm.register_forward_pre_hook(partial(_fold, share)) for norm in norms]
    try:
        for norm in norms:
            norm.eval()
        yield
    finally:
        for norm, hook, training in zip(norms, hooks, modes, strict=True):
            hook.remove()
            norm.train(training)


@contextlib.contextmanager
def kept_statistics(network: nn.Module) -> Iterator[None]:
    """Put the running statistics back at the end of this context."""
    kept = [(norm, norm.running_mean.clone(), norm.running_var.clone()) for norm in norm_layers(network)]
    try:
        yield
    finally:
        for norm, mean, variance in kept:
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)


@torch.no_grad()
def _fold(share: float, norm: Any, inputs: tuple[Tensor, ...]) -> None:
    x = inputs[0]
    variance, mean = torch.var_mean(x, [d for d in range(x.dim()) if d != 1], correction=0)
    # new tensors: a graph that was recorded with the old ones still needs them
    norm.running_mean = norm.running_mean.lerp(mean.to(norm.running_mean.dtype), share)
    norm.running_var = norm.running_var.lerp(variance.to(norm.running_var.dtype), share)


def _check(network: nn.Module, norms: list[Any]) -> None:
    if not norms:
        raise LbtError(
            f"edge: {type(network).__name__} has no batch norm, which this method needs; accepted: none, lame"
        )
    if any(getattr(norm, "inside", False) for norm in norms):
        raise LbtError("edge: folded_bn is part of a convolution's weight, but this method needs it apart")
