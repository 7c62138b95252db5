"""Augmentation is a function of its generator, and changes images as far as it says."""

from __future__ import annotations

import pytest
import torch

from lbt.train.augmentation import augment, intensity, warp
from lbt.train.batches import generator

KINDS = ["none", "minimal", "standard", "warp", "affine", "intensity"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_augmentation(kind, channels):
    images = torch.rand(8, channels, 16, 16).mul(2).sub(1)
    before = images.clone()
    first, second = (augment(images, kind, generator(0, "test")) for _ in range(2))
    assert first.shape == images.shape
    assert torch.equal(first, second)
    assert torch.equal(images, before), "the data set itself was changed"
    assert (kind == "none") == torch.equal(first, images)


def test_a_shift_alone_moves_the_centre_by_at_most_two_pixels():
    images = torch.full((64, 1, 21, 21), 0.0)
    images[:, :, 10, 10] = 1
    moved = warp(images, 0.0, generator(1))
    rows, columns = torch.meshgrid(torch.arange(21.0), torch.arange(21.0), indexing="ij")
    centres = torch.stack([(moved[:, 0] * axis).sum((1, 2)) / moved[:, 0].sum((1, 2)) for axis in (rows, columns)])
    assert (centres - 10).abs().max() <= 2.001
    assert centres.std() > 0.5


def test_intensity_inverts_about_half_of_the_channels():
    ramp = torch.linspace(-1, 1, 16).expand(400, 3, 4, 16)
    rising = intensity(ramp, generator(2))
    share = (rising[..., -1] > rising[..., 0]).float().mean()
    assert 0.42 < share < 0.58
