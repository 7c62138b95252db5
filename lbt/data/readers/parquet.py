"""Parquet: one file, or a folder of shards, as on the Hugging Face hub; lbt's own image tables too.

Columns ``image`` (or ``img``: encoded bytes, or a struct with ``bytes``) and ``label`` (null for none), optional
``file`` (else the ``path`` in an image's struct), ``user``, ``time``, ``split``. Class names come from the schema's
``huggingface`` metadata. A shard's split is the first word of its name (``train-00000-of-00002.parquet``) or the name
of its folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lbt import mapped
from lbt.artifacts import cell_size, read_batches, read_images, read_schema, read_table
from lbt.data.columns import column, rows_of
from lbt.data.encoded import decode_set
from lbt.data.listing import SPLIT_NAMES, Decoded, Listing, split_names
from lbt.errors import LbtError, nearest, reading

SUFFIXES = (".parquet", ".pq")
IMAGE, LABEL = ("image", "img"), ("label", "labels")
NOTES = ("file", "user", "time")
BATCH = 256
"""Most encoded images that are read at a time; fewer where they are over :data:`lbt.mapped.PART` bytes."""


def claims(folder: Path) -> bool:
    """True if the folder holds Parquet files."""
    return bool(_shards(folder))


def read(path: Path) -> Listing:
    """The images in a file or in a folder of shards."""
    shards = _shards(path) if path.is_dir() else [path]
    if not shards:
        raise LbtError(f"{path}: no Parquet file in this folder")
    tables = [reading(shard, "Parquet", _without_images) for shard in shards]
    if len(shards) == 1 and b"shape" in (tables[0].schema.metadata or {}):
        return _own(shards[0])
    images: list[tuple[Path, str, int]] = []
    labels: list[object] = []
    splits: list[str | None] = []
    names: list[str] = []
    notes: dict[str, list[Any]] = {}
    classes = _class_names(shards[0], tables[0])
    ignored: set[str] = set()
    bare: list[str] = []
    kind: pa.DataType | None = None
    for shard, table in zip(shards, tables, strict=True):
        held = reading(shard, "Parquet", read_schema)
        image, label = _column(held, IMAGE), _column(table, LABEL)
        if image is None:
            raise LbtError(f"{shard}: no column 'image'; found {', '.join(held.names)}{nearest('image', held.names)}")
        kind = kind or held.field(image).type
        if held.field(image).type != kind:
            raise LbtError(f"{shard}: column {image} is {held.field(image).type}, in {shards[0].name} {kind}")
        if _class_names(shard, table) != classes:
            raise LbtError(f"{shard}: other class names than in {shards[0].name}")
        ignored |= set(held.names) - {image, label, "split", *NOTES}
        bare += [shard.name] if label is None else []
        images.append((shard, image, len(table)))
        labels += table.column(label).to_pylist() if label else [None] * len(table)
        own = table.column("split").to_pylist() if "split" in table.column_names else None
        split = _split_of(shard, path)
        splits += split_names(own, rows_of(shard)) if own else [split] * len(table)
        names += [f"row {row}" if shard == path else f"{shard.name}: row {row}" for row in range(len(table))]
        for name in NOTES:
            notes.setdefault(name, []).extend(_cells(shard, table, name, held.field(image)))
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
            name: column(name, cells, rows_of(path))
            for name, cells in notes.items()
            if any(c is not None for c in cells)
        },
        notes=tuple(told),
    )


def _shards(folder: Path) -> list[Path]:
    return sorted(f for f in folder.rglob("*.parquet") if f.is_file() and not f.name.startswith("."))


def _split_of(shard: Path, root: Path) -> str | None:
    words = [re.split(r"[-_.]", shard.name.lower())[0]]
    words += [part.lower() for part in reversed(shard.relative_to(root).parts[:-1])] if shard != root else []
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)


def _without_images(shard: Path) -> pa.Table:
    """The columns that say what the images are, and the number of rows."""
    wanted = set(read_schema(shard).names) & {*LABEL, "split", *NOTES}
    return read_table(shard, sorted(wanted))


def _column(held: pa.Table | pa.Schema, names: tuple[str, ...]) -> str | None:
    found = held.names if isinstance(held, pa.Schema) else held.column_names
    return next((name for name in names if name in found), None)


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


def _cells(shard: Path, table: pa.Table, name: str, image: pa.Field) -> list[Any]:
    """The cells of a column; file names of the images themselves (``image.path``) where no column ``file`` has them."""
    if name in table.column_names:
        return list(table.column(name).to_pylist())
    if name == "file" and pa.types.is_struct(image.type) and image.type.get_field_index("path") >= 0:
        cells = read_table(shard, [f"{image.name}.path"]).column(0).to_pylist()
        return [None if cell is None else cell["path"] for cell in cells]
    return [None] * len(table)


@dataclass(frozen=True)
class _Cells:
    """The encoded images of shards at the rows ``index`` of all, in rising order; None where there is none."""

    shards: list[tuple[Path, str, int]]
    index: np.ndarray

    def __iter__(self) -> Iterator[bytes | None]:
        first = 0
        for shard, name, count in self.shards:
            start, stop = np.searchsorted(self.index, [first, first + count])
            yield from _encoded(shard, name, self.index[start:stop] - first)
            first += count


def _encoded(shard: Path, name: str, rows: np.ndarray) -> Iterator[bytes | None]:
    """The cells of one shard, read a few at a time."""
    first = 0
    for cells in read_batches(shard, name, max(1, min(BATCH, mapped.PART // cell_size(shard, name)))):
        start, stop = np.searchsorted(rows, [first, first + len(cells)])
        for row in rows[start:stop]:
            cell = cells[int(row) - first].as_py()
            encoded = cell.get("bytes") if isinstance(cell, dict) else cell
            yield encoded if isinstance(encoded, bytes) else None
        first += len(cells)


def _decode(
    path: Path, shards: list[tuple[Path, str, int]], names: list[str], index: np.ndarray, size: int | None
) -> Decoded:
    def read(_: Path) -> Decoded:
        return decode_set(_Cells(shards, index), [names[n] for n in index], size, str(path))

    return reading(shards[0][0], "Parquet", read)


def _own(path: Path) -> Listing:
    """lbt's own image table."""
    images = read_images(path)

    def decode(index: np.ndarray, size: int | None) -> Decoded:
        whole = len(index) == len(images)
        return Decoded(images.pixels if whole else mapped.take(images.pixels, index), np.arange(len(index)))

    splits = images.columns.get("split")
    return Listing(
        where=str(path),
        format="image table of lbt's",
        labels=[None if label < 0 else images.classes[label] for label in images.labels.tolist()],
        decode=decode,
        names=images.classes or None,
        splits=split_names(splits, rows_of(path)) if splits else None,
        columns={name: cells for name, cells in images.columns.items() if name != "split"},
    )
