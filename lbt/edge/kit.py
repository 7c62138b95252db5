"""Names that an online method works with, each imported when it is first used; why: :mod:`lbt.adapt.kit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbt.lazy import exports

if TYPE_CHECKING:
    import torch as torch
    from torch import nn as nn

    from lbt.edge.losses import cross_entropy as cross_entropy
    from lbt.edge.losses import entropies as entropies
    from lbt.edge.losses import soft_likelihood_ratio as soft_likelihood_ratio
    from lbt.edge.losses import symmetric_cross_entropy as symmetric_cross_entropy
    from lbt.edge.statistics import folded as folded
    from lbt.edge.statistics import kept_statistics as kept_statistics
    from lbt.edge.statistics import use_batch as use_batch
    from lbt.edge.statistics import use_running as use_running
    from lbt.nn import optimizer as optimizer
    from lbt.nn import scale_loss as scale_loss
    from lbt.nn import set_step as set_step
    from lbt.nn.norms import norm_layers as norm_layers
    from lbt.train.augmentation import augment as augment
    from lbt.train.batches import generator as generator

_LOSSES = ("cross_entropy", "entropies", "soft_likelihood_ratio", "symmetric_cross_entropy")

__getattr__, __dir__ = exports(
    __name__,
    {
        "torch": "torch:",
        "nn": "torch.nn:",
        "F": "torch.nn.functional:",
        **dict.fromkeys(_LOSSES, "lbt.edge.losses"),
        **dict.fromkeys(("folded", "kept_statistics", "use_batch", "use_running"), "lbt.edge.statistics"),
        "norm_layers": "lbt.nn.norms",
        **dict.fromkeys(("optimizer", "scale_loss", "set_step"), "lbt.nn"),
        "augment": "lbt.train.augmentation",
        "generator": "lbt.train.batches",
    },
)
