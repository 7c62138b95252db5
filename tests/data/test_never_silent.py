"""Each thing that looks like a mistake, through every reader: it is told in one line, or refused in one."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import published
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.io import savemat, wavfile

from lbt.data import DomainSpec, load_domain
from lbt.errors import LbtError

COUNT = 24
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, 12, 12), dtype=np.uint8)
LABELS = [n % 3 for n in range(COUNT)]
TEXT = {"folder", "csv", "wav"}
"""Readers whose labels are text."""


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "TIFF" if pixels.dtype == np.float32 else "PNG")
    return file.getvalue()


def folder(pixels: np.ndarray, labels: list, names: list | None) -> None:
    for n, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        place = Path("mine", str(names[label] if names else label))
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{n}.{'tif' if image.dtype == np.float32 else 'png'}").write_bytes(png(image))


def csv(pixels: np.ndarray, labels: list, names: list | None) -> None:
    Path("mine").mkdir()
    rows = ["file,label"]
    for n, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        file = Path("mine", f"{n}.{'tif' if image.dtype == np.float32 else 'png'}")
        file.write_bytes(png(image))
        rows.append(f"{file.name},{names[label] if names else label}")
    Path("mine/labels.csv").write_text("\n".join(rows))


def wav(pixels: np.ndarray, labels: list, names: list | None) -> None:
    for n, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        place = Path("mine", str(names[label] if names else label))
        place.mkdir(parents=True, exist_ok=True)
        tone = np.sin(np.arange(8000) * (n + 1) / 50) * 9000 * bool(image.any())
        wavfile.write(place / f"{n}.wav", 8000, tone.astype(np.int16))


def arrays(pixels: np.ndarray, labels: list, names: list | None) -> dict[str, np.ndarray]:
    return {"images": pixels, "labels": np.array(labels)} | ({"classes": np.array(names)} if names else {})


def h5(pixels: np.ndarray, labels: list, names: list | None) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File("mine.h5", "w") as file:
        for name, array in arrays(pixels, labels, names).items():
            file[name] = [str(one) for one in array] if name == "classes" else array


def npy(pixels: np.ndarray, labels: list, names: list | None) -> None:
    np.save("mine.npy", pixels)
    np.save("mine_labels.npy", np.array(labels))


def idx(pixels: np.ndarray, labels: list, names: list | None) -> None:
    Path("mine-images-idx3-ubyte.gz").write_bytes(published.idx(pixels))
    Path("mine-labels-idx1-ubyte.gz").write_bytes(published.idx(np.array(labels)))


def libsvm(pixels: np.ndarray, labels: list, names: list | None) -> None:
    lines = [
        f"{label} " + " ".join(f"{n}:{value}" for n, value in enumerate(image.ravel(), 1))
        for image, label in zip(pixels, labels, strict=True)
    ]
    Path("mine.libsvm").write_text("\n".join(lines))


def parquet(pixels: np.ndarray, labels: list, names: list | None) -> None:
    table = pa.table({"image": [png(image) for image in pixels], "label": labels})
    feature = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
    pq.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps(feature)} if names else None), "mine.parquet"
    )


READERS: dict[str, tuple[str, Callable[[np.ndarray, list, list | None], object]]] = {
    "folder": ("mine", folder),
    "csv": ("mine", csv),
    "wav": ("mine", wav),
    "npz": ("mine.npz", lambda *given: np.savez("mine.npz", **arrays(*given))),
    "npy": ("mine.npy", npy),
    "h5": ("mine.h5", h5),
    "idx": ("mine-images-idx3-ubyte.gz", idx),
    "libsvm": ("mine.libsvm", libsvm),
    "mat": ("mine.mat", lambda *given: savemat("mine.mat", arrays(*given))),
    "parquet": ("mine.parquet", parquet),
}


def said(reader: str, pixels: np.ndarray = PIXELS, labels: list = LABELS, names: list | None = None) -> list[str]:
    """Every line on these images; the error as the only one, if they are refused."""
    path, write = READERS[reader]
    write(pixels, labels, names)
    spec = DomainSpec(kind="folder" if reader in TEXT else "arrays", path=path)
    try:
        splits = load_domain(spec, "mine")
    except LbtError as error:
        return [str(error).removeprefix("data.domains.mine: ")]
    lines = [*splits.notes, *(f"{path}: skipped {reason}: {', '.join(who)}" for reason, who in splits.skipped.items())]
    assert all(line.startswith(f"{path}:") for line in lines)
    return lines


ALL = set(READERS)
NUMBERS = ALL - TEXT - {"idx"}
"""Readers whose labels are numbers of any type; those of idx are bytes."""
ONE = [0, *LABELS[1:-1], 3]
FLOATING = [float(label) for label in LABELS]
NAN = [float("nan"), *FLOATING[1:]]
BLACK = PIXELS.copy()
BLACK[5] = 0

FAULTS: list[tuple[str, set[str], dict, str]] = [
    ("masks", ALL - {"wav"}, {"pixels": (PIXELS > 99).astype(np.uint8)}, "from 0 to 1: taken as masks, 1 becomes 255"),
    ("class numbers", ALL - {"wav"}, {"pixels": PIXELS % 12}, "no pixel is over 11 of 255|taken as 8-bit"),
    ("black", ALL, {"pixels": BLACK}, r"1 image of one colour \(1 black\), first number"),
    ("alone", ALL, {"labels": ONE}, "1 image in class 3: for training only"),
    ("from 1", ALL, {"labels": [n + 1 for n in LABELS]}, "labels are 1, 2, 3, not 0 to 2: they name the classes"),
    ("floats", ALL - {"folder", "wav", "idx"}, {"labels": FLOATING}, "labels are floats that hold whole numbers"),
    ("nan", NUMBERS, {"labels": NAN}, "1 label NaN: taken as none, first number 0"),
    ("nan", TEXT, {"labels": NAN}, "a class is called 'nan': an empty cell, null or -1 is no label"),
    ("twice", {"npz", "h5", "parquet"}, {"names": ["a", "b", "a"]}, "class 'a' is named twice"),
    ("alike", {"npz", "h5", "parquet"} | TEXT, {"names": ["a", "b", "A"]}, "classes '[aA]' and '[aA]' differ in case"),
    (
        "whole floats",
        ALL - {"wav", "idx"},
        {"pixels": PIXELS.astype(np.float32)},
        "pixels are from 0 to 255: taken as 8-bit numbers",
    ),
    (
        "nan in a pixel",
        {"npz", "npy", "h5", "mat"},
        {"pixels": np.where(BLACK[0, 0, 0] == BLACK, np.nan, BLACK)},
        "image 0 holds nan; accepted: finite numbers",
    ),
    (
        "far",
        ALL - TEXT - {"idx"},
        {"labels": [10**9, *LABELS[1:]]},
        "row 0: label 1000000000; accepted: -1 .none., or a class",
    ),
    (
        "negative",
        {"npz", "npy", "h5", "mat", "parquet"},
        {"labels": [-2, *LABELS[1:]]},
        "row 0: label -2; accepted: whole numbers",
    ),
    (
        "half",
        ALL - TEXT - {"idx"},
        {"labels": [0.5, *LABELS[1:]]},
        "row 0: label 0.5; accepted: whole numbers from 0, or names",
    ),
]


@pytest.mark.parametrize(
    ("reader", "given", "words"),
    [pytest.param(r, given, words, id=f"{fault}-{r}") for fault, who, given, words in FAULTS for r in sorted(who)],
)
def test_it_is_told(workspace: Path, reader: str, given: dict, words: str) -> None:
    lines = said(reader, **given)
    assert any(re.search(words, line) for line in lines), lines


@pytest.mark.parametrize("reader", sorted(ALL))
def test_nothing_is_said_of_images_in_order(workspace: Path, reader: str) -> None:
    expected = ["floats that hold", "8-bit numbers"] if reader == "libsvm" else []  # whose numbers are all floats
    lines = said(reader)
    assert len(lines) == len(expected)
    assert all(words in line for words, line in zip(expected, lines, strict=True))


@pytest.mark.parametrize("reader", sorted(TEXT))
def test_a_broken_file_is_named(workspace: Path, reader: str) -> None:
    READERS[reader][1](PIXELS, LABELS, None)
    file = next(file for file in sorted(Path("mine").rglob("*")) if file.suffix in (".png", ".wav"))
    file.write_bytes(file.read_bytes()[:30])
    splits = load_domain(DomainSpec(kind="folder", path="mine"))
    assert splits.skipped == {"not a readable image": (file.relative_to("mine").as_posix(),)}


def test_masks_become_black_and_white(workspace: Path) -> None:
    masks = (PIXELS > 99).astype(np.uint8)
    folder(masks, LABELS, None)
    splits = load_domain(DomainSpec(kind="folder", path="mine"))
    found = {image.tobytes() for _, images in splits.items() for image in images.pixels[..., 0]}
    assert found == {(mask * np.uint8(255)).tobytes() for mask in masks}


def test_numerals_of_a_table_that_a_program_wrote_as_floats(workspace: Path) -> None:
    csv(PIXELS, FLOATING, None)
    assert load_domain(DomainSpec(kind="folder", path="mine")).train.classes == ("0", "1", "2")
