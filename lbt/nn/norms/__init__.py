"""Batch normalisation for low-bit training: one file per variant, each a drop-in for :class:`torch.nn.BatchNorm2d`.

Every module here defines one :class:`~lbt.nn.norms._base.Norm` (named as ``NORM``) and says what it costs an
accelerator (``NORM.cost``). A new variant is a new file; recipes choose it by the file's name::

    layer = lbt.nn.norms.build("range_bn", bn)            # from a trained nn.BatchNorm1d/2d/3d
    lbt.nn.norms.cost("range_bn").forward.element.adds    # additions per element of the forward pass
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lbt.registry import Registry

if TYPE_CHECKING:
    from torch import nn

    from lbt.nn.norms._base import Norm
    from lbt.nn.norms._cost import NormCost

NORMS = Registry("norm", "lbt.nn.norms")


def norm_class(name: str, where: str = "") -> type[Norm]:
    """The class of the variant ``name``.

    Raises:
        LbtError: there is no such variant (``where`` says in which file or key it was named).
    """
    return NORMS.load(name, where).NORM


def build(name: str, batch_norm: nn.Module, **options: Any) -> Norm:
    """The variant ``name`` in place of ``batch_norm``, with its parameters (the same objects) and statistics."""
    return norm_class(name).from_batch_norm(batch_norm, **options)


def norm_layers(network: nn.Module) -> list[Any]:
    """The batch norms of ``network``, PyTorch's or of this package."""
    from torch.nn.modules.batchnorm import _BatchNorm

    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


def cost(name: str) -> NormCost:
    """The cost of the variant ``name`` on an accelerator."""
    return norm_class(name).cost
