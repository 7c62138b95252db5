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
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from scipy.io import savemat, wavfile

from lbt.data import readers
from lbt.data.look import describe, look, save_sheet
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


def use_tree(path: Path) -> None:
    """Read the folder beside ``path`` as ``lbt look`` does, with the options that the file holds."""
    seen = look(PHOTOS.absolute(), json.loads(path.read_text(encoding="utf-8"))["options"])
    list(describe(seen))
    save_sheet(seen, Path("sheet.png"))


def use_folder(path: Path) -> None:
    """Read the folder beside ``path`` as the data stage does."""
    use(PHOTOS.absolute())


def make_folder(path: Path, photos: Path = PHOTOS) -> None:
    """A folder for each of two classes."""
    _make([f"{shape}/{n}.png" for shape in ("cup", "mug") for n in range(COUNT // 2)], _png, path, photos)


def make_layouts(path: Path) -> None:
    """A folder for each of three users, with one for each class."""
    names = [f"{user}/{shape}/{n}.png" for user in ("ann", "ben", "u3") for shape in ("cup", "mug") for n in range(4)]
    _make(names, _png, path, PHOTOS)


def make_names(path: Path) -> None:
    """Files whose names hold label, user and number."""
    _make([f"{n % 2}_{('ann', 'ben', 'eve')[n % 3]}_{n}.png" for n in range(COUNT)], _png, path, PHOTOS)


def make_wav(path: Path) -> None:
    """Recordings in a folder for each of two classes."""
    _make([f"{('one', 'two')[n % 2]}/{n}.wav" for n in range(COUNT // 2)], _tone, path, PHOTOS)


def _make(names: list[str], content: Callable[[int], bytes], path: Path, photos: Path) -> None:
    for number, name in enumerate(names):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(content(number))
    path.write_text(json.dumps({"options": {}}), encoding="utf-8")


def _png(number: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS[number]).save(file, "PNG")
    return file.getvalue()


def _tone(number: int) -> bytes:
    file = io.BytesIO()
    wavfile.write(file, 8000, (9000 * np.sin(np.arange(1200) * (number + 1) / 40)).astype(np.int16))
    return file.getvalue()


LAYOUTS: list[Any] = [
    *("user/class", "class/user", "class", "user", "split/class", "user/split/class", "class/split", "split/user"),
    *("", "/", "user/user", "people", "user/class/split", "USER/CLASS", "user//class", 3, ["user"], None),
]
PATTERNS: list[Any] = [
    *(
        "{label}_{user}_{index}",
        "{label}_{user}",
        "{user}_{n}",
        "{label}_{rest}",
        "{split}_{user}_{n}",
        "{time}_{x}_{n}",
    ),
    *(
        "{label}",
        "{label}{user}",
        "{label",
        "}{",
        "",
        "plain",
        "{label}_{label}",
        "(.*)_{label}",
        "{0}_{label}",
        3,
        None,
    ),
]
OPTIONS: dict[str, list[Any]] = {
    "layout": LAYOUTS,
    "name": PATTERNS,
    "classes": [["cup", "mug"], ["mug"], ["cup", "cup"], ["0", "1"], ["plate", "cup"], "cup", []],
    "split_by": ["user", "time", "image", "hour", None],
    "size": [8, 64, 7, 513, -1, 1.5, "x", None],
    "max_skipped": [0, 0.5, 1, -1, float("nan"), "x"],
}
"""Keys of a domain, and values that are right or wrong for one."""


def mutate_tree(
    scramble: Callable[[bytes, random.Random], bytes], likely: tuple[str, ...] = ()
) -> Callable[[Path, random.Random], None]:
    """Up to four changes of the tree, by the names of :data:`CHANGES`, and up to two options.

    Args:
        scramble: changes bytes.
        likely: options that are given in most inputs; none at all for a kind without.
    """

    def mutate(path: Path, draw: random.Random) -> None:
        done = []
        for _ in range(draw.choice([0, 1, 1, 2, 4] if likely else [1, 1, 2, 4])):
            name = draw.choice(sorted(CHANGES))
            files = sorted(file for file in PHOTOS.rglob("*") if file.is_file())
            if files:
                CHANGES[name](draw.choice(files), draw, scramble)
                done.append(name)
        keys = [draw.choice([*likely, *likely, *OPTIONS]) for _ in range(draw.choice([1, 1, 2]))] if likely else []
        options = {key: draw.choice(OPTIONS[key]) for key in keys}
        path.write_text(json.dumps({"changes": done, "options": options}), encoding="utf-8")

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


STEMS = [
    "1_ann",
    "1__2",
    "_",
    "__",
    "1_ann_x",
    "1_ann_3_4",
    "-1_ann_3",
    "nan_ann_5",
    "1_" + "a_" * 90,
    "{label}_a_1",
    "ü_ö_1",
]
"""Names that are nearly like a pattern."""


def _riff(file: Path, draw: random.Random, scramble: Callable[[bytes, random.Random], bytes]) -> None:
    """Another value in one field of a recording's header."""
    content = bytearray(file.read_bytes())
    if content[:4] != b"RIFF" or len(content) < 44:
        return
    place, form = draw.choice(
        [(4, "<I"), (16, "<I"), (20, "<H"), (22, "<H"), (24, "<I"), (28, "<I"), (32, "<H"), (34, "<H"), (40, "<I")]
    )
    value = draw.choice([0, 1, 2, 3, 7, 8, 16, 24, 32, 64, 0xFFFE, 0xFFFF, 2**31, 2**32 - 1, 8000, 44_100])
    struct.pack_into(form, content, place, value % 2 ** (8 * struct.calcsize(form)))
    file.write_bytes(content)


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
    "renamed": lambda f, draw, _: _moved(f, f.with_name(draw.choice(STEMS) + f.suffix)),
    "riff": _riff,
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


CELLS = [
    "0",
    "1",
    "-1",
    "nan",
    "inf",
    "1e400",
    "0.5",
    "1e9",
    "x",
    "",
    "1:1",
    "2:",
    ":3",
    "0:5",
    "99999999:1",
    "qid:3",
    "# x",
]


def mutate_libsvm(scramble: Callable[[bytes, random.Random], bytes]) -> Callable[[Path, random.Random], None]:
    """Other words in the text, or lines that are left out or doubled; now and then other bytes, packed or not.

    The text is packed anew: any change of packed bytes contradicts their checksum.
    """

    def mutate(path: Path, draw: random.Random) -> None:
        lines = bz2.decompress(path.read_bytes()).decode().split("\n")
        for _ in range(draw.choice([1, 1, 3])):
            number = draw.randrange(len(lines))
            words = lines[number].split(" ")
            place = draw.choice([0, 0, draw.randrange(len(words))])
            change = draw.choice(["word", "word", "value", "drop", "less", "double", "blank"])
            if change == "word":
                words[place] = draw.choice(CELLS)
            elif change == "value" and ":" in words[place]:
                words[place] = f"{words[place].partition(':')[0]}:{draw.choice(CELLS)}"
            elif change == "drop":
                del words[place]
            elif change == "less":
                del lines[number + 1 :]
            elif change == "double":
                lines.append(lines[number])
            lines[number] = "" if change == "blank" else " ".join(words)
        text = "\n".join(lines).encode()
        if draw.random() < 0.1:
            text = scramble(text, draw)
        packed = bz2.compress(text)
        path.write_bytes(scramble(packed, draw) if draw.random() < 0.1 else packed)

    return mutate


def make_idx(path: Path) -> None:
    for file, array in ((path, PIXELS), (path.with_name(path.name.replace("images-idx3", "labels-idx1")), LABELS)):
        head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        file.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))


def mutate_idx(scramble: Callable[[bytes, random.Random], bytes]) -> Callable[[Path, random.Random], None]:
    """Other bytes of the images or the labels, most of them in what is packed, and many in the header."""

    def mutate(path: Path, draw: random.Random) -> None:
        labels = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
        file = draw.choice([path, path, labels])
        if draw.random() < 0.1:
            file.unlink() if file == labels else file.write_bytes(scramble(file.read_bytes(), draw))
            return
        content = bytearray(gzip.decompress(file.read_bytes()))
        if draw.random() < 0.2:
            content = bytearray(scramble(bytes(content), draw))
        elif content:
            for _ in range(draw.choice([1, 2, 20])):
                content[draw.randrange(len(content) if draw.random() < 0.7 else 16)] = draw.choice(
                    [0, 1, 2, 9, 127, 255]
                )
        file.write_bytes(draw.choice([gzip.compress, gzip.compress, bytes])(bytes(content)))

    return mutate


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
