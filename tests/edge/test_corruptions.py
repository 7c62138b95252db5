"""Corruptions: keyed by image, stronger with severity, any size; noise with the published statistics."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from lbt.edge import CORRUPTIONS, corrupt
from lbt.edge.corruptions import _image
from lbt.edge.corruptions.defocus_blur import disk
from lbt.edge.draws import Draws
from lbt.errors import LbtError

NOT_MONOTONE = {
    "elastic_transform": "its affine map shrinks while its displacement grows",
    "glass_blur": "severity 3 displaces once, 4 twice with less blur",
    "motion_blur": "3 and 4 differ in the radius alone, which cuts nothing at that σ",
    "saturate": "1 and 2 fade, 3 to 5 glow",
}
"""Corruptions whose published settings do not ascend in squared distance, and why."""


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    """Smooth colour images with edges, uint8 (8, 32, 32, 3)."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (8, 6, 6, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BICUBIC)) for one in small])


def distances(pixels: np.ndarray, name: str) -> list[float]:
    made = [corrupt(pixels, name, severity, seed=0) for severity in range(1, 6)]
    return [float(((one / 255 - pixels / 255) ** 2).mean()) for one in made]


@pytest.mark.parametrize("name", CORRUPTIONS.names())
def test_an_image_is_corrupted_alike_in_any_batch(photos, name):
    whole = corrupt(photos, name, 5, seed=3)
    assert whole.dtype == np.uint8
    assert whole.shape == photos.shape
    part = np.array([6, 1])
    assert (corrupt(photos[part], name, 5, seed=3, index=part) == whole[part]).all()
    assert (corrupt(photos, name, 5, seed=3) == whole).all()


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS.names() if name not in NOT_MONOTONE])
def test_a_higher_severity_distorts_more(photos, name):
    found = distances(photos, name)
    assert all(one < other for one, other in pairwise(found))


@pytest.mark.parametrize("name", CORRUPTIONS.names())
@pytest.mark.parametrize("shape", [(28, 28, 1), (16, 24, 3), (8, 8, 3)])
def test_any_size_and_channels(name, shape):
    pixels = np.random.default_rng(1).integers(0, 256, (2, *shape), dtype=np.uint8)
    if name == "saturate" and shape[2] == 1:
        with pytest.raises(LbtError, match="found images of 1 channel"):
            corrupt(pixels, name, 5, seed=0)
    else:
        assert (corrupt(pixels, name, 5, seed=0) != pixels).any()


def test_noise_has_the_published_moments():
    grey = np.full((200, 32, 32, 1), 128, np.uint8)
    gaussian = corrupt(grey, "gaussian_noise", 5, seed=0) / 255
    assert gaussian.std() == pytest.approx(0.10, rel=0.01)
    assert gaussian.mean() == pytest.approx(128 / 255, abs=1e-3)
    shot = corrupt(grey, "shot_noise", 5, seed=0) / 255
    assert shot.mean() == pytest.approx(128 / 255, abs=2e-3)
    assert shot.var() == pytest.approx(128 / 255 / 50, rel=0.03)
    impulse = corrupt(grey, "impulse_noise", 5, seed=0)
    assert (impulse != 128).mean() == pytest.approx(0.07, rel=0.05)
    assert (impulse == 255).sum() == pytest.approx((impulse == 0).sum(), rel=0.1)


def test_draws_are_uniform_and_independent():
    found = Draws(0, "x", np.arange(100)).uniform(1000)
    assert found.mean() == pytest.approx(0.5, abs=5e-3)
    assert found.var() == pytest.approx(1 / 12, rel=0.01)
    assert abs(np.corrcoef(found[0], found[1])[0, 1]) < 0.12
    assert (Draws(1, "x", np.arange(100)).uniform(1000) != found).mean() > 0.99


def test_filters_agree_with_scipy():
    pixels = np.random.default_rng(0).random((2, 31, 30, 3))
    assert _image._stretched(pixels, 1, 33) == pytest.approx(ndimage.zoom(pixels, (1, 33 / 31, 1, 1), order=1))
    y, x = np.random.default_rng(1).uniform(-20, 60, (2, 2, 31, 30))
    for around, mode in ((True, "mirror"), (False, "reflect")):
        mine = _image.sampled(pixels, y, x, around)
        theirs = [ndimage.map_coordinates(pixels[0, :, :, c], [y[0], x[0]], order=1, mode=mode) for c in range(3)]
        assert mine[0] == pytest.approx(np.stack(theirs, -1))
    assert disk(1.5, 0.1).sum() == pytest.approx(1)


def test_an_impossible_severity_is_one_line(photos):
    with pytest.raises(LbtError, match="severity: found 6; accepted: 1 to 5"):
        corrupt(photos, "fog", 6, seed=0)
    with pytest.raises(LbtError, match=r"unknown corruption 'frost'"):
        corrupt(photos, "frost", 1, seed=0)
