"""Reading and writing the pipeline's files: Parquet, safetensors, JSON, each with its provenance, each all or nothing.

A writer writes to a temporary name in the same folder and renames, so that an interrupted job leaves nothing
half-written. A reader that meets a truncated, altered or foreign file raises :class:`lbt.errors.LbtError` naming it.
Nothing here is a pickle. The bytes are a pure function of the content and of the provenance: no clock, no host name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lbt.errors import LbtError, reading, told

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

_TEMPORARY = re.compile(r"\..*\.[a-z0-9_]{8}(\.\w+)?")
_PROVENANCE: ContextVar[Mapping[str, Any] | None] = ContextVar("provenance", default=None)


@contextlib.contextmanager
def provenance(record: Mapping[str, Any]) -> Iterator[None]:
    """Artifacts written in this context carry ``record`` (stage, params, code fingerprint, seed, versions)."""
    token = _PROVENANCE.set(record)
    try:
        yield
    finally:
        _PROVENANCE.reset(token)


def made_by() -> str:
    """Fingerprint of the job whose provenance artifacts carry now; empty outside a job."""
    return str((_PROVENANCE.get() or {}).get("fingerprint", ""))


def _provenance_json() -> str:
    return json.dumps(_PROVENANCE.get() or {}, sort_keys=True)


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """A temporary path that becomes ``path`` when the block ends well, and is removed otherwise.

    The bytes are on the disk before the name is, so that a power cut leaves the old file or the new one. A symbolic
    link stays, and the file that it points at is replaced. A device or a pipe gets the bytes copied into it.

    Raises:
        LbtError: ``path`` is a folder, or the system refuses (no permission, disk full); an ``OSError`` in the block is
            told in the same way.
    """
    path = Path(path)
    try:
        found = _stat(path)
        if found is not None and stat.S_ISDIR(found.st_mode):
            raise LbtError(f"{path}: is a folder; accepted: the path of a file to write")
        special = found is not None and not stat.S_ISREG(found.st_mode)
        target = path if special else Path(os.path.realpath(path))
        with _temporary(target, None if special else target.parent) as temporary:
            yield temporary
            if special:
                with temporary.open("rb") as source, target.open("wb") as device:
                    shutil.copyfileobj(source, device)
            else:
                _move(temporary, target)
    except OSError as error:
        raise LbtError(f"{path}: cannot be written: {error.strerror or error}") from error


def _stat(path: Path) -> os.stat_result | None:
    """The state of the file, symbolic links followed; None where there is none."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _temporary(target: Path, folder: Path | None) -> Iterator[Path]:
    """An empty file in ``folder`` (None: the system's) with the suffix of ``target``, removed when the block ends."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=target.suffix, dir=folder)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def remove_temporaries(folder: Path, older: float = 0.0) -> list[Path]:
    """Remove the files that writers which were killed left in ``folder``; return them.

    Args:
        folder: need not exist.
        older: seconds since a file was last changed; a younger one may be in use.
    """
    left = [path for path in folder.glob(".*") if _TEMPORARY.fullmatch(path.name) and _age(path) >= older]
    for path in left:
        path.unlink(missing_ok=True)
    return left


def _age(path: Path) -> float:
    """Seconds since ``path`` was last changed; negative if it is gone."""
    found = _stat(path)
    return time.time() - found.st_mtime if found is not None else -1.0


def _move(temporary: Path, target: Path) -> None:
    """Rename ``temporary`` to ``target``, its bytes on the disk before, and the folder's entry after."""
    temporary.chmod(0o644)
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(target)
    with contextlib.suppress(OSError):  # some systems and network drives cannot synchronise a folder
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---------------------------------------------------------------------------------------------------------------- JSON


def write_json(path: str | Path, values: Mapping[str, Any]) -> None:
    """One flat JSON object with stable, sorted keys. NaN is refused: it is not JSON, and hides a failed computation."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(values, sort_keys=True, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> dict[str, Any]:
    """The object in a JSON file."""
    return _mapping(path, reading(path, "JSON", lambda p: json.loads(p.read_text(encoding="utf-8"))))


def _mapping(where: str | Path, found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise LbtError(f"{where}: found {told(found)}; expected a mapping of keys to values")
    return found


# ------------------------------------------------------------------------------------------------------------- Parquet


def write_table(
    path: str | Path, table: pa.Table | list[dict[str, Any]] | dict[str, Any], rows: int | None = None
) -> None:
    """Write a table (a :class:`pyarrow.Table`, a list of rows, or a mapping of columns) as Parquet.

    Each page carries a checksum, which :func:`read_table` verifies. ``rows`` is the most in a row group.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if isinstance(table, list):
        table = pa.Table.from_pylist(table)
    elif not isinstance(table, pa.Table):
        table = pa.table(table)
    metadata = {**(table.schema.metadata or {}), b"lbt": _provenance_json().encode()}
    with atomic(path) as temporary:
        table = table.replace_schema_metadata(metadata)
        pq.write_table(table, temporary, row_group_size=rows, compression="zstd", write_page_checksum=True)


def read_table(path: str | Path, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file, or some of its columns; no two have the same name, and the checksums of pages are right."""

    def read(file: Path) -> pa.Table:
        import pyarrow.parquet as pq

        read_schema(file)
        with pq.ParquetFile(file, page_checksum_verification=True) as opened:  # `pq.read_table` would import pandas
            return opened.read(columns)

    return reading(path, "Parquet", read)


def read_batches(path: Path, column: str, rows: int) -> Iterator[pa.Array]:
    """A column of a Parquet file, ``rows`` cells at a time, the checksums of pages verified."""
    import pyarrow.parquet as pq

    # With a buffer, and none for whole columns, only what a batch needs is in memory.
    with pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False, buffer_size=1 << 20) as file:
        for batch in file.iter_batches(rows, columns=[column]):
            yield batch.column(0)


def cell_size(path: Path, column: str) -> int:
    """Mean bytes of a cell of ``column``, at least 1, by the file's footer."""
    import pyarrow.parquet as pq

    held = pq.read_metadata(path)
    groups = [held.row_group(number) for number in range(held.num_row_groups)]
    leaves = [group.column(number) for group in groups for number in range(group.num_columns)]
    size = sum(leaf.total_uncompressed_size for leaf in leaves if leaf.path_in_schema.split(".")[0] == column)
    return max(1, size // max(1, held.num_rows))


def read_schema(path: Path) -> pa.Schema:
    """The schema of a Parquet file; no two columns have the same name."""
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    if twice := sorted(name for name, count in Counter(schema.names).items() if count > 1):
        raise LbtError(f"{path}: column {told(twice[0])} is there twice")
    return schema


NOTES = ("file", "user", "time", "split")
"""Columns that may stand beside image and label; each value may be null."""
GROUP = 1 << 24
"""Bytes of pixels in a row group of an image table, which is what writing one keeps in memory."""


@dataclass(frozen=True)
class Images:
    """An image set, labelled or not.

    Attributes:
        pixels: uint8 array of shape (N, H, W, C), C = 1 or 3; a large one lies on the disk (:mod:`lbt.mapped`).
        labels: int64 array of shape (N,), class indices; -1 marks an image without a label.
        classes: the class names, in the order of their indices; empty where nobody named a class.
        columns: any of ``NOTES``, each a list of N values or None: ``file`` and ``user`` names, ``time`` in seconds
            since 1970, ``split`` the user's own (train, validation or test).
    """

    pixels: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    columns: Mapping[str, list[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: np.ndarray | slice) -> Images:
        """The images at ``index``."""
        import numpy as np

        from lbt import mapped

        numbers = np.arange(len(self))[index]
        columns = {name: [values[n] for n in numbers.tolist()] for name, values in self.columns.items()}
        pixels = self.pixels[index] if isinstance(index, slice) else mapped.take(self.pixels, numbers)
        return Images(pixels, self.labels[index], self.classes, columns)


UNKNOWN = -2
"""The label of an image whose class is not among those that are wanted; -1 is that of one without a label."""


def renumber(labels: np.ndarray, classes: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Numbers among ``classes`` as those among ``wanted``: int64 (N,), -1 (no label) stays, others are ``UNKNOWN``."""
    import numpy as np

    number = {name: n for n, name in enumerate(wanted)}
    place = np.array([*(number.get(name, UNKNOWN) for name in classes), -1])  # -1 indexes the last
    chosen: np.ndarray = place[labels]
    return chosen


def numbered(labels: np.ndarray, classes: Sequence[str], network: Sequence[str], where: object) -> np.ndarray:
    """Labels among ``classes`` numbered as the logits of a network of the classes ``network``; ``UNKNOWN`` for others.

    Raises:
        LbtError: none of the classes is the network's; ``where`` names the images.
    """
    if classes and not set(classes) & set(network):
        raise LbtError(
            f"{where}: none of its classes {list(classes)} is one of those of the pretrained network, {list(network)}"
        )
    return renumber(labels, classes, network)


def write_images(path: str | Path, images: Images) -> None:
    """The image table: ``image``, ``label`` (null for none) and any of ``NOTES``, one row an image.

    ``image`` is a fixed-size binary; its shape (H, W, C) and the class names are in the metadata.
    """
    import numpy as np
    import pyarrow as pa

    pixels = np.ascontiguousarray(images.pixels, dtype=np.uint8)
    count, *shape = pixels.shape
    size = int(np.prod(shape))
    array = pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), count, [None, pa.py_buffer(pixels)])
    missing = images.labels < 0
    labels = pa.array(images.labels, pa.int16(), mask=missing if missing.any() else None)
    notes = {name: pa.array(images.columns[name], _kind(name)) for name in NOTES if name in images.columns}
    metadata = {"shape": json.dumps(shape), "classes": json.dumps(list(images.classes))}
    table = pa.table({"image": array, "label": labels, **notes}).replace_schema_metadata(metadata)
    write_table(path, table, rows=max(1, GROUP // max(1, size)))


def _kind(name: str) -> pa.DataType:
    """The type of a column of ``NOTES``."""
    import pyarrow as pa

    return pa.float64() if name == "time" else pa.string()


def read_images(path: str | Path) -> Images:
    """Read what :func:`write_images` wrote."""
    return reading(path, "image table", _read_images)


def _read_images(path: Path) -> Images:
    import numpy as np
    import pyarrow as pa

    from lbt import mapped
    from lbt.progress import track

    schema = read_schema(path)
    metadata = schema.metadata or {}
    if not {b"shape", b"classes"} <= set(metadata) or not {"image", "label"} <= set(schema.names):
        raise LbtError(f"{path}: not an image table: expected columns image and label, and a shape in the metadata")
    shape, classes = _image_shape(path, metadata[b"shape"]), _class_names(path, metadata[b"classes"])
    width, kind = shape[0] * shape[1] * shape[2], schema.field("image").type
    if kind != pa.binary(width):
        raise LbtError(f"{path}: column image is {kind}, but the shape {shape} needs {width} bytes an image")
    beside = [name for name in ("label", *NOTES) if name in schema.names]
    table = read_table(path, beside)
    pixels, start = mapped.empty((len(table), *shape)), 0
    rows = max(1, mapped.PART // width)
    read = read_batches(path, "image", rows)
    for column in track(read, f"reading {path.name}", -(-len(table) // rows)) if pixels.nbytes > mapped.LARGE else read:
        if column.null_count:
            first = start + int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
            raise LbtError(f"{path}: column image: row {first} is null; accepted: an image in each row")
        flat = np.frombuffer(column.buffers()[1] or b"", np.uint8)[column.offset * width :][: len(column) * width]
        pixels[start : start + len(column)] = flat.reshape(len(column), *shape)
        start += len(column)
    labels = _labels(path, table.column("label"), len(classes))
    notes = {name: _notes(path, table.column(name), name) for name in NOTES if name in table.column_names}
    return Images(pixels, labels, classes, notes)


def _notes(path: Path, column: pa.ChunkedArray, name: str) -> list[Any]:
    if column.type != _kind(name):
        raise LbtError(f"{path}: column {name} is {column.type}; accepted: {_kind(name)}")
    return column.to_pylist()


def _image_shape(path: Path, text: bytes) -> list[int]:
    shape = json.loads(text)
    whole = isinstance(shape, list) and len(shape) == 3 and all(type(n) is int and 1 <= n <= 65536 for n in shape)
    if not whole or shape[2] not in (1, 3):
        found = told(shape)
        raise LbtError(f"{path}: metadata: shape: found {found}; accepted: [height, width, channels], 1 or 3 channels")
    return shape


def _class_names(path: Path, text: bytes) -> tuple[str, ...]:
    names = json.loads(text)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise LbtError(f"{path}: metadata: classes: found {told(names)}; accepted: a list of different names")
    return tuple(names)


def _labels(path: Path, column: pa.ChunkedArray, classes: int) -> np.ndarray:
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_integer(column.type):
        raise LbtError(f"{path}: column label: found {column.type}; accepted: whole numbers, null for none")
    known, labels = np.ones(len(column), bool), np.empty(len(column), column.type.to_pandas_dtype())
    start = 0
    for chunk in column.chunks:  # from their memory: PyArrow's conversions load pandas
        part = slice(start, start := start + len(chunk))
        labels[part] = np.frombuffer(chunk.buffers()[1] or b"", labels.dtype)[chunk.offset :][: len(chunk)]
        if chunk.null_count:
            known[part] = chunk.is_valid().to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(known & ((labels < -1) | (labels >= classes)))
    if wrong.size:
        found = f"row {wrong[0]}: found {labels[wrong[0]]}"
        accepted = f"a class from 0 to {classes - 1}" if classes else "nothing else: no class has a name"
        raise LbtError(f"{path}: column label: {found}; accepted: null or -1 for none, or {accepted}")
    numbers = labels.astype(np.int64)
    numbers[~known] = -1
    return numbers


# --------------------------------------------------------------------------------------------------------- safetensors


def write_tensors(
    path: str | Path, tensors: Mapping[str, torch.Tensor], extra: Mapping[str, Any] | None = None
) -> None:
    """Tensors as safetensors. ``extra`` (JSON-able) travels in the header, readable through :func:`read_tensors`.

    All metadata is one JSON string: safetensors does not keep the order of several keys, and the bytes must be stable.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    metadata = {"lbt": json.dumps({"provenance": _PROVENANCE.get() or {}, "extra": dict(extra or {})}, sort_keys=True)}
    with atomic(path) as temporary:
        try:
            save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, temporary, metadata)
        except SafetensorError as error:  # the system's refusal, such as a full disk
            raise OSError(str(error)) from error


def read_tensors(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and the ``extra`` mapping of a safetensors file that :func:`write_tensors` wrote."""
    from safetensors import safe_open

    def read(p: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        with safe_open(p, framework="pt") as file:
            metadata = file.metadata() or {}
            header = _mapping(f"{p}: header", json.loads(metadata.get("lbt", "{}")))
            extra = _mapping(f"{p}: header: extra", header.get("extra", {}))
            return {name: file.get_tensor(name) for name in file.keys()}, extra  # noqa: SIM118 (not a mapping)

    return reading(path, "safetensors", read)
