"""Images of different sizes and channels, brought together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lbt import mapped
from lbt.artifacts import UNKNOWN, Images, renumber
from lbt.errors import LbtError

if TYPE_CHECKING:
    import torch

_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601


def to_float(images: Images | np.ndarray, channels: int | None = None, size: int | None = None) -> torch.Tensor:
    """Pixels as a network's input.

    Args:
        images: images, or their uint8 pixels (N, H, W, C) with C = 1 or 3.
        channels: 1 (colour becomes luminance, BT.601) or 3 (grey is repeated); None keeps them.
        size: height and width in pixels, reached by bilinear interpolation (antialiased when shrinking) of the whole
            image; None keeps them.

    Returns:
        float32 tensor (N, C, H, W) in [0, 1], in the channels_last memory format.
    """
    import torch
    from torch.nn.functional import interpolate

    pixels = images.pixels if isinstance(images, Images) else images
    x = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 255  # (N, C, H, W)
    if channels == 1 and x.shape[1] == 3:
        x = (x * torch.tensor(_LUMINANCE).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    elif channels == 3 and x.shape[1] == 1:
        x = x.expand(-1, 3, -1, -1)
    if size is not None and x.shape[2:] != (size, size):
        x = interpolate(x, (size, size), mode="bilinear", align_corners=False, antialias=size < max(x.shape[2:]))
        x = x.clamp_(0, 1)
    return x.contiguous(memory_format=torch.channels_last)


def convert(images: Images, channels: int | None, size: int | None) -> Images:
    """The same images with another number of channels or another size (see :func:`to_float`), rounded to uint8."""
    count, height, width, depth = images.pixels.shape
    if channels in (None, depth) and size in (None, height) and (size is None or size == width):
        return images

    def rows(part: slice) -> np.ndarray:
        converted = (to_float(images.pixels[part], channels, size) * 255).round_().permute(0, 2, 3, 1)
        return converted.numpy().astype(np.uint8)

    shape = (count, size or height, size or width, channels or depth)
    return replace(images, pixels=mapped.made(shape, np.uint8, rows, "converting"))


def pad(pixels: np.ndarray, size: int) -> np.ndarray:
    """Pixels (N, H, W, C) in the middle of black size×size images."""
    height, width = pixels.shape[1:3]
    top, left = (size - height) // 2, (size - width) // 2
    margins = ((0, 0), (top, size - height - top), (left, size - width - left), (0, 0))
    return np.pad(pixels, margins)


def select_classes(images: Images, classes: list[str] | tuple[str, ...]) -> Images:
    """Only the images of ``classes``, with labels numbered in that order; images without a label stay."""
    labels = renumber(images.labels, images.classes, classes)
    return replace(images, labels=labels, classes=tuple(classes)).take(np.flatnonzero(labels != UNKNOWN))


def match_classes(domains: Mapping[str, Images]) -> tuple[str, ...]:
    """The classes that several domains share, which is what adaptation between them needs.

    Raises:
        LbtError: two domains have different classes; names them, and the key that puts it right.
    """
    (first, reference), *others = domains.items()
    for name, images in others:
        if images.classes == reference.classes:
            continue
        if set(images.classes) == set(reference.classes):
            raise LbtError(f"domains {first} and {name} have their classes in a different order: set classes on both")
        only = [
            f"only in {who}: {', '.join(sorted(set(a.classes) - set(b.classes)))}"
            for who, a, b in ((first, reference, images), (name, images, reference))
            if set(a.classes) - set(b.classes)
        ]
        raise LbtError(
            f"domains {first} and {name} have different classes ({'; '.join(only)}): "
            f"set data.domains.{name}.classes or data.domains.{first}.classes to the ones they share"
        )
    return reference.classes
