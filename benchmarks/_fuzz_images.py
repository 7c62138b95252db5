"""Hostile images and arrays for ``fuzz.py``: folders, tables of labels, and each format that a domain is read from."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from scipy.io import savemat

from lbt.data import readers
from lbt.data.own import assemble, told
from lbt.data.params import DomainSpec

COUNT = 24
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, 9, 9), dtype=np.uint8)
LABELS = np.arange(COUNT) % 2
PHOTOS = Path("photos")

NAMES = ["train", "val", "test", "TEST", "_unlabelled", "Cup", "cup ", ".hidden", "a\nb", "ü", "x" * 200, "0", "-1"]
SUFFIXES = [".png", ".jpg", ".tiff", ".webp", ".gif", ".heic", ".jp2", ".txt", ".csv", "", ".PNG", ".png.bak"]
ROWS = [
    *("cup/0.png,cup", "cup/0.png,", "cup/0.png,-1", "../x,a", "/etc/passwd,a", ",", "a", "cup/1.png,a,b,c", '"'),
    *("\x00", "file,label", "cup/0.png," + "9" * 400, "mug\\1.png,mug"),
]
HEADS = ["file,label", "file", "label", "file,label,split", "file,time,label", "file,file", "", "FILE , Label", "a;b"]
MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr"]


def use(path: Path) -> None:
    """Read a file as the data stage and ``lbt look`` do."""
    spec = DomainSpec(kind="arrays", path=path.name, max_skipped=0.5)
    splits = assemble(readers.read(Path(path.name)), spec)
    told(splits.notes, splits.skipped)


def use_folder(path: Path) -> None:
    """Read the folder beside ``path``, which tells what was done to it."""
    use(PHOTOS.absolute())


def make_folder(path: Path, photos: Path = PHOTOS) -> None:
    for shape in ("cup", "mug"):
        (photos / shape).mkdir(parents=True)
        for index in range(COUNT // 2):
            Image.fromarray(PIXELS[index]).save(photos / shape / f"{index}.png")
    path.write_text("[]", encoding="utf-8")


def mutate_folder(scramble: Callable[[bytes, random.Random], bytes]) -> Callable[[Path, random.Random], None]:
    """One to four changes of the tree, by the names of :data:`CHANGES`."""

    def mutate(path: Path, draw: random.Random) -> None:
        done = []
        for _ in range(draw.choice([1, 1, 2, 4])):
            name = draw.choice(sorted(CHANGES))
            files = sorted(file for file in PHOTOS.rglob("*") if file.is_file())
            if files:
                CHANGES[name](draw.choice(files), draw, scramble)
                done.append(name)
        path.write_text(json.dumps(done), encoding="utf-8")

    return mutate


def _moved(file: Path, target: Path) -> None:
    if not target.exists() and not target.is_relative_to(file):
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)


def _linked(link: Path, target: Path) -> None:
    if not link.is_symlink():
        link.symlink_to(target)


def _table(file: Path, draw: random.Random, scramble: Callable[[bytes, random.Random], bytes]) -> None:
    text = "\n".join([draw.choice(HEADS), *draw.choices(ROWS, k=draw.choice([0, 1, 3]))]).encode("utf-8")
    (PHOTOS / "labels.csv").write_bytes(scramble(text, draw) if draw.random() < 0.3 else text)


def _recode(file: Path, draw: random.Random, scramble: Callable[[bytes, random.Random], bytes]) -> None:
    size = draw.choice([(1, 1), (9, 9), (1, 4000), (9, 200), (64, 64)])
    image = Image.new(draw.choice(MODES), size)
    for suffix in (draw.choice(["tiff", "png", "gif", "bmp"]), "tiff"):
        try:
            image.save(file, format=suffix.upper())
            return
        except (OSError, ValueError):  # a mode that the format lacks
            continue


def _several(file: Path, draw: random.Random, scramble: Callable[[bytes, random.Random], bytes]) -> None:
    for one in sorted(PHOTOS.rglob("*.png"))[:: draw.choice([1, 2, 5])]:
        one.unlink()


CHANGES: dict[str, Callable[[Path, random.Random, Callable[[bytes, random.Random], bytes]], object]] = {
    "bytes": lambda f, draw, scramble: f.write_bytes(scramble(f.read_bytes(), draw)),
    "suffix": lambda f, draw, _: _moved(f, f.with_suffix(draw.choice(SUFFIXES))),
    "class": lambda f, draw, _: _moved(f.parent, PHOTOS / draw.choice(NAMES)) if f.parent != PHOTOS else None,
    "stray": lambda f, draw, _: _moved(f, PHOTOS / draw.choice(NAMES) / draw.choice(NAMES)),
    "empty": lambda f, draw, _: (PHOTOS / draw.choice(NAMES)).mkdir(exist_ok=True) if draw.random() < 0.9 else None,
    "loop": lambda f, draw, _: _linked(f.with_name("loop"), PHOTOS.absolute()),
    "dangling": lambda f, draw, _: _linked(f.with_name("d.png"), Path("nowhere")),
    "table": _table,
    "recode": _recode,
    "several": _several,
}  # fmt: skip


def make_npy(path: Path) -> None:
    np.save(path, PIXELS)
    np.save(path.with_name(f"{path.stem}_labels.npy"), LABELS)


def make_mat(path: Path) -> None:
    savemat(path, {"images": PIXELS, "labels": LABELS})


def make_libsvm(path: Path) -> None:
    lines = [
        f"{n} " + " ".join(f"{i}:{v}" for i, v in enumerate(p.ravel(), 1)) for p, n in zip(PIXELS, LABELS, strict=True)
    ]
    path.write_bytes(bz2.compress("\n".join(lines).encode()))


def make_idx(path: Path) -> None:
    for file, array in ((path, PIXELS), (path.with_name(path.name.replace("images-idx3", "labels-idx1")), LABELS)):
        head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        file.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))


def make_shard(path: Path) -> None:
    cells = []
    for pixels in PIXELS:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        cells.append({"bytes": file.getvalue(), "path": None})
    features = {"info": {"features": {"label": {"names": ["cup", "mug"], "_type": "ClassLabel"}}}}
    table = pa.table({"image": cells, "label": LABELS, "split": ["train", "val", "test"] * (COUNT // 3)})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(features)}), path)


def make_keras(path: Path) -> None:
    np.savez(path, x_train=PIXELS[:16], y_train=LABELS[:16], x_test=PIXELS[16:], y_test=LABELS[16:])


ALTERED: list[Callable[[np.ndarray], np.ndarray]] = [
    lambda a: a.astype(float), lambda a: a / 255, lambda a: a.astype(np.float16), lambda a: a.astype(np.uint16) * 257,
    lambda a: a > 0, lambda a: a + 1, lambda a: a * 0, lambda a: a.astype(np.int64) * 10**9, lambda a: a[:, None],
    lambda a: a[..., None], lambda a: a.astype(str), lambda a: -a.astype(int), lambda a: a[:-1], lambda a: a[:0],
    lambda a: np.where(np.arange(len(a)).reshape(-1, *[1] * (a.ndim - 1)) < 2, np.nan, a), lambda a: a.astype(bytes),
    lambda a: a.astype(complex), lambda a: np.eye(4)[a % 4], lambda a: np.repeat(a, 20, 0), lambda a: a.T,
    lambda a: a.astype("datetime64[s]"), lambda a: np.full(a.shape, np.inf), lambda a: a.astype(np.uint64) + 2**63,
]  # fmt: skip
RENAMED = [
    "x",
    "X_train",
    "train_images",
    "images",
    "labels",
    "split",
    "user",
    "time",
    "classes",
    "x_val",
    "y_valid",
    "",
]


def mutate_arrays(path: Path, draw: random.Random) -> None:
    """Other types, shapes and values of one or two arrays, or another name."""
    with np.load(path) as held:
        content = dict(held)
    for _ in range(draw.choice([1, 1, 2])):
        key = draw.choice(sorted(content))
        if draw.random() < 0.2:
            content[draw.choice(RENAMED)] = content.pop(key)
        else:
            try:
                with np.errstate(all="ignore"):
                    content[key] = draw.choice(ALTERED)(content[key])
            except (TypeError, ValueError, IndexError):  # a change that this type of array does not know
                continue
    np.savez(path, **content)
