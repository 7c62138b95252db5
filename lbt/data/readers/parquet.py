"""Parquet: one file, or a folder of shards, as on the Hugging Face hub; lbt's own image tables too.

Columns ``image`` (or ``img``: encoded bytes, or a struct with ``bytes``) and ``label`` (null for none), optional
``file`` (else the ``path`` in an image's struct), ``user``, ``time``, ``split``. Class names come from the schema's
``huggingface`` metadata. A shard's split is the first word of its name (``train-00000-of-00002.parquet``) or the name
of its folder.
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lbt.artifacts import read_images, read_table
from lbt.data.columns import column
from lbt.data.encoded import decode
from lbt.data.listing import SPLIT_NAMES, Decoded, Listing, split_name
from lbt.errors import LbtError, nearest

SUFFIXES = (".parquet", ".pq")
IMAGE, LABEL = ("image", "img"), ("label", "labels")
NOTES = ("file", "user", "time")


def claims(folder: Path) -> bool:
    """True if the folder holds Parquet files."""
    return bool(_shards(folder))


def read(path: Path) -> Listing:
    """The images in a file or in a folder of shards."""
    shards = _shards(path) if path.is_dir() else [path]
    if not shards:
        raise LbtError(f"{path}: no Parquet file in this folder")
    tables = [read_table(shard) for shard in shards]
    if len(shards) == 1 and b"shape" in (tables[0].schema.metadata or {}):
        return _own(shards[0])
    images: list[pa.ChunkedArray] = []
    labels: list[object] = []
    splits: list[str | None] = []
    names: list[str] = []
    notes: dict[str, list[Any]] = {}
    classes = _class_names(shards[0], tables[0])
    ignored: set[str] = set()
    bare: list[str] = []
    for shard, table in zip(shards, tables, strict=True):
        image, label = _column(table, IMAGE), _column(table, LABEL)
        if image is None:
            found = ", ".join(table.column_names)
            raise LbtError(f"{shard}: no column 'image'; found {found}{nearest('image', table.column_names)}")
        if images and table.column(image).type != images[0].type:
            raise LbtError(
                f"{shard}: column {image} is {table.column(image).type}, in {shards[0].name} {images[0].type}"
            )
        if _class_names(shard, table) != classes:
            raise LbtError(f"{shard}: other class names than in {shards[0].name}")
        ignored |= set(table.column_names) - {image, label, "split", *NOTES}
        bare += [shard.name] if label is None else []
        images.append(table.column(image))
        labels += table.column(label).to_pylist() if label else [None] * len(table)
        own = table.column("split").to_pylist() if "split" in table.column_names else None
        split = _split_of(shard, path)
        splits += [split_name(word, str(shard)) for word in own] if own else [split] * len(table)
        names += [f"row {row}" if shard == path else f"{shard.name}: row {row}" for row in range(len(table))]
        for name in NOTES:
            notes.setdefault(name, []).extend(_cells(table, name, image))
    told = []
    if bare:
        told.append(f"{path}: no column 'label' in {', '.join(bare[:3])}: images without labels")
    if ignored:
        told.append(f"{path}: columns that are not read: {', '.join(sorted(ignored))}")
    return Listing(
        where=str(path),
        format="Parquet" + (f", {len(shards)} shards" if len(shards) > 1 else ""),
        labels=labels,
        decode=partial(_decode, path, images, names),
        names=classes,
        splits=splits if any(splits) else None,
        columns={
            name: column(name, cells, str(path)) for name, cells in notes.items() if any(c is not None for c in cells)
        },
        notes=tuple(told),
    )


def _shards(folder: Path) -> list[Path]:
    return sorted(f for f in folder.rglob("*.parquet") if f.is_file() and not f.name.startswith("."))


def _split_of(shard: Path, root: Path) -> str | None:
    words = [re.split(r"[-_.]", shard.name.lower())[0]]
    words += [part.lower() for part in reversed(shard.relative_to(root).parts[:-1])] if shard != root else []
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)


def _column(table: pa.Table, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in table.column_names), None)


def _class_names(path: Path, table: pa.Table) -> tuple[str, ...] | None:
    """The names in the schema's ``huggingface`` metadata, for the column that holds the labels."""
    try:
        held = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
        feature = held.get("info", {}).get("features", {}).get(_column(table, LABEL) or "", {})
        names = feature.get("names") if isinstance(feature, dict) else None
    except (ValueError, AttributeError, RecursionError):
        raise LbtError(f"{path}: metadata: huggingface: not the JSON of a schema") from None
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise LbtError(f"{path}: metadata: huggingface: names of the label: accepted: a list of text")
    return tuple(names) if names else None


def _cells(table: pa.Table, name: str, image: str) -> list[Any]:
    """The cells of a column; file names of the images themselves (``image.path``) where no column ``file`` has them."""
    if name in table.column_names:
        return list(table.column(name).to_pylist())
    kind = table.column(image).type
    if name == "file" and pa.types.is_struct(kind) and kind.get_field_index("path") >= 0:
        return list(pc.struct_field(table.column(image), "path").to_pylist())
    return [None] * len(table)


def _decode(
    path: Path, images: list[pa.ChunkedArray], names: list[str], index: np.ndarray, size: int | None
) -> Decoded:
    cells = pa.chunked_array([chunk for column in images for chunk in column.chunks], images[0].type)
    return decode([partial(_bytes, cells, int(n)) for n in index], [names[n] for n in index], size, str(path))


def _bytes(cells: pa.ChunkedArray, row: int) -> bytes | None:
    cell = cells[row].as_py()
    encoded = cell.get("bytes") if isinstance(cell, dict) else cell
    return encoded if isinstance(encoded, bytes) else None


def _own(path: Path) -> Listing:
    """lbt's own image table."""
    images = read_images(path)

    def decode(index: np.ndarray, size: int | None) -> Decoded:
        return Decoded(images.pixels[index], np.arange(len(index)))

    splits = images.columns.get("split")
    return Listing(
        where=str(path),
        format="image table of lbt's",
        labels=[None if label < 0 else images.classes[label] for label in images.labels.tolist()],
        decode=decode,
        names=images.classes or None,
        splits=[split_name(word, str(path)) for word in splits] if splits else None,
        columns={name: cells for name, cells in images.columns.items() if name != "split"},
    )
