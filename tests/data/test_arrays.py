from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from lbt.artifacts import Images, write_images
from lbt.data import DomainSpec, load_domain
from lbt.errors import LbtError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)
LABELS = np.arange(40) % 4
SPEC = DomainSpec(kind="arrays", path="mine.npz")


def everything(spec: DomainSpec) -> dict[bytes, int]:
    splits = load_domain(spec)
    found = {
        pixels.tobytes(): int(label)
        for _, images in splits.items()
        for pixels, label in zip(images.pixels, images.labels, strict=True)
    }
    assert len(found) == sum(len(images) for _, images in splits.items())  # no image is in two splits
    return found


EXPECTED = {pixels.tobytes(): int(label) for pixels, label in zip(PIXELS, LABELS, strict=True)}


@pytest.mark.parametrize(
    "images", [PIXELS, PIXELS.transpose(0, 3, 1, 2), PIXELS / 255, (PIXELS / 255).astype(np.float32)]
)
def test_layouts_of_npz(workspace: Path, images: np.ndarray) -> None:
    np.savez("mine.npz", images=images, labels=LABELS)
    assert everything(SPEC) == EXPECTED


def test_grey_strings_and_names(workspace: Path) -> None:
    names = np.array(["north", "east", "south", "west"])
    np.savez("mine.npz", images=PIXELS[..., 0], labels=names[LABELS])
    splits = load_domain(SPEC)
    assert splits.train.classes == ("east", "north", "south", "west")
    assert splits.train.pixels.shape == (28, 12, 12, 1)
    np.savez("mine.npz", images=PIXELS, labels=LABELS, classes=names)
    assert load_domain(SPEC).train.classes == tuple(names)


def test_unlabelled(workspace: Path) -> None:
    np.savez("mine.npz", images=PIXELS, labels=np.where(np.arange(40) < 10, -1, LABELS))
    splits = load_domain(SPEC)
    assert (splits.train.labels == -1).sum() == 10
    assert (splits.test.labels >= 0).all()


def test_own_image_table(workspace: Path) -> None:
    write_images("mine.parquet", Images(PIXELS, LABELS, ("a", "b", "c", "d")))
    assert everything(DomainSpec(kind="arrays", path="mine.parquet")) == EXPECTED


def encoded(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("struct", [False, True])
def test_parquet_of_encoded_images(workspace: Path, struct: bool) -> None:
    cells = [encoded(pixels) for pixels in PIXELS]
    cells[5] = cells[5][:30]
    column = [{"bytes": cell, "path": None} for cell in cells] if struct else cells
    labels = [None if n == 7 else f"class {label}" for n, label in enumerate(LABELS)]
    pq.write_table(pa.table({"image": column, "label": labels}), "mine.parquet")
    spec = DomainSpec(kind="arrays", path="mine.parquet", size=12)
    splits = load_domain(spec)
    assert splits.skipped == ("row 5",)
    assert (splits.train.labels == -1).sum() == 1
    found = everything(spec)
    assert len(found) == 39
    assert all(EXPECTED[pixels] == label for pixels, label in found.items() if label >= 0)


class Trap:
    """Unpickling this would leave a file behind."""

    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("sprung"),))


def test_a_pickle_inside_is_refused(workspace: Path) -> None:
    np.savez("mine.npz", images=np.array([Trap()], dtype=object), labels=LABELS)
    with pytest.raises(LbtError, match=r"not a readable \.npz file"):
        load_domain(SPEC)
    assert not Path("sprung").exists()


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"image": PIXELS, "labels": LABELS}, "no array 'images'.*did you mean 'image'"),
        ({"images": PIXELS, "labels": LABELS[:-1]}, "40 images but 39 labels"),
        ({"images": PIXELS[0], "labels": LABELS}, "images"),
        ({"images": PIXELS[..., :2], "labels": LABELS}, r"shape \(40, 12, 12, 2\)"),
        ({"images": PIXELS / 100, "labels": LABELS}, "floats from 0 to 1"),
        ({"images": np.full((40, 8, 8), np.nan), "labels": LABELS}, "floats from 0 to 1"),
        ({"images": PIXELS, "labels": LABELS - 2}, "whole numbers from 0"),
        ({"images": PIXELS, "labels": LABELS + 0.5}, "whole numbers from 0"),
        ({"images": PIXELS, "labels": LABELS * 2}, "class 1 is empty"),
        ({"images": PIXELS, "labels": LABELS + 2**62}, "label 46.*accepted: -1 .none., or a class from 0 to 32767"),
        ({"images": PIXELS, "labels": np.array(1)}, r"labels has shape \(\)"),
        ({"images": PIXELS[:, :0], "labels": LABELS}, r"images has shape \(40, 0, 12, 3\)"),
        ({"images": PIXELS, "labels": LABELS, "classes": np.zeros((2, 2))}, r"classes has shape \(2, 2\)"),
        ({"images": PIXELS, "labels": LABELS, "classes": np.array(["a", "b"])}, "label 3, but there are 2 classes"),
    ],
)
def test_mistakes_in_npz(workspace: Path, held: dict[str, np.ndarray], words: str) -> None:
    np.savez("mine.npz", **held)
    with pytest.raises(LbtError, match=words) as caught:
        load_domain(SPEC, "mine")
    assert str(caught.value).startswith("data.domains.mine: mine.npz")
    assert "truncated" not in str(caught.value)


def test_files_that_are_something_else(workspace: Path) -> None:
    for name in ("mine.npz", "mine.parquet"):
        Path(name).write_bytes(b"PK\x03\x04 nothing")
        with pytest.raises(LbtError, match=f"{name}: not a readable"):
            load_domain(DomainSpec(kind="arrays", path=name))
    Path("mine.csv").touch()
    with pytest.raises(LbtError, match=r"accepted: \.npz, \.parquet"):
        load_domain(DomainSpec(kind="arrays", path="mine.csv"))
    with pytest.raises(LbtError, match="no such file"):
        load_domain(DomainSpec(kind="arrays", path="none.npz"))
