"""Evidence that quantization happened: how many distinct values the weights have that a product really used."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from lbt.kernels.kernel import Kernel
from lbt.kernels.quantized import Quantized
from lbt.nn.layers.base import QuantizedLayer


@torch.no_grad()
def weight_levels(network: nn.Module, images: Tensor) -> int:
    """Number of distinct weight values of an output channel in a forward pass: the most of a layer, median of layers.

    The values are taken where they enter the product, not computed from the recipe. Per channel, because a recipe may
    scale each channel by itself; the median, because recipes make exceptions for the first and last layer.

    Args:
        network: converted or plain.
        images: any input, (N, C, H, W).
    """
    counts: list[int] = []
    with contextlib.ExitStack() as stack:
        for module in network.modules():
            if isinstance(module, QuantizedLayer):
                stack.enter_context(_observed(module, counts))
            elif isinstance(module, nn.Conv2d | nn.Linear):
                counts.append(most_levels(module.weight))
        training = network.training
        network.eval()(images)
        network.train(training)
    return int(statistics.median_low(counts))


def most_levels(weight: Tensor) -> int:
    """Largest number of distinct values in one output channel of ``weight`` (O, ...)."""
    return max(channel.unique().numel() for channel in weight)


@contextlib.contextmanager
def _observed(layer: QuantizedLayer, counts: list[int]) -> Iterator[None]:
    """Within this context each product of ``layer`` appends its weight operand's number of levels to ``counts``."""
    product = layer.product

    def observing(x: Tensor, kernel: Kernel) -> Tensor:
        def forward(a: Quantized, w: Quantized) -> Tensor:
            counts.append(most_levels(w.values))
            return kernel.forward(a, w)

        return product(x, replace(kernel, forward=forward))

    layer.product = observing  # type: ignore[method-assign]
    try:
        yield
    finally:
        del layer.product
