"""Kinds of modules: which of PyTorch's a module computes exactly, and why one is none of them."""

from __future__ import annotations

from torch import nn

from lbt.nn.norms._base import Norm

PRODUCTS: tuple[type[nn.Module], ...] = (nn.Conv1d, nn.Conv2d, nn.Linear)
BATCH_NORMS: tuple[type[nn.Module], ...] = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
AVERAGES: tuple[type[nn.Module], ...] = (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
_KINDS = (*PRODUCTS, *BATCH_NORMS, *AVERAGES, nn.MultiheadAttention, nn.ReLU, nn.ReLU6)
_PARTS = ("__call__", "forward", "_conv_forward")
"""Methods that say what a module computes."""


def patched(module: nn.Module) -> bool:
    """True if ``forward`` was replaced on the object itself, as hooks of a device map do."""
    return "forward" in module.__dict__


def kind_of(module: nn.Module) -> type[nn.Module] | None:
    """The class of PyTorch whose computation ``module`` has; None for a subclass with a forward of its own."""
    if isinstance(module, Norm):
        return None if patched(module) else nn.BatchNorm2d
    if patched(module):
        return None
    cls = type(module)
    for kind in _KINDS:
        if issubclass(cls, kind) and all(getattr(cls, n, None) is getattr(kind, n, None) for n in _PARTS):
            return kind
    return None


def is_product(module: nn.Module) -> bool:
    """True for a convolution or linear layer that can be quantized."""
    return kind_of(module) in PRODUCTS


def is_batch_norm(module: nn.Module) -> bool:
    """True for a batch norm that computes as PyTorch's or as one of lbt's."""
    return kind_of(module) in BATCH_NORMS


def own_forward(module: nn.Module) -> str | None:
    """The reason why a module that derives from a known kind is left as it is; None for every other module."""
    for kind in (*PRODUCTS, *BATCH_NORMS, *AVERAGES, nn.MultiheadAttention):
        if isinstance(module, kind) and kind_of(module) is None:
            if patched(module):
                return f"the forward of this {kind.__name__} was replaced on the object"
            return f"{type(module).__name__} is a {kind.__name__} with a forward of its own"
    return None
