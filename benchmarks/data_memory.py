"""Memory that large sets need: 200,000 images of 32×32 in colour (614 MB of pixels), and 5,000 of 224×224 (753 MB).

    python benchmarks/data_memory.py [--quick] [--kind mat …] [--json FILE]

Each row is from a process of its own. ``peak`` is the most anonymous memory that it held, which the system cannot drop;
pages of files that are mapped (:mod:`lbt.mapped`) are not in it, since the system drops them when it needs the room.
``above_small`` is what it held above the same work on 1,000 images (25), and ``bytes_an_image`` that by image: an image
of 32×32 has 3,072 bytes of pixels, which are 12,288 as a network's input. libsvm text has a tenth of the images, in
grey. n = 1: numbers vary by a few MB.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

COUNT, QUICK, SMALL, SIDE, UNIQUE = 200_000, 10_000, 1_000, 32, 500
PHOTO = 224
"""Side of a photo."""
SHARES = {"photos": 40, "libsvm": 10}
"""Images for which there is one of these kinds; 1 for the others."""
MIB = 1 << 20


def pixels(count: int, side: int = SIDE) -> np.ndarray:
    """Noise, uint8 (UNIQUE, side, side, 3); the images of a set are these, again and again."""
    return np.random.default_rng(0).integers(0, 256, (min(count, UNIQUE), side, side, 3), dtype=np.uint8)


def encoded(count: int, side: int = SIDE, kind: str = "PNG") -> list[bytes]:
    from PIL import Image

    files = []
    for image in pixels(count, side):
        file = io.BytesIO()
        Image.fromarray(image).save(file, kind)
        files.append(file.getvalue())
    return files


def make_npy(count: int) -> str:
    some = pixels(count)
    whole = np.lib.format.open_memmap("mine.npy", "w+", np.uint8, (count, SIDE, SIDE, 3))
    for start in range(0, count, len(some)):
        whole[start : start + len(some)] = some[: count - start]
    np.save("mine_labels.npy", np.arange(count) % 10)
    return "mine.npy"


def make_npz(count: int) -> str:
    make_npy(count)
    np.savez("mine.npz", images=np.load("mine.npy", mmap_mode="r"), labels=np.arange(count) % 10)
    return "mine.npz"


def make_mat(count: int) -> str:
    from scipy.io import savemat

    make_npy(count)
    images, labels = np.load("mine.npy", mmap_mode="r"), np.arange(count) % 10
    savemat("mine.mat", {"X": images.transpose(1, 2, 3, 0), "y": labels[:, None]}, do_compression=True)
    return "mine.mat"


def make_h5(count: int) -> str:
    import h5py

    make_npy(count)
    with h5py.File("mine.h5", "w") as file:
        images = np.load("mine.npy", mmap_mode="r")
        file.create_dataset("images", data=images, chunks=(min(64, count), SIDE, SIDE, 3), compression="gzip")
        file["labels"] = np.arange(count) % 10
    return "mine.h5"


def make_libsvm(count: int) -> str:
    rows = pixels(count)[..., 0].reshape(-1, SIDE * SIDE).clip(1)
    lines = [" ".join(f"{place}:{value}" for place, value in enumerate(row, 1)) for row in rows.tolist()]
    with Path("mine.libsvm").open("w", encoding="ascii") as file:
        for number in range(count):
            file.write(f"{number % 10} {lines[number % len(lines)]}\n")
    return "mine.libsvm"


def make_parquet(count: int) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    files, schema = encoded(count), pa.schema({"image": pa.binary(), "label": pa.int64()})
    with pq.ParquetWriter("mine.parquet", schema) as writer:
        for start in range(0, count, 5000):
            numbers = range(start, min(start + 5000, count))
            cells = {"image": [files[n % len(files)] for n in numbers], "label": [n % 10 for n in numbers]}
            writer.write_table(pa.table(cells, schema))
    return "mine.parquet"


def make_folder(count: int, side: int = SIDE, kind: str = "PNG") -> str:
    files, suffix = encoded(count, side, kind), kind.lower()
    for number, content in enumerate(files):
        Path(f"{number}.{suffix}").write_bytes(content)
    for label in range(10):
        Path("mine", str(label)).mkdir(parents=True)
    for number in range(count):
        os.link(f"{number % len(files)}.{suffix}", f"mine/{number % 10}/{number:06}.{suffix}")
    return "mine"


def make_photos(count: int) -> str:
    return make_folder(count, PHOTO, "JPEG")


KINDS: dict[str, Callable[[int], str]] = {
    "npy": make_npy, "npz": make_npz, "mat": make_mat, "h5": make_h5, "libsvm": make_libsvm, "parquet": make_parquet,
    "folder": make_folder, "photos": make_photos,
}  # fmt: skip


def prepare(path: str) -> None:
    """The data stage on ``path``."""
    from lbt.data.params import DataParams
    from lbt.data.stage import Inputs, Outputs, run

    kind = "folder" if Path(path).is_dir() else "arrays"
    files = {name: Path(f"{name}.parquet") for name in ("train", "validation", "test")}
    size = PHOTO if next(Path(path).rglob("*.jpeg"), None) else None
    params = DataParams.model_validate({"domains": {"mine": {"kind": kind, "path": path, "size": size}}})
    run(params, Inputs(domain="mine"), Outputs(**files, sheet=Path("sheet.png")))


def train(path: str) -> None:
    """What a training does with the set: a hundred augmented batches, and each image once."""
    from lbt.train.batches import draw, read_examples

    examples = read_examples(Path("train.parquet"), 3, SIDE, "train")
    for step in range(100):
        draw(examples, 64, 0, step, "affine")
    for start in range(0, len(examples), 256):
        examples.images[start : start + 256].mean()


WORK = {"prepare": prepare, "train": train}


def works(kind: str) -> list[str]:
    """The works that a kind is measured with: all kinds become one table, so that training on one shows them all."""
    return list(WORK) if kind == "npy" else ["prepare"]


def peak(work: str, path: str) -> int:
    """Largest anonymous memory, in bytes, of a process that does ``work``."""
    command = [sys.executable, str(Path(__file__).resolve()), "--work", work, path]
    most = 0
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            most = max(most, _anonymous(process.pid))
            try:
                process.wait(0.01)
            except subprocess.TimeoutExpired:
                continue
        if process.returncode:
            raise RuntimeError((process.stderr.read() if process.stderr else b"").decode()[-2000:])
    return most


def _anonymous(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def measured(kind: str, count: int) -> dict[str, int]:
    """Peak of each work on ``count`` images of a kind."""
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            path = KINDS[kind](count)
            return {work: peak(work, path) for work in works(kind)}
        finally:
            os.chdir(home)


def rows(count: int, kinds: Iterable[str]) -> list[dict[str, Any]]:
    found = []
    for kind in kinds:
        share, side, channels = SHARES.get(kind, 1), PHOTO if kind == "photos" else SIDE, 1 if kind == "libsvm" else 3
        number = count // share
        small, large = measured(kind, SMALL // share), measured(kind, number)
        found.append(row(f"{kind}/images", number, "images"))
        found.append(row(f"{kind}/side", side, "pixels"))
        found.append(row(f"{kind}/pixels", number * side * side * channels / MIB, "MiB"))
        for work in works(kind):
            above = large[work] - small[work]
            values = [("peak", large[work] / MIB, "MiB"), ("above_small", above / MIB, "MiB")]
            values.append(("bytes_an_image", above / number, "bytes"))
            for name, value, unit in values:
                found.append(row(f"{kind}/{work}/{name}", value, unit))
            print(f"{kind:<9}{work:<9}" + "".join(f"{value:>10.1f} {unit}" for _, value, unit in values), flush=True)
    return found


def row(name: str, value: float, unit: str) -> dict[str, Any]:
    return {"name": f"data_memory/{name}", "value": round(value, 1), "unit": unit, "n": 1}


def joined(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of both, in the order of the kinds; those of a kind that was measured anew are replaced."""
    fresh = {_kind(row) for row in new}
    kept = [row for row in old if _kind(row) not in fresh]
    return sorted([*kept, *new], key=lambda row: list(KINDS).index(_kind(row)))


def _kind(row: dict[str, Any]) -> str:
    return str(row["name"]).split("/")[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} images instead of {COUNT:,}")
    parser.add_argument(
        "--kind", action="append", choices=list(KINDS), help="this kind alone; may be repeated; a file keeps the others"
    )
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work, path = options.work
        return WORK[work](path)
    found = rows(QUICK if options.quick else COUNT, options.kind or KINDS)
    if options.json and options.kind and options.json.is_file():
        found = joined(json.loads(options.json.read_text(encoding="utf-8")), found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return None


if __name__ == "__main__":
    main()
