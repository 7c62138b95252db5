from __future__ import annotations

import numpy as np
import pytest
import torch

from lbt.artifacts import Images
from lbt.data import match_classes, to_float, to_input
from lbt.data.images import convert, pad, select_classes
from lbt.data.inputs import RANGE
from lbt.errors import LbtError


def random_images(count: int, size: int, channels: int) -> Images:
    pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, channels), dtype=np.uint8)
    return Images(pixels, np.arange(count) % 2, ("a", "b"))


@pytest.mark.parametrize("own", [1, 3])
@pytest.mark.parametrize("channels", [1, 3, None])
@pytest.mark.parametrize("size", [16, 28, 40, None])
def test_shapes_meet(own: int, channels: int | None, size: int | None) -> None:
    x = to_float(random_images(5, 28, own), channels, size)
    assert x.shape == (5, channels or own, size or 28, size or 28)
    assert x.dtype == torch.float32
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= x.min() < x.max() <= 1


def test_grey_is_repeated_and_colour_becomes_luminance() -> None:
    grey, colour = random_images(3, 8, 1), random_images(3, 8, 3)
    assert torch.equal(to_float(grey, 3), to_float(grey).expand(-1, 3, -1, -1))
    luminance = (colour.pixels / 255) @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(to_float(colour, 1)[:, 0], luminance, atol=1e-6)
    np.testing.assert_array_equal(to_float(colour).permute(0, 2, 3, 1), colour.pixels.astype(np.float32) / 255)


def test_resizing_a_constant_changes_nothing_and_shrinking_averages() -> None:
    constant = Images(np.full((1, 20, 20, 1), 77, np.uint8), np.zeros(1, np.int64), ("a", "b"))
    for size in (8, 33):
        assert (convert(constant, None, size).pixels == 77).all()
    checker = np.indices((32, 32)).sum(axis=0) % 2 * 255
    small = to_float(checker.astype(np.uint8)[None, :, :, None], size=8)
    assert (small - 0.5).abs().max() < 0.05  # antialiased: no moiré


def test_pad() -> None:
    assert pad(np.ones((2, 3, 4, 1)), 8)[:, 2:5, 2:6].all()
    assert pad(np.ones((2, 3, 4, 1)), 8).sum() == 24


def test_select_classes() -> None:
    images = Images(np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1), np.array([0, 1, 2, -1, 1]), ("a", "b", "c"))
    chosen = select_classes(images, ["c", "b"])
    assert chosen.classes == ("c", "b")
    assert chosen.labels.tolist() == [1, 0, -1, 1]
    assert chosen.pixels.ravel().tolist() == [1, 2, 3, 4]


def test_match_classes() -> None:
    one = random_images(2, 8, 1)
    assert match_classes({"s": one, "t": one}) == ("a", "b")
    other = Images(one.pixels, one.labels, ("a", "x"))
    with pytest.raises(LbtError, match=r"domains s and t .*only in s: b; only in t: x.*data\.domains\.t\.classes"):
        match_classes({"s": one, "t": other})
    with pytest.raises(LbtError, match="different order"):
        match_classes({"s": one, "t": Images(one.pixels, one.labels, ("b", "a"))})


def test_the_input_range_is_that_of_every_network() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    x = to_input(pixels)
    assert (x.min().item(), x.max().item()) == RANGE == (-1, 1)
    assert torch.equal(x, to_float(pixels).mul_(2).sub_(1))
    assert x.is_contiguous(memory_format=torch.channels_last)
    published = (torch.arange(256) - 127) / 128  # EfficientNet-Lite's own
    assert (x.flatten() - published).abs().max() < 0.01
