from __future__ import annotations

import socket
from functools import cache

import numpy as np
import pytest

from lbt.data import DomainSpec, Splits, load_domain
from lbt.data.blend import DARK
from lbt.data.conditions import CLASSES
from lbt.data.photos import PHOTOS, TILE, photo, tiles
from lbt.errors import LbtError

COUNTS = {
    "mnist": (4000, 500, 500),
    "optdigits": (1197, 300, 300),
    "mnistm": (4000, 500, 500),
    "synth": (4000, 500, 500),
    "catalogue": (1600, 320, 320),
    "webcam": (1600, 320, 320),
}
GREY = ("mnist", "optdigits")


@cache
def domain(kind: str, seed: int = 0) -> Splits:
    return load_domain(DomainSpec(kind=kind, seed=seed))


@pytest.mark.parametrize("kind", COUNTS)
def test_shape_and_balance(kind: str) -> None:
    splits = domain(kind)
    assert tuple(len(images) for _, images in splits.items()) == COUNTS[kind]
    for _, images in splits.items():
        assert images.pixels.dtype == np.uint8
        assert images.pixels.shape[1:] == (32, 32, 1 if kind in GREY else 3)
        assert images.classes == (CLASSES if kind in ("catalogue", "webcam") else tuple("0123456789"))
        counts = np.bincount(images.labels, minlength=10)
        assert counts.max() - counts.min() <= max(2, 0.06 * counts.mean())
        assert images.pixels.std() > 20  # there is something to see


@pytest.mark.parametrize("kind", COUNTS)
def test_splits_share_no_image(kind: str) -> None:
    train, validation, test = ({image.tobytes() for image in images.pixels} for _, images in domain(kind).items())
    assert not train & validation
    assert not train & test
    assert not validation & test


@pytest.mark.parametrize("kind", ["mnistm", "synth", "webcam"])
def test_the_seed_decides_what_is_drawn(kind: str) -> None:
    again = load_domain(DomainSpec(kind=kind, test=50))  # apart from the cached one
    assert np.array_equal(again.test.pixels, domain(kind).test.pixels[:50])
    assert not np.array_equal(load_domain(DomainSpec(kind=kind, test=50, seed=1)).test.pixels, again.test.pixels)


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("an embedded domain opened a connection")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    for kind in ("mnist", "optdigits", "mnistm", "catalogue"):
        load_domain(DomainSpec(kind=kind))


def code(colours: np.ndarray) -> np.ndarray:
    """Each colour (…, 3) as one number."""
    return colours.astype(np.int64) @ np.array([65536, 256, 1])


def test_mnistm_has_the_digits_of_the_same_split_of_mnist() -> None:
    for (name, digits), (_, blended) in zip(domain("mnist").items(), domain("mnistm").items(), strict=True):
        assert np.array_equal(digits.labels, blended.labels), name
        # |patch − digit| is the patch where the digit is 0, and its negative where the digit is 255
        paper = digits.pixels[..., 0] == 0
        background = np.concatenate([tiles(photo, name) for photo in PHOTOS if photo != DARK])
        occurs = np.zeros(1 << 24, bool)
        occurs[code(background)] = True
        assert occurs.mean() < 0.1  # most colours do not: the test can fail
        for number in range(40):
            ink = digits.pixels[number, ..., 0] == 255
            assert occurs[code(blended.pixels[number][paper[number]])].all()
            assert occurs[code(255 - blended.pixels[number][ink])].all()


@pytest.mark.parametrize("name", PHOTOS)
def test_tiles_cover_a_photo_once(name: str) -> None:
    pixels = photo(name)
    parts = [tiles(name, part) for part in ("train", "validation", "test")]
    count = (pixels.shape[0] // TILE) * (pixels.shape[1] // TILE)
    assert sum(map(len, parts)) == count
    assert all(len(part) >= 2 for part in parts)
    whole = pixels[: pixels.shape[0] // TILE * TILE, : pixels.shape[1] // TILE * TILE].astype(np.int64).sum()
    assert sum(part.astype(np.int64).sum() for part in parts) == whole


def test_optdigits_strokes_are_as_wide_as_mnists() -> None:
    ink = {kind: (domain(kind).train.pixels > 127).mean() for kind in GREY}
    assert 0.5 < ink["optdigits"] / ink["mnist"] < 2
    border = domain("optdigits").train.pixels.copy()
    border[:, 6:26, 6:26] = 0
    assert not border.any()  # 20×20 in the middle


def test_options_apply_to_every_domain() -> None:
    spec = DomainSpec(kind="mnist", classes=["7", "1"], train=60, validation=20, test=10, size=20, channels=3)
    splits = load_domain(spec)
    assert splits.train.pixels.shape == (60, 20, 20, 3)
    assert np.bincount(splits.train.labels).tolist() == [30, 30]
    assert splits.test.classes == ("7", "1")
    assert {image.tobytes() for image in splits.test.pixels} <= {
        image.tobytes() for image in load_domain(spec.model_copy(update={"test": 50})).test.pixels
    }


def test_bad_options_are_told_with_their_key() -> None:
    with pytest.raises(LbtError, match=r"data\.domains\.d\.test: found 501; this domain has 500"):
        load_domain(DomainSpec(kind="mnist", test=501), "d")
    with pytest.raises(LbtError, match=r"data\.domains\.d\.classes: unknown class '11'"):
        load_domain(DomainSpec(kind="mnist", classes=["11", "1"]), "d")
