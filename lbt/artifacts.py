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
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lbt.errors import LbtError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

_PROVENANCE: ContextVar[Mapping[str, Any] | None] = ContextVar("provenance", default=None)


@contextlib.contextmanager
def provenance(record: Mapping[str, Any]) -> Iterator[None]:
    """Artifacts written in this context carry ``record`` (stage, params, code fingerprint, seed, versions)."""
    token = _PROVENANCE.set(record)
    try:
        yield
    finally:
        _PROVENANCE.reset(token)


def _provenance_json() -> str:
    return json.dumps(_PROVENANCE.get() or {}, sort_keys=True)


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that becomes ``path`` when the block ends well, and is removed otherwise."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reading(path: str | Path, kind: str, read: Callable[[Path], Any]) -> Any:
    path = Path(path)
    if not path.is_file():
        raise LbtError(f"{path}: no such file")
    try:
        return read(path)
    except LbtError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise LbtError(f"{path}: not a readable {kind} file (truncated or altered?): {reason}") from None


# ---------------------------------------------------------------------------------------------------------------- JSON


def write_json(path: str | Path, values: Mapping[str, Any]) -> None:
    """One flat JSON object with stable, sorted keys. NaN is refused: it is not JSON, and hides a failed computation."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(values, sort_keys=True, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> dict[str, Any]:
    """The object in a JSON file."""
    return _reading(path, "JSON", lambda p: json.loads(p.read_text(encoding="utf-8")))


# ------------------------------------------------------------------------------------------------------------- Parquet


def write_table(path: str | Path, table: pa.Table | list[dict[str, Any]] | dict[str, Any]) -> None:
    """Write a table (a :class:`pyarrow.Table`, a list of rows, or a mapping of columns) as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if isinstance(table, list):
        table = pa.Table.from_pylist(table)
    elif not isinstance(table, pa.Table):
        table = pa.table(table)
    metadata = {**(table.schema.metadata or {}), b"lbt": _provenance_json().encode()}
    with atomic(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")


def read_table(path: str | Path) -> pa.Table:
    """Read a Parquet file."""
    import pyarrow.parquet as pq

    return _reading(path, "Parquet", pq.read_table)


@dataclass(frozen=True)
class Images:
    """A labelled image set.

    Attributes:
        pixels: uint8 array of shape (N, H, W, C), C = 1 or 3.
        labels: int64 array of shape (N,), class indices; -1 marks an image without a label.
        classes: the class names, in the order of their indices.
    """

    pixels: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


def write_images(path: str | Path, images: Images) -> None:
    """Images as Parquet: one fixed-size binary per image, its shape (H, W, C) and the class names in the metadata."""
    import numpy as np
    import pyarrow as pa

    pixels = np.ascontiguousarray(images.pixels, dtype=np.uint8)
    count, *shape = pixels.shape
    size = int(np.prod(shape))
    array = pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), count, [None, pa.py_buffer(pixels)])
    table = pa.table({"image": array, "label": pa.array(images.labels, pa.int16())})
    metadata = {"shape": json.dumps(shape), "classes": json.dumps(list(images.classes))}
    write_table(path, table.replace_schema_metadata(metadata))


def read_images(path: str | Path) -> Images:
    """Read what :func:`write_images` wrote."""
    import numpy as np
    import pyarrow as pa

    table = read_table(path)
    metadata = table.schema.metadata or {}
    if not {b"shape", b"classes"} <= set(metadata) or not {"image", "label"} <= set(table.column_names):
        raise LbtError(f"{path}: not an image table: expected columns image and label, and a shape in the metadata")
    shape = json.loads(metadata[b"shape"])
    column = table.column("image").combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    width = int(np.prod(shape))
    if column.type != pa.binary(width):
        raise LbtError(f"{path}: column image is {column.type}, but the shape {shape} needs {width} bytes an image")
    flat = np.frombuffer(column.buffers()[1] or b"", np.uint8)[column.offset * width :][: len(column) * width]
    labels = table.column("label").to_numpy().astype(np.int64)
    return Images(flat.reshape(len(column), *shape).copy(), labels, tuple(json.loads(metadata[b"classes"])))


# --------------------------------------------------------------------------------------------------------- safetensors


def write_tensors(
    path: str | Path, tensors: Mapping[str, torch.Tensor], extra: Mapping[str, Any] | None = None
) -> None:
    """Tensors as safetensors. ``extra`` (JSON-able) travels in the header, readable through :func:`read_tensors`.

    All metadata is one JSON string: safetensors does not keep the order of several keys, and the bytes must be stable.
    """
    from safetensors.torch import save_file

    metadata = {"lbt": json.dumps({"provenance": _PROVENANCE.get() or {}, "extra": dict(extra or {})}, sort_keys=True)}
    with atomic(path) as temporary:
        save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, temporary, metadata)


def read_tensors(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and the ``extra`` mapping of a safetensors file that :func:`write_tensors` wrote."""
    from safetensors import safe_open

    def read(p: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        with safe_open(p, framework="pt") as file:
            metadata = file.metadata() or {}
            extra = json.loads(metadata.get("lbt", "{}")).get("extra", {})
            return {name: file.get_tensor(name) for name in file.keys()}, extra  # noqa: SIM118 (not a mapping)

    return _reading(path, "safetensors", read)
