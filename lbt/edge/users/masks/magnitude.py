"""Magnitude (Li et al. 2017, arXiv 1608.08710): the sum of the absolute weights of a channel. Sees no image.

A norm behind the layer scales its channels at will, so that the sum is taken of weights times the norm's scale over its
standard deviation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbt.edge.users.masks import Evidence

if TYPE_CHECKING:
    from torch import Tensor


def scores(evidence: Evidence) -> dict[str, Tensor]:
    """Σ|w| of each channel, (c,) by layer."""
    from lbt.nn.norms import norm_layers

    norms = {id(norm) for norm in norm_layers(evidence.network)}
    found = {}
    for name, group in evidence.groups.items():
        weight: Tensor = evidence.network.get_submodule(name).weight  # type: ignore[assignment]
        total = weight.detach().abs().flatten(1).sum(1)
        for part in group.through[:1]:
            norm = evidence.network.get_submodule(part)
            if id(norm) in norms:
                total = total * norm.weight.detach().abs() / (norm.running_var + norm.eps).sqrt()  # type: ignore
        found[name] = total
    return found
