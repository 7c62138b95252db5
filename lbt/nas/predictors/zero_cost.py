"""Zero-cost features: the response of one untrained cell to random images, for spaces of known operations.

A cell with random weights is applied to a batch of smoothed noise; the statistics of its output say how it mixes
channels, blurs, decorrelates images and passes its input through (in the spirit of Mellor et al., NAS without training,
ICML 2021, arXiv 2006.04647; here the statistics are features of a regression, not a score). All cells of NAS-Bench-201
share their inner nodes' variants, so that all 15,625 take seconds.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lbt.nas.space import CellSpace
from lbt.nas.spaces.nasbench201 import EDGES, OPERATIONS

IMAGES, CHANNELS, SIZE, DRAWS = 12, 8, 8, 2


def zero_cost(space: CellSpace, rows: np.ndarray) -> np.ndarray:
    """Standardised statistics, float64 (N, 10); (N, 0) for a space whose operations are not NAS-Bench-201's."""
    if space.operations != OPERATIONS or space.edges != EDGES:
        return np.zeros((len(rows), 0))
    return _all_cells()[space.index(rows)]


@lru_cache(maxsize=1)
def _all_cells() -> np.ndarray:
    """The statistics of all 15,625 cells in the space's order, averaged over draws of images and weights."""
    with torch.no_grad():
        found = sum(_draw(seed).double() for seed in range(DRAWS)).numpy() / DRAWS  # type: ignore[union-attr]
    return (found - found.mean(0)) / found.std(0)


def _draw(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(IMAGES, CHANNELS, SIZE, SIZE, generator=generator)
    x = F.avg_pool2d(F.pad(noise, (1,) * 4, mode="circular"), 3, 1)
    x = (x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True)
    weights = {
        2: torch.randn(6, CHANNELS, CHANNELS, 1, 1, generator=generator) / CHANNELS**0.5,
        3: torch.randn(6, CHANNELS, CHANNELS, 3, 3, generator=generator) / (9 * CHANNELS) ** 0.5,
    }

    def variants(edge: int, source: Tensor, dim: int) -> Tensor:
        """The five operations on ``source`` (…, B, C, H, W), stacked along a new dimension ``dim``."""
        flat = source.flatten(0, -4)
        found = [torch.zeros_like(source), source]
        for kind, weight in weights.items():
            y = F.conv2d(torch.relu(flat), weight[edge], padding=weight.shape[-1] // 2).view(source.shape)
            centred = y - y.mean((-4, -2, -1), keepdim=True)
            found.append(centred * (y.var((-4, -2, -1), keepdim=True) + 1e-5).rsqrt())
            assert kind == len(found) - 1
        found.append(F.avg_pool2d(flat, 3, 1, 1, count_include_pad=False).view(source.shape))
        return torch.stack(found, dim)

    node1 = variants(0, x, 0)  # (o01, B, C, H, W)
    node2 = variants(1, x, 0)[None, :, None] + variants(2, node1, 1)[:, None]  # (o01, o02, o12, …)
    from0, from1, from2 = variants(3, x, 0), variants(4, node1, 1), variants(5, node2, 3)
    parts = []
    for o01 in range(5):
        for o02 in range(5):  # the output node's 625 variants (o12, o03, o13, o23) at a time, to bound the memory
            output = from0[None, :, None, None] + from1[o01][None, None, :, None] + from2[o01, o02][:, None, None, :]
            parts.append(_statistics(output.flatten(0, 3), x))
    return torch.cat(parts)


def _statistics(output: Tensor, x: Tensor) -> Tensor:
    """Statistics (M, 10) of outputs (M, B, C, H, W) for the images ``x`` (B, C, H, W)."""
    spread = torch.log(output.var((1, 3, 4)).mean(1) + 0.01)
    h = output - output.mean((1, 3, 4), keepdim=True)
    h = h / (h.std((1, 2, 3, 4), keepdim=True) + 1e-6)
    by_image, by_channel = h.flatten(2), h.transpose(1, 2).flatten(2)
    images = by_image @ by_image.transpose(1, 2) / by_image.shape[-1]
    channels = by_channel @ by_channel.transpose(1, 2) / by_channel.shape[-1]
    alike = (images.abs().sum((1, 2)) - images.diagonal(dim1=1, dim2=2).sum(1)) / (IMAGES * (IMAGES - 1))
    on = (by_image > 0).float()
    same_sign = (on @ on.transpose(1, 2) + (1 - on) @ (1 - on).transpose(1, 2)) / on.shape[-1]
    columns = [
        spread,
        alike,
        torch.logdet(images + 0.05 * torch.eye(IMAGES)),
        torch.logdet(channels + 0.05 * torch.eye(CHANNELS)),
        (h[..., 1:] * h[..., :-1]).mean((1, 2, 3, 4)),
        F.avg_pool2d(h.flatten(0, 1), 4).view(len(h), -1).square().mean(1),
        torch.logdet(same_sign + 0.01 * torch.eye(IMAGES)),
        (h * x / x.std()).mean((1, 2, 3, 4)),
        h.abs().mean((1, 2, 3, 4)),
        (h**4).mean((1, 2, 3, 4)).log1p(),
    ]
    return torch.nan_to_num(torch.stack(columns, 1), nan=0.0, posinf=0.0, neginf=0.0)
