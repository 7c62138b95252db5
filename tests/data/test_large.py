"""Sets that are larger than memory: every reader gives the same images with all arrays on the disk."""

from __future__ import annotations

import bz2
import gzip
import importlib
import shutil
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import published
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.io import savemat

from lbt import mapped
from lbt.artifacts import Images, read_images, write_images
from lbt.data import DomainSpec, load_domain
from lbt.data.images import convert
from lbt.data.splits import Splits

silent = importlib.import_module("test_never_silent")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every array lies on the disk, and is made a few rows at a time."""
    monkeypatch.setattr(mapped, "LARGE", 0)
    monkeypatch.setattr(mapped, "PART", 2000)


def assert_same(one: Splits, other: Splits) -> None:
    assert (one.notes, one.skipped) == (other.notes, other.skipped)
    for (_, a), (_, b) in zip(one.items(), other.items(), strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        np.testing.assert_array_equal(a.labels, b.labels)
        assert (a.classes, a.columns) == (b.classes, b.columns)


@pytest.mark.parametrize("reader", sorted(silent.READERS))
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_every_reader(workspace: Path, monkeypatch: pytest.MonkeyPatch, reader: str, dtype: type) -> None:
    if dtype == np.float32 and reader in ("wav", "idx"):
        dtype = np.uint8  # they hold no other numbers
    path, write = silent.READERS[reader]
    write(silent.PIXELS.astype(dtype), silent.LABELS, None)
    spec = DomainSpec(kind="folder" if reader in silent.TEXT else "arrays", path=path, size=16, channels=3)
    expected = load_domain(spec)
    monkeypatch.setattr(mapped, "LARGE", 0)
    monkeypatch.setattr(mapped, "PART", 500)
    found = load_domain(spec)
    assert_same(found, expected)
    assert isinstance(found.train.pixels.base, np.memmap)


def test_an_image_table_comes_back(workspace: Path, disk: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lbt.artifacts.GROUP", 3000)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    images = Images(pixels, np.arange(40) % 3 - 1, ("a", "b"), {"user": ["ann"] * 40})
    write_images("t.parquet", images)
    found = read_images("t.parquet")
    np.testing.assert_array_equal(found.pixels, pixels)
    np.testing.assert_array_equal(found.labels, images.labels)
    assert found.columns == images.columns
    import pyarrow.parquet as pq

    assert pq.ParquetFile("t.parquet").num_row_groups == 3  # of 3000 bytes: 15 images


@pytest.mark.parametrize(("channels", "size"), [(1, None), (3, 20), (1, 9), (None, 32)])
def test_conversion_in_parts(disk: None, channels: int | None, size: int | None) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    images = Images(pixels, np.zeros(40, np.int64), ("a",))
    found = convert(images, channels, size).pixels
    mapped.PART = 1 << 30
    np.testing.assert_array_equal(found, convert(images, channels, size).pixels)


SIDE = 64


def _shards(pixels: np.ndarray) -> str:
    for number, piece in enumerate(np.array_split(pixels, 3)):
        cells = {"image": [silent.png(image) for image in piece], "label": np.arange(len(piece)) % 2}
        Path("mine").mkdir(exist_ok=True)
        pq.write_table(pa.table(cells), f"mine/train-{number}.parquet", row_group_size=100)
    return "mine"


def _table(pixels: np.ndarray) -> str:
    write_images("mine.parquet", Images(pixels[..., None], np.arange(len(pixels)) % 2, ("a", "b")))
    return "mine.parquet"


def _libsvm(pixels: np.ndarray, name: str = "mine.libsvm") -> str:
    lines = []
    for number, row in enumerate(pixels.reshape(len(pixels), -1)):
        places = [*np.flatnonzero(row > 240), SIDE**2 - 1]
        lines.append(f"{number % 2} {' '.join(f'{n + 1}:{row[n]}' for n in dict.fromkeys(places))}\n")
    text = "".join(lines).encode()
    Path(name).write_bytes(bz2.compress(text) if name.endswith("bz2") else text)
    return name


def _h5(pixels: np.ndarray, **more: str) -> str:
    with pytest.importorskip("h5py").File("mine.h5", "w") as file:
        file.create_dataset("images", data=pixels, chunks=(64, SIDE, SIDE), **more)
        file["labels"] = np.arange(len(pixels)) % 2
    return "mine.h5"


def _idx(pixels: np.ndarray, name: str = "mine-images-idx3-ubyte.gz") -> str:
    for path, values in ((name, pixels), (name.replace("images-idx3", "labels-idx1"), np.arange(len(pixels)) % 2)):
        packed = published.idx(values)
        Path(path).write_bytes(packed if name.endswith("gz") else gzip.decompress(packed))
    return name


def _folder(pixels: np.ndarray) -> str:
    for number, image in enumerate(pixels):
        file = Path(f"mine/{number % 2}/{number}.png")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(silent.png(image))
    return "mine"


def _save(pixels: np.ndarray, save: Callable[[str, dict[str, np.ndarray]], object], name: str, axis: int = 0) -> str:
    save(name, {"images": pixels, "labels": np.arange(pixels.shape[axis]) % 2})
    return name


def _npz(name: str, arrays: dict[str, np.ndarray], pack: Callable[..., object] = np.savez) -> None:
    pack(name, **arrays)


def _npy(name: str, arrays: dict[str, np.ndarray]) -> None:
    np.save(name, arrays["images"])
    np.save("mine_labels.npy", arrays["labels"])


def _turned(pixels: np.ndarray) -> np.ndarray:
    """(N, C, H, W) in column order: the axes that every reader has to turn."""
    return np.asfortranarray(pixels[:, None].repeat(3, axis=1))


FILES: dict[str, Callable[[np.ndarray], str]] = {
    "npy": lambda pixels: _save(pixels, _npy, "mine.npy"),
    "npy, turned": lambda pixels: _save(_turned(pixels), _npy, "mine.npy"),
    "npy, floats": lambda pixels: _save(pixels.astype(np.float32), _npy, "mine.npy"),
    "npz": lambda pixels: _save(pixels, _npz, "mine.npz"),
    "npz, packed": lambda pixels: _save(pixels, partial(_npz, pack=np.savez_compressed), "mine.npz"),
    "npz, turned": lambda pixels: _save(_turned(pixels), _npz, "mine.npz"),
    "mat": lambda pixels: _save(pixels, savemat, "mine.mat"),
    "mat, packed": lambda pixels: _save(pixels, partial(savemat, do_compression=True), "mine.mat"),
    "mat, turned": lambda pixels: _save(_turned(pixels).transpose(2, 3, 1, 0), savemat, "mine.mat", axis=3),
    "h5": _h5,
    "h5, packed": partial(_h5, compression="gzip"),
    "idx": partial(_idx, name="mine-images-idx3-ubyte"),
    "idx, packed": _idx,
    "libsvm": _libsvm,
    "libsvm, packed": partial(_libsvm, name="mine.bz2"),
    "parquet": _table,
    "parquet, shards": _shards,
    "folder": _folder,
}
"""Format → writes grey images (N, SIDE, SIDE), and gives the path."""


def held(path: str) -> int:
    """The most bytes that Python, NumPy and Arrow hold while a domain is loaded; mapped files are not counted."""
    pool = pa.proxy_memory_pool(pa.default_memory_pool())
    default = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        load_domain(DomainSpec(kind="folder" if path == "mine" and not list(Path(path).glob("*.parquet")) else "arrays",
                               path=path, channels=1))  # fmt: skip
        return tracemalloc.get_traced_memory()[1] + (pool.max_memory() or 0)
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(default)


@pytest.mark.parametrize("name", FILES)
def test_no_reader_holds_the_pixels(workspace: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Five hundred more images, 2 MiB of pixels, need less than a quarter of that more memory."""
    monkeypatch.setattr(mapped, "LARGE", 1 << 17)
    monkeypatch.setattr(mapped, "PART", 1 << 17)
    monkeypatch.setattr("lbt.artifacts.GROUP", 1 << 17)
    pixels = np.random.default_rng(0).integers(0, 256, (700, SIDE, SIDE), dtype=np.uint8)
    peaks = []
    for count in (200, 700):
        peaks.append(held(FILES[name](pixels[:count])))
        shutil.rmtree("mine", ignore_errors=True)
    assert peaks[1] - peaks[0] < 500 * SIDE**2 / 4
