"""Filters and samplers of batches of images, float64 (N, H, W, C), that several corruptions share."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image
from scipy import ndimage


def gaussian(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur over height and width, the border repeated, as scikit-image's default."""
    found: np.ndarray = ndimage.gaussian_filter(pixels, (0, sigma, sigma, 0), mode="nearest", truncate=4)
    return found


def filtered(pixels: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Correlation with a kernel (k, k), the border mirrored about the outermost pixel."""
    found: np.ndarray = ndimage.correlate(pixels, kernel[None, :, :, None], mode="mirror")
    return found


def zoomed(pixels: np.ndarray, factor: float) -> np.ndarray:
    """The middle of each image, enlarged by ``factor`` (1 or more) to the image's size, bilinear."""
    height, width = pixels.shape[1:3]
    inner = [int(np.ceil(side / factor)) for side in (height, width)]
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    middle = pixels[:, top : top + inner[0], left : left + inner[1]]
    large = _stretched(_stretched(middle, 1, round(inner[0] * factor)), 2, round(inner[1] * factor))
    top, left = (large.shape[1] - height) // 2, (large.shape[2] - width) // 2
    return large[:, top : top + height, left : left + width]


def _stretched(pixels: np.ndarray, axis: int, side: int) -> np.ndarray:
    """``pixels`` with ``side`` places along ``axis``, interpolated linearly, the outermost ones as they are."""
    places = np.arange(side) * ((pixels.shape[axis] - 1) / max(1, side - 1))
    low = np.floor(places).astype(int)
    part = (places - low).reshape(-1, *(1,) * (pixels.ndim - axis - 1))
    high = np.minimum(low + 1, pixels.shape[axis] - 1)
    return pixels.take(low, axis) * (1 - part) + pixels.take(high, axis) * part


def motion(pixels: np.ndarray, radius: float, sigma: float, degrees: np.ndarray) -> np.ndarray:
    """One-sided Gaussian smear along a direction, as ImageMagick's ``MotionBlurImage``.

    Args:
        pixels: (N, H, W, C).
        radius: the kernel has 2·⌈radius⌉ + 1 taps.
        sigma: of the Gaussian, in pixels.
        degrees: (N,) direction of each image's smear.
    """
    taps = 2 * int(np.ceil(radius)) + 1
    weights = np.exp(-(np.arange(taps) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    _, height, width, _ = pixels.shape
    angle = np.deg2rad(degrees)
    down, right = np.sin(angle), np.cos(angle)
    rows, columns, image = np.arange(height), np.arange(width), np.arange(len(pixels))[:, None, None]
    result = np.zeros_like(pixels)
    for tap, weight in enumerate(weights):
        y = np.clip(rows + np.ceil(tap * down - 0.5).astype(int)[:, None], 0, height - 1)
        x = np.clip(columns + np.ceil(tap * right - 0.5).astype(int)[:, None], 0, width - 1)
        result += weight * pixels[image, y[:, :, None], x[:, None, :]]
    return result


def sampled(pixels: np.ndarray, y: np.ndarray, x: np.ndarray, around: bool) -> np.ndarray:
    """Bilinear samples at the places (``y``, ``x``), (N, H, W) each, the image mirrored outside.

    Args:
        pixels: (N, H, W, C).
        y: rows.
        x: columns.
        around: mirror about the outermost pixels, which then stand there once; otherwise about their outer edge.
    """
    height, width = pixels.shape[1:3]
    image = np.arange(len(pixels))[:, None, None]
    low_y, low_x = np.floor(y).astype(int), np.floor(x).astype(int)
    part_y, part_x = (y - low_y)[..., None], (x - low_x)[..., None]

    def at(down: int, right: int) -> np.ndarray:
        return pixels[image, _mirrored(low_y + down, height, around), _mirrored(low_x + right, width, around)]

    top = at(0, 0) * (1 - part_x) + at(0, 1) * part_x
    bottom = at(1, 0) * (1 - part_x) + at(1, 1) * part_x
    return top * (1 - part_y) + bottom * part_y


def _mirrored(place: np.ndarray, side: int, around: bool) -> np.ndarray:
    """Whole places outside of 0 to ``side`` - 1 as the place that a mirror shows."""
    if side == 1:
        return np.zeros_like(place)
    period = 2 * (side - 1) if around else 2 * side
    place = place % period
    return np.where(place < side, place, period - place - (0 if around else 1))


def by_pillow(pixels: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    """``change``, a function of a Pillow image, of each image by itself."""
    made = []
    for one in np.rint(pixels * 255).astype(np.uint8):
        image = Image.fromarray(one[:, :, 0] if one.shape[2] == 1 else one)
        made.append(np.asarray(change(image)).reshape(one.shape))
    return np.stack(made) / 255.0


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """``image`` after JPEG compression."""
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def luminance(pixels: np.ndarray) -> np.ndarray:
    """Grey of colour images (N, H, W, 1), ITU-R BT.601; grey images as they are."""
    return pixels if pixels.shape[3] == 1 else (pixels @ np.array([0.299, 0.587, 0.114]))[..., None]
