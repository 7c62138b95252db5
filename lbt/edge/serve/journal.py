"""Files of a loop that must survive a power cut: a checkpoint, a journal of what came since, and the answers.

``answers.jsonl``: an object a line for each image. ``journal-N``: records of the batches after step N of the
checkpoint. A record is eight bytes, its length; its SHA-256; and its content. One that a kill cut off was never acted
upon, and is dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lbt.edge.serve.sources import Arrival
from lbt.errors import LbtError

HEAD, DIGEST = 8, 32


class Appended:
    """A file to which whole pieces are added, each on the disk before the call returns.

    A piece that does not get there whole is taken back.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, piece: bytes) -> None:
        """Add ``piece``.

        Raises:
            OSError: the disk is full, or the like; the file is as it was.
        """
        fresh = not self.path.exists()
        with self.path.open("ab") as file:
            size = file.tell()
            try:
                file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise
        if fresh:
            _sync_folder(self.path.parent)

    def cut(self, size: int) -> None:
        """Drop what is behind the first ``size`` bytes."""
        if self.path.exists() and self.path.stat().st_size > size:
            with self.path.open("r+b") as file:
                file.truncate(size)
                os.fsync(file.fileno())


class Journal(Appended):
    """Batches of arrivals."""

    def record(self, batch: list[Arrival]) -> None:
        """Keep a batch; raises ``OSError``, see :meth:`Appended.add`."""
        head = [{"name": one.name, "bytes": len(one.content), "fault": one.fault} for one in batch]
        content = json.dumps(head).encode() + b"\n" + b"".join(one.content for one in batch)
        self.add(len(content).to_bytes(HEAD, "big") + hashlib.sha256(content).digest() + content)

    def batches(self) -> Iterator[list[Arrival]]:
        """The batches that were kept; a last one that is cut off is removed from the file."""
        data = self.path.read_bytes() if self.path.exists() else b""
        place = 0
        while place < len(data):
            start = place + HEAD + DIGEST
            end = start + int.from_bytes(data[place : place + HEAD], "big")
            content = data[start:end]
            if end > len(data) or hashlib.sha256(content).digest() != data[place + HEAD : start]:
                break
            yield _batch(content)
            place = end
        self.cut(place)


class Answers(Appended):
    """Answers, an object a line."""

    def read(self) -> list[dict[str, Any]]:
        """All of them; a last line that is cut off is removed from the file.

        Raises:
            LbtError: a line before the last is none of ours.
        """
        data = self.path.read_bytes() if self.path.exists() else b""
        whole = data.rfind(b"\n") + 1
        self.cut(whole)
        found = []
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            try:
                found.append(json.loads(line))
            except ValueError:
                raise LbtError(f"{self.path}: line {number} is no answer: altered?") from None
        return found

    def tell(self, answers: list[dict[str, Any]]) -> None:
        """Add lines; raises ``OSError``, see :meth:`Appended.add`."""
        self.add(b"".join(json.dumps(answer).encode() + b"\n" for answer in answers))


def _batch(content: bytes) -> list[Arrival]:
    head, _, rest = content.partition(b"\n")
    found = []
    for one in json.loads(head):
        found.append(Arrival(one["name"], rest[: one["bytes"]], one["fault"]))
        rest = rest[one["bytes"] :]
    return found


def _sync_folder(folder: Path) -> None:
    """Put a new name on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
