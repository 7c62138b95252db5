"""The real parsing code on small files of exactly the published formats, served from a loopback HTTP server."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from published import digests, idx, libsvm, mat, serve

from lbt.data import DomainSpec, Splits, load_domain
from lbt.data.domains import DOMAINS
from lbt.errors import LbtError

RNG = np.random.default_rng(0)
MNIST = RNG.integers(0, 256, (120, 28, 28), dtype=np.uint8)
STREET = RNG.integers(0, 256, (100, 32, 32, 3), dtype=np.uint8)
ENVELOPES = np.round(RNG.uniform(-1, 1, (60, 256)), 3)
ENVELOPES[:, ::7] = 0  # left out in the sparse form
DIGITS = np.arange(120) % 10


def mnist_files() -> dict[str, bytes]:
    return {
        "train-images-idx3-ubyte.gz": idx(MNIST),
        "train-labels-idx1-ubyte.gz": idx(DIGITS),
        "t10k-images-idx3-ubyte.gz": idx(MNIST[:30, ::-1]),
        "t10k-labels-idx1-ubyte.gz": idx(DIGITS[:30]),
    }


def usps_files() -> dict[str, bytes]:
    labels = DIGITS + 1
    return {"usps.bz2": libsvm(ENVELOPES, labels[:60]), "usps.t.bz2": libsvm(-ENVELOPES[:20], labels[:20])}


def street_files(names: tuple[str, str]) -> Callable[[], dict[str, bytes]]:
    labels = np.where(DIGITS == 0, 10, DIGITS).astype(np.uint8)
    return lambda: {names[0]: mat(STREET, labels[:100]), names[1]: mat(255 - STREET[:20], labels[:20])}


FILES = {
    "mnist_full": mnist_files,
    "mnistm_full": mnist_files,
    "usps": usps_files,
    "svhn": street_files(("train_32x32.mat", "test_32x32.mat")),
    "synth_full": street_files(("synth_train_32x32.mat", "synth_test_32x32.mat")),
}


def load(kind: str, files: dict[str, bytes], **options: object) -> Splits:
    with serve(files) as server:
        spec = DomainSpec(kind=kind, path="inputs/x", url=server.url, sha256=digests(files), **options)
        return load_domain(spec, kind)


@pytest.mark.parametrize("kind", FILES)
def test_download_then_offline(kind: str, workspace: Path) -> None:
    files = FILES[kind]()
    splits = load(kind, files)
    assert {p.name for p in Path("inputs/x").iterdir()} == set(files)
    again = load_domain(DomainSpec(kind=kind, path="inputs/x", sha256=digests(files)))  # the server is gone
    for (_, first), (_, second) in zip(splits.items(), again.items(), strict=True):
        assert np.array_equal(first.pixels, second.pixels)
        assert first.pixels.shape[1:3] == (32, 32)
        assert set(first.labels) <= set(range(10))


def test_published_checksums_are_the_default(workspace: Path) -> None:
    files = mnist_files()
    with serve(files) as server, pytest.raises(LbtError, match=r"not the published file.*440fcabf73cc"):
        load_domain(DomainSpec(kind="mnist_full", url=server.url))


def test_mnist_pixels_and_labels(workspace: Path) -> None:
    splits = load("mnist_full", mnist_files())
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (110, 10, 30)
    known = {image.tobytes(): label for image, label in zip(MNIST, DIGITS, strict=True)}
    for images in (splits.train, splits.validation):
        for pixels, label in zip(images.pixels, images.labels, strict=True):
            assert known.pop(pixels[2:30, 2:30, 0].tobytes()) == label
    assert not known


def test_usps_is_parsed_with_its_zeros_and_labels(workspace: Path) -> None:
    splits = load("usps", usps_files())
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (54, 6, 20)
    assert np.bincount(splits.test.labels).tolist() == [2] * 10
    # bilinear interpolation and rounding keep the mean of an image, up to its border
    mean = np.sort(np.round((1 - ENVELOPES[:20]) * 127.5).mean(axis=1))
    found = np.sort(splits.test.pixels[:, 2:30, 2:30].mean(axis=(1, 2, 3)))
    assert np.abs(found - mean).max() < 6


@pytest.mark.parametrize("kind", ["svhn", "synth_full"])
def test_ten_means_zero(kind: str, workspace: Path) -> None:
    splits = load(kind, FILES[kind]())
    known = {image.tobytes(): label for image, label in zip(STREET, DIGITS[:100], strict=True)}
    for images in (splits.train, splits.validation):
        for pixels, label in zip(images.pixels, images.labels, strict=True):
            assert known.pop(pixels.tobytes()) == label
    assert not known


def test_synthetic_digits_have_no_address(workspace: Path) -> None:
    with pytest.raises(LbtError, match=r"inputs/synth_full/synth_train_32x32\.mat: no such file; get SynthDigits\.zip"):
        load_domain(DomainSpec(kind="synth_full"))


def test_mnistm_full_blends_the_published_digits(workspace: Path) -> None:
    files = mnist_files()
    digits, blended = load("mnist_full", files), load("mnistm_full", files)
    assert np.array_equal(digits.test.labels, blended.test.labels)
    assert blended.test.pixels.shape == (30, 32, 32, 3)


WRONG: dict[str, list[tuple[str, Callable[[bytes], bytes]]]] = {
    "mnist_full": [
        ("train-images-idx3-ubyte.gz", lambda data: data[: len(data) // 2]),
        ("train-images-idx3-ubyte.gz", lambda data: idx(MNIST[:100])),
        ("train-images-idx3-ubyte.gz", lambda data: idx(MNIST[:, :20])),
        ("train-images-idx3-ubyte.gz", lambda data: b"<html>moved</html>"),
        ("train-labels-idx1-ubyte.gz", lambda data: idx(DIGITS + 3)),
        ("train-labels-idx1-ubyte.gz", lambda data: idx(MNIST)),
        ("train-labels-idx1-ubyte.gz", lambda data: data[:30] + bytes([data[30] ^ 1]) + data[31:]),
    ],
    "usps": [
        ("usps.bz2", lambda data: data[:-20]),
        ("usps.bz2", lambda data: b"not bzip2"),
        ("usps.bz2", lambda data: libsvm(ENVELOPES, DIGITS[:60])),  # labels from 0
        ("usps.bz2", lambda data: libsvm(ENVELOPES * 3, DIGITS[:60] + 1)),
        ("usps.t.bz2", lambda data: libsvm(np.ones((20, 300)), DIGITS[:20] + 1)),
        ("usps.t.bz2", lambda data: libsvm(ENVELOPES[:0], DIGITS[:0])),
    ],
    "svhn": [
        ("train_32x32.mat", lambda data: data[: len(data) // 2]),
        ("train_32x32.mat", lambda data: pickle.dumps({"X": STREET, "y": DIGITS})),
        ("train_32x32.mat", lambda data: mat(STREET, DIGITS[:99])),
        ("train_32x32.mat", lambda data: mat(STREET, DIGITS[:100] + 5)),
        ("test_32x32.mat", lambda data: mat(STREET.astype(float), DIGITS[:100])),
        ("test_32x32.mat", lambda data: b""),
    ],
}


@pytest.mark.parametrize(("kind", "number"), [(kind, n) for kind, cases in WRONG.items() for n in range(len(cases))])
def test_wrong_files_are_named_in_one_line(kind: str, number: int, workspace: Path) -> None:
    name, damage = WRONG[kind][number]
    files = FILES[kind]()
    files[name] = damage(files[name])  # with its own, matching checksum: the parser has to notice
    with pytest.raises(LbtError) as caught:
        load(kind, files)
    assert f"data.domains.{kind}: " in str(caught.value)
    assert f"inputs/x/{name}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_kind_is_tested() -> None:
    embedded = {"mnist", "optdigits", "mnistm", "synth", "catalogue", "webcam"}
    assert set(DOMAINS.names()) >= {*embedded, *FILES, "folder", "arrays"}
