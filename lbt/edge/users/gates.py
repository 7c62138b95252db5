"""Gates: factors on the channels that a mask can remove, behind their last norm (or, without one, their layer)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from lbt.edge.users.structure import Group
from lbt.train.batches import generator

Factors = Callable[[str, Tensor], Tensor]
"""From a layer's name and its output (B, c, …) to factors (c,) or (B, c)."""


@contextlib.contextmanager
def gated(network: nn.Module, groups: Mapping[str, Group], factors: Factors) -> Iterator[None]:
    """Within this context the channels of each group are multiplied by their factors."""
    hooks = []
    for name, group in groups.items():
        end = network.get_submodule((name, *group.through)[-1])
        hooks.append(end.register_forward_hook(partial(_multiply, name, factors)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _multiply(name: str, factors: Factors, _: nn.Module, __: object, output: Tensor) -> Tensor:
    found = factors(name, output)
    return output * found.view(*found.shape, *(1,) * (output.dim() - 2))


def sensitivities(
    network: nn.Module, groups: Mapping[str, Group], images: Tensor, loss: Callable[[nn.Module, Tensor], Tensor]
) -> dict[str, Tensor]:
    """∂loss/∂gate at 1 for each image and channel, (B, c): the sum over positions of activation times gradient.

    Args:
        network: in evaluation mode; no parameter gets a gradient.
        groups: its maskable layers.
        images: (B, C, H, W).
        loss: of the network on the images, a sum over them.
    """
    ones: dict[str, Tensor] = {}

    def factors(name: str, output: Tensor) -> Tensor:
        return ones.setdefault(name, output.new_ones(output.shape[:2]).requires_grad_())

    with gated(network, groups, factors):
        total = loss(network, images)
    return dict(zip(ones, torch.autograd.grad(total, list(ones.values())), strict=True))


def random_factors(groups: Mapping[str, Group], least: float, *key: int | str) -> Factors:
    """0 or 1 for each channel: a share from ``least`` to 1, drawn anew for ``key``, of each layer's channels is 1."""
    random = generator("gates", *key)
    share = least + (1 - least) * float(torch.rand((), generator=random))
    drawn = {}
    for name, group in groups.items():
        kept = torch.randperm(group.width, generator=random)[: max(1, round(share * group.width))]
        drawn[name] = torch.zeros(group.width).index_fill_(0, kept, 1.0)
    return lambda name, _: drawn[name]
