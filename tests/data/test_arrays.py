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
from lbt.data.labels import number
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


@pytest.mark.parametrize(
    ("labels", "classes", "note"),
    [
        (LABELS + 1, ("1", "2", "3", "4"), "labels are 1, 2, 3 and 1 more, not 0 to 3"),
        (LABELS * 2, ("0", "2", "4", "6"), "they name the classes"),
        (LABELS.astype(float), ("0", "1", "2", "3"), "labels are floats that hold whole numbers"),
        (LABELS[:, None], ("0", "1", "2", "3"), None),
    ],
)
def test_odd_numbers_are_told(workspace: Path, labels: np.ndarray, classes: tuple[str, ...], note: str | None) -> None:
    np.savez("mine.npz", images=PIXELS, labels=labels)
    splits = load_domain(SPEC)
    assert splits.train.classes == classes
    assert everything(SPEC) == EXPECTED
    assert [line for line in splits.notes if note and note in line] == list(splits.notes)
    assert bool(splits.notes) == bool(note)


def test_a_name_among_numbers_is_refused() -> None:
    with pytest.raises(
        LbtError, match="mine: row 1: label 'x' among numbers; accepted: whole numbers from 0, or names"
    ):
        number([0, "x", 1], None, "mine")


def test_nan_is_no_label(workspace: Path) -> None:
    np.savez("mine.npz", images=PIXELS, labels=np.where(np.arange(40) < 10, np.nan, LABELS))
    assert (load_domain(SPEC).train.labels == -1).sum() == 10


def test_names_of_numbers_that_have_none(workspace: Path) -> None:
    np.savez("mine.npz", images=PIXELS, labels=LABELS)
    names = ["north", "east", "south", "west"]
    named = load_domain(SPEC.model_copy(update={"classes": names}))
    assert named.train.classes == tuple(names)
    assert load_domain(SPEC.model_copy(update={"classes": ["3", "1"]})).train.classes == ("3", "1")


@pytest.mark.parametrize(
    ("images", "expected", "note"),
    [
        ((PIXELS > 99).astype(np.uint8), (PIXELS > 99) * 255, "from 0 to 1: taken as masks, 1 becomes 255"),
        (PIXELS > 99, (PIXELS > 99) * 255, "taken as masks"),
        (PIXELS.astype(np.float32), PIXELS, "from 0 to 255: taken as 8-bit numbers"),
        (PIXELS.astype(np.int64), PIXELS, "taken as 8-bit numbers"),
        (PIXELS.astype(np.uint16) * 257, PIXELS, "from 0 to 65535: taken as 16-bit numbers"),
        (
            PIXELS.astype(np.uint16) * 16,
            np.round(PIXELS.astype(int) * 16 / 4095 * 255),
            "from 0 to 4080: taken as 12-bit numbers",
        ),
        (PIXELS / 127.5 - 1, PIXELS, "-1 becomes 0, 1 becomes 255"),
        ((PIXELS.astype(int) - 100) / 50, PIXELS, "from -2 to 3.1: the least becomes 0, the largest 255"),
    ],
)
def test_pixels_of_other_types_are_scaled_by_their_range(
    workspace: Path, images: np.ndarray, expected: np.ndarray, note: str
) -> None:
    np.savez("mine.npz", images=images, labels=LABELS)
    splits = load_domain(SPEC)
    assert len(splits.notes) == 1
    assert note in splits.notes[0]
    assert splits.notes[0].startswith("mine.npz: images: ")
    found = np.concatenate([part.pixels for _, part in splits.items()])
    keys = {image.tobytes() for image in expected.astype(np.uint8)}
    assert {image.tobytes() for image in found} == keys


def test_images_of_one_colour_and_small_classes_are_told(workspace: Path) -> None:
    pixels = PIXELS.copy()
    pixels[[3, 9]] = 0
    np.savez("mine.npz", images=pixels, labels=[4, 5, 5, *LABELS[3:]])
    splits = load_domain(SPEC)
    assert splits.notes == (
        "mine.npz: 2 images of one colour (2 black), first number 3",
        "mine.npz: 1 image in class 4: for training only",
        "mine.npz: 2 images in class 5: for training only",
    )
    assert [(splits.train.labels == n).sum() for n in (4, 5)] == [1, 2]


NO_LABELS = "no array labels: images without labels; not read: digit"


def test_arrays_without_labels(workspace: Path) -> None:
    np.savez("mine.npz", images=PIXELS, digit=LABELS)
    splits = load_domain(SPEC)
    assert splits.notes == (f"mine.npz: {NO_LABELS}",)
    assert [len(images) for _, images in splits.items()] == [28, 6, 6]
    assert splits.train.classes == ()
    assert all((images.labels == -1).all() for _, images in splits.items())
    assert load_domain(SPEC.model_copy(update={"classes": ["a", "b"]})).test.classes == ("a", "b")


def test_the_users_own_split_of_keras(workspace: Path) -> None:
    np.savez("mine.npz", x_train=PIXELS[:30], y_train=LABELS[:30, None], x_test=PIXELS[30:], y_test=LABELS[30:])
    splits = load_domain(SPEC)
    assert {image.tobytes() for image in splits.test.pixels} == {image.tobytes() for image in PIXELS[30:]}
    assert (len(splits.train), len(splits.validation)) == (26, 4)  # validation is cut from train
    np.savez(
        "mine.npz",
        **{f"{part}_images": PIXELS[at] for part, at in (("train", slice(20)), ("val", slice(20, 30)))},
        **{f"{part}_labels": LABELS[at] for part, at in (("train", slice(20)), ("val", slice(20, 30)))},
        test_images=PIXELS[30:],
    )
    splits = load_domain(SPEC)
    assert [len(images) for _, images in splits.items()] == [20, 10, 10]
    assert (splits.test.labels == -1).all()
    assert splits.notes == (
        "mine.npz: no array test_labels: images without labels",
        "mine.npz: no label in the test split: accuracy is not measured",
    )


def test_parts_of_different_types_are_refused(workspace: Path) -> None:
    np.savez("mine.npz", x_train=PIXELS[:30], y_train=LABELS[:30], x_test=PIXELS[30:] / 255, y_test=LABELS[30:])
    with pytest.raises(LbtError, match="x_train and x_test are of different types: float64, uint8"):
        load_domain(SPEC)


def test_a_column_of_splits_users_and_times(workspace: Path) -> None:
    split = np.array(["train"] * 20 + ["Valid"] * 10 + ["test"] * 10)
    user, time = np.array(["ann", "bo"] * 20), np.arange(40) * 0.5
    np.savez("mine.npz", images=PIXELS, labels=LABELS, split=split, user=user, time=time)
    splits = load_domain(SPEC)
    assert [len(images) for _, images in splits.items()] == [20, 10, 10]
    assert sorted(splits.test.columns["time"]) == time[30:].tolist()
    first = int(splits.test.columns["time"][0] * 2)
    assert splits.test.columns["user"][0] == user[first]
    assert (splits.test.pixels[0] == PIXELS[first]).all()


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
    assert splits.skipped == {"not a readable image": ("row 5",)}
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
        ({"images": np.full((40, 8, 8), np.nan), "labels": LABELS}, "images: image 0 holds nan; accepted: finite"),
        ({"images": np.full((40, 8, 8), "x"), "labels": LABELS}, "images are <U1; accepted: numbers"),
        ({"images": PIXELS, "labels": LABELS - 2}, "row 0: label -2; accepted: whole numbers from 0, or names"),
        ({"images": PIXELS, "labels": LABELS + 0.5}, r"row 0: label 0\.5; accepted: whole numbers"),
        ({"images": PIXELS, "labels": LABELS * 0}, "found 1 class; expected at least 2"),
        ({"images": PIXELS, "labels": LABELS, "classes": np.array([*"abcde"])}, "class e is empty"),
        ({"images": PIXELS, "labels": LABELS, "classes": np.array([*"abca"])}, "class 'a' is named twice"),
        (
            {"images": PIXELS, "labels": LABELS * 10**9},
            "row 3: label 3000000000; accepted: -1 .none., or a class from 0",
        ),
        (
            {"images": PIXELS, "labels": LABELS, "split": np.array(["tran"] * 40)},
            "split: found 'tran'; accepted: train,",
        ),
        (
            {"images": PIXELS, "labels": LABELS + 2**62},
            "row 3: label 46.*accepted: -1 .none., or a class from 0 to 32767",
        ),
        ({"images": PIXELS, "labels": np.array(1)}, r"labels has shape \(\)"),
        ({"images": PIXELS[:, :0], "labels": LABELS}, r"images has shape \(40, 0, 12, 3\)"),
        ({"images": PIXELS, "labels": LABELS, "classes": np.zeros((2, 2))}, r"classes has shape \(2, 2\)"),
        (
            {"images": PIXELS, "labels": LABELS, "classes": np.array(["a", "b"])},
            "row 3: label 3, but there are 2 classes",
        ),
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
    with pytest.raises(LbtError, match=r"type '\.csv'; accepted: .*\.npz, .*\.parquet"):
        load_domain(DomainSpec(kind="arrays", path="mine.csv"))
    with pytest.raises(LbtError, match="no such file"):
        load_domain(DomainSpec(kind="arrays", path="none.npz"))
