"""Random augmentation of a batch, vectorised, a pure function of the generator that is passed in.

The kinds are those of the self-ensembling paper (French et al., arXiv 1706.05208, section 3.4 and appendix C):

- ``none``: the image as it is;
- ``minimal``: Gaussian noise, σ = 0.05 (the paper's 0.1 is of images with unit variance; ours span [-1, 1]);
- ``standard``: ``minimal`` and a shift of up to 2 pixels;
- ``warp``: the geometry of ``affine`` without noise (ours; batch-norm statistics of noisy images mislead clean ones);
- ``affine``: ``standard`` and a random linear map, the identity plus N(0, 0.1) in each entry;
- ``intensity``: ``affine``, and each image's contrast is scaled and possibly inverted, and its brightness offset. The
  paper does this for MNIST → SVHN; we draw the three per colour channel, so that grey digits also become coloured.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SHIFT, LINEAR, NOISE = 2.0, 0.1, 0.05
"""Shift in pixels (uniform, ±); standard deviations of the linear map's entries and of the pixel noise."""
CONTRAST, BRIGHTNESS = (0.25, 1.5), 0.5
"""Range of the contrast factor; largest brightness offset (in units of the full range)."""


def augment(images: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """Randomly changed copies of ``images``.

    Args:
        images: (N, C, H, W) float32 in [-1, 1].
        kind: ``none``, ``minimal``, ``standard``, ``warp``, ``affine`` or ``intensity``.
        generator: every random number comes from here.

    Returns:
        The same shape, channels last; values may leave [-1, 1] a little.
    """
    if kind == "none":
        return images
    if kind != "minimal":
        images = warp(images, 0.0 if kind == "standard" else LINEAR, generator)
    if kind == "intensity":
        images = intensity(images, generator)
    if kind == "warp":
        return images
    count, channels, height, width = images.shape
    # Drawn in the order of memory: normal_ is several times slower on a tensor that is not contiguous.
    noise = torch.empty(count, height, width, channels).normal_(0.0, NOISE, generator=generator)
    return noise.permute(0, 3, 1, 2).add_(images)


def warp(images: Tensor, linear: float, generator: torch.Generator) -> Tensor:
    """Each image under its own random affine map; what comes in from outside is the image's reflection."""
    count, _, height, width = images.shape
    maps = torch.zeros(count, 2, 3)
    maps[:, :, :2] = torch.eye(2) + linear * torch.randn(count, 2, 2, generator=generator)
    shift = torch.rand(count, 2, generator=generator) * 2 - 1
    maps[:, :, 2] = shift * SHIFT * torch.tensor([2 / width, 2 / height])
    grid = F.affine_grid(maps, [count, 1, height, width], align_corners=False)
    # Grey digits shown in three channels keep their memory layout; grid_sample itself prefers planes.
    moved = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    return moved.contiguous(memory_format=torch.channels_last)


def intensity(images: Tensor, generator: torch.Generator) -> Tensor:
    """Random contrast (inverted half the time) and brightness, drawn per image and channel."""
    shape = (*images.shape[:2], 1, 1)
    low, high = CONTRAST
    scale = torch.rand(shape, generator=generator) * (high - low) + low
    sign = torch.randint(0, 2, shape, generator=generator) * 2 - 1
    offset = (torch.rand(shape, generator=generator) * 2 - 1) * BRIGHTNESS
    return images * (scale * sign) + offset
