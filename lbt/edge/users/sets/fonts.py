"""Fonts as users: 30 made users of 240 grey digits, 32 × 32. Nobody wrote them.

A user is a face (the twelve DejaVu cuts and nine stroke fonts with two pens of :mod:`lbt.data.glyphs`) with habits
of its own: a slant, a size, a width, grey levels of ink and paper, blur and noise. Each image varies around these.
The habits are drawn once from a fixed seed; the time of an image is its number."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample

from lbt.artifacts import Images
from lbt.data.glyphs import BOX, DEJAVU, HEIGHT, HERSHEY, STROKES, atlas
from lbt.data.splits import DIGITS
from lbt.edge.users.people import People

IMAGES, SIZE, SEED = 240, 32, 2026


def load() -> People:
    """The users; a pure function of nothing."""
    names = [*(f"dejavu-{cut.lower()}" for cut in DEJAVU), *(f"{face}-{pen}" for face in HERSHEY for pen in STROKES)]
    parts = [_user(number) for number in range(len(names))]
    pixels, labels = (np.concatenate(values) for values in zip(*parts, strict=True))
    times = np.tile(np.arange(IMAGES, dtype=float), len(names))
    return People(Images(pixels, labels, DIGITS), np.repeat(np.array(names, dtype=object), IMAGES), times)


def _user(face: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (IMAGES, SIZE, SIZE, 1) and labels of one user."""
    random = np.random.default_rng([SEED, face])
    labels = random.permutation(np.arange(IMAGES) % 10).astype(np.int64)
    slant, height, width = random.uniform(-0.7, 0.7), random.uniform(13, 26), random.uniform(0.6, 1.3)
    ink, paper = random.uniform(0.55, 1.0), random.uniform(0.0, 0.35)
    blur, noise = random.uniform(0, 1), random.uniform(0, 0.15)
    inverted = random.random() < 0.2
    shear = slant + random.normal(0, 0.15, IMAGES)
    angle = random.normal(0, 0.12, IMAGES)
    tall = HEIGHT / (height * np.exp(random.normal(0, 0.08, IMAGES)))
    wide = tall / (width * np.exp(random.normal(0, 0.08, IMAGES)))
    # from a pixel of the image back to a place on the glyph, in units of half a side
    scale = SIZE / BOX
    cos, sin = np.cos(angle), np.sin(angle)
    maps = np.zeros((IMAGES, 2, 3))
    maps[:, 0, 0], maps[:, 0, 1] = scale * wide * (cos - shear * sin), scale * wide * (sin + shear * cos)
    maps[:, 1, 0], maps[:, 1, 1] = -scale * tall * sin, scale * tall * cos
    maps[:, :, 2] = random.normal(0, 0.1, (IMAGES, 2))
    glyphs = torch.from_numpy(atlas()[face][labels])[:, None]  # (N, 1, BOX, BOX)
    grid = affine_grid(torch.from_numpy(maps).float(), [IMAGES, 1, SIZE, SIZE], align_corners=False)
    drawn = grid_sample(glyphs, grid, align_corners=False)
    smooth = avg_pool2d(drawn, 3, 1, 1)
    coverage = (blur * smooth + (1 - blur) * drawn).numpy().transpose(0, 2, 3, 1)
    pixels = paper + coverage * (ink - paper) + random.normal(0, noise, coverage.shape)
    pixels = 1 - pixels if inverted else pixels
    return np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8), labels
