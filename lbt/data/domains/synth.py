"""Synthetic digits rendered from fonts: 4,000 / 500 / 500, colour, 32×32.

In the manner of the Synthetic Digits of Ganin et al. (JMLR 17, 2016, section 5.2.3): random face, size, rotation,
shear, position, neighbouring digits, colours of digit and background, blur and noise. The published set itself is
``synth_full``.
"""

from __future__ import annotations

import numpy as np

from lbt.artifacts import Images
from lbt.data.glyphs import BOX, HEIGHT, atlas
from lbt.data.params import DomainSpec
from lbt.data.splits import DIGITS, Splits

CLASSES = DIGITS
SIZE = 32


def load(spec: DomainSpec) -> Splits:
    """Images drawn with the spec's seed; each split has its own stream, and every class the same number of images."""
    return Splits(_render(4000, [spec.seed, 0]), _render(500, [spec.seed, 1]), _render(500, [spec.seed, 2]))


def _render(count: int, seed: list[int]) -> Images:
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(count) % 10)
    coverage = _blur(_coverage(labels, generator), generator.uniform(0, 0.3, count))[..., None]  # (N, H, W, 1)
    ink, paper = _colours(count, generator)
    pixels = paper + coverage * (ink[:, None, None] - paper)
    pixels += generator.normal(size=pixels.shape) * generator.uniform(0, 0.08, (count, 1, 1, 1))
    return Images(np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8), labels.astype(np.int64), DIGITS)


def _coverage(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The digit and, in half of the images, neighbours at its sides that the frame cuts: (N, SIZE, SIZE) in [0, 1]."""
    count = len(labels)
    face = generator.integers(len(atlas()), size=count) * 10  # the number of its digit 0 in the atlas
    grid = np.arange(SIZE) - (SIZE - 1) / 2
    x = grid[None, None, :] - generator.uniform(-3, 3, (count, 1, 1))
    y = grid[None, :, None] - generator.uniform(-3, 3, (count, 1, 1))
    angle = np.deg2rad(generator.uniform(-25, 25, (count, 1, 1)))
    shear = generator.uniform(-0.3, 0.3, (count, 1, 1))
    height = generator.uniform(15, 27, (count, 1, 1)) / HEIGHT
    width = height * generator.uniform(0.75, 1.25, (count, 1, 1))
    # from a pixel of the image back to a place on the glyph: turn, shear, scale
    u = np.cos(angle) * x + np.sin(angle) * y
    v = (np.cos(angle) * y - np.sin(angle) * x) / height
    u = (u - shear * v * height) / width
    coverage = _sample(face + labels, u, v)
    advance = generator.uniform(0.75, 0.95, (count, 1, 1)) * HEIGHT
    for side in (-1, 1):
        shown = generator.random((count, 1, 1)) < 0.5
        other = face + generator.integers(10, size=count)
        coverage = np.maximum(coverage, shown * _sample(other, u - side * advance, v))
    return coverage


def _sample(glyphs: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bilinear samples of the glyphs with the numbers (N,) at (u, v) from their centres; their borders are blank."""
    u, v = (np.clip(w + (BOX - 1) / 2, 0, BOX - 1.001).astype(np.float32) for w in (u, v))
    left, top = u.astype(np.int32), v.astype(np.int32)
    du, dv = u - left, v - top
    first = glyphs[:, None, None] * BOX**2 + top * BOX + left
    flat = atlas().ravel()
    upper = flat[first] * (1 - du) + flat[first + 1] * du
    lower = flat[first + BOX] * (1 - du) + flat[first + BOX + 1] * du
    return upper * (1 - dv) + lower * dv


def _blur(images: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """A separable [b, 1 − 2b, b] filter with each image's own b."""
    b = strength[:, None, None]
    for axis in (1, 2):
        images = (1 - 2 * b) * images + b * (np.roll(images, 1, axis) + np.roll(images, -1, axis))
    return images


def _colours(count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ink (N, 3) and a background that changes linearly across the image (N, SIZE, SIZE, 3), at least 0.25 apart."""
    ink = generator.random((count, 3))
    paper = generator.random((count, 3))
    gap = (ink - paper).mean(axis=1)
    close = np.abs(gap) < 0.25
    ink[close] = 1 - ink[close]  # the complement of the ink is far from where the ink was
    still = np.abs((ink - paper).mean(axis=1)) < 0.25
    ink[still] = np.where(paper[still].mean(axis=1, keepdims=True) > 0.5, 0.1, 0.9)
    slope = generator.normal(0, 0.15, (count, 3, 2))
    ramp = np.linspace(-0.5, 0.5, SIZE)
    change = (
        slope[:, None, None, :, 0] * ramp[None, :, None, None] + slope[:, None, None, :, 1] * ramp[None, None, :, None]
    )
    return ink, paper[:, None, None] + change
