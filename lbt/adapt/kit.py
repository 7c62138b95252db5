"""Names that a method trains with, each imported when it is first used.

A method's options stand in the method's own file, and the params read them there without waiting for torch. So the
files of methods import nothing heavy, and take what they train with from here: ``kit.F.cross_entropy``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbt.lazy import exports

if TYPE_CHECKING:
    import torch as torch
    from torch import nn as nn

    from lbt.adapt.losses import class_balance as class_balance
    from lbt.adapt.losses import diversity as diversity
    from lbt.adapt.losses import entropy as entropy
    from lbt.adapt.losses import reverse_gradient as reverse_gradient
    from lbt.adapt.prior import Balance as Balance
    from lbt.adapt.prior import given_shares as given_shares
    from lbt.nn import domain as domain
    from lbt.nn import optimizer as optimizer
    from lbt.nn import quantize as quantize
    from lbt.nn import scale_loss as scale_loss
    from lbt.nn import separate_statistics as separate_statistics
    from lbt.nn import set_progress as set_progress
    from lbt.nn import set_step as set_step
    from lbt.nn.norms import norm_layers as norm_layers
    from lbt.nn.parallel import average_gradients as average_gradients
    from lbt.nn.parallel import share_model as share_model
    from lbt.nn.parallel import split as split
    from lbt.train.batches import draw as draw
    from lbt.train.batches import generator as generator
    from lbt.train.batches import views as views
    from lbt.train.evaluation import predict as predict

_LOSSES = ("class_balance", "diversity", "entropy", "reverse_gradient")
_LAYERS = ("domain", "optimizer", "quantize", "scale_loss", "separate_statistics", "set_progress", "set_step")

__getattr__, __dir__ = exports(
    __name__,
    {
        "torch": "torch:",
        "nn": "torch.nn:",
        "F": "torch.nn.functional:",
        **dict.fromkeys(_LOSSES, "lbt.adapt.losses"),
        **dict.fromkeys(_LAYERS, "lbt.nn"),
        "norm_layers": "lbt.nn.norms",
        **dict.fromkeys(("average_gradients", "share_model", "split"), "lbt.nn.parallel"),
        **dict.fromkeys(("Balance", "given_shares"), "lbt.adapt.prior"),
        **dict.fromkeys(("draw", "generator", "views"), "lbt.train.batches"),
        "predict": "lbt.train.evaluation",
    },
)
