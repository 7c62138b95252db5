"""Images as they arrive: files that appear in a folder, or frames on a pipe."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from lbt.data.encoded import why_not
from lbt.errors import LbtError, warn

LONGEST_FRAME = 64 * 1024 * 1024
"""Bytes of a frame; a longer one is no image, but a stream that lost its place."""


@dataclass(frozen=True)
class Arrival:
    """An encoded image, its name, and why it cannot be read where that is known already."""

    name: str
    content: bytes
    fault: str = ""


class Source(Protocol):
    """Batches of arrivals; the last one of a stream may be smaller, and so may one that waited for long enough."""

    def batches(self, size: int, answered: Collection[str]) -> Iterator[list[Arrival]]:
        """Batches of ``size``, without the names in ``answered``."""


class Folder:
    """The files of a folder and of those below it, each once, in the order of their names among those that are there.

    A file is taken when its size and time are the same in two looks, so that one which is still written is left alone.
    Order and rest depend on no clock. Hidden files are nobody's images.

    Args:
        path: the folder.
        once: end when every file is answered, instead of waiting for more.
        every: seconds between two looks.
        patience: looks without a new file after which a batch that is not full is answered.

    Raises:
        LbtError: there is no such folder.
    """

    def __init__(self, path: Path, once: bool = False, every: float = 1.0, patience: int = 2) -> None:
        if not path.is_dir():
            raise LbtError(f"{path}: no such folder; accepted: a folder in which images appear, or - for a pipe")
        self.path, self.once, self.every, self.patience = path, once, every, patience

    def batches(self, size: int, answered: Collection[str]) -> Iterator[list[Arrival]]:
        """Batches of up to ``size`` files; ``answered`` is looked at anew each time."""
        before: dict[str, tuple[int, int]] = {}
        quiet = 0
        while True:
            now = self._files()
            ready = sorted(
                name for name in now if name not in answered and (self.once or before.get(name) == now[name])
            )
            quiet = 0 if now.keys() - before.keys() else quiet + 1
            before = now
            if len(ready) >= size or (ready and (self.once or quiet >= self.patience)):
                yield [self._arrival(name) for name in ready[:size]]
            elif self.once:
                return
            else:
                time.sleep(self.every)

    def _files(self) -> dict[str, tuple[int, int]]:
        """Size and time of each file, by its path below the folder."""
        found = {}
        for folder, inner, names in os.walk(self.path):
            inner[:] = [name for name in inner if not name.startswith(".")]
            for name in names:
                path = Path(folder, name)
                try:
                    state = path.stat()
                except OSError:
                    continue  # gone again, or a link to nowhere
                if not name.startswith(".") and path.is_file():
                    found[path.relative_to(self.path).as_posix()] = (state.st_size, state.st_mtime_ns)
        return found

    def _arrival(self, name: str) -> Arrival:
        path = self.path / name
        fault = why_not(path.suffix)
        try:
            content = b"" if fault else path.read_bytes()
        except OSError as error:
            content, fault = b"", f"cannot be read: {error.strerror}"
        return Arrival(name, content, fault)


class Frames:
    """Frames on a pipe: four bytes, big-endian, the number of bytes that follow; then an encoded image of that many.

    A frame of no bytes asks for the answers to those before it, and the end of the stream does the same. Whoever sends
    frames again after a loss starts behind the last one that was answered.

    Args:
        pipe: where they come from.
        first: number of the first frame: of those that were answered before.
    """

    def __init__(self, pipe: BinaryIO | None = None, first: int = 0) -> None:
        self.pipe, self.number = pipe or sys.stdin.buffer, first

    def batches(self, size: int, answered: Collection[str]) -> Iterator[list[Arrival]]:
        """Batches of ``size`` frames, or fewer where the sender asks."""
        waiting: list[Arrival] = []
        for content in self._frames():
            if content:
                waiting.append(Arrival(f"frame {self.number}", content))
                self.number += 1
            if waiting and (len(waiting) == size or not content):
                yield waiting
                waiting = []
        if waiting:
            yield waiting

    def _frames(self) -> Iterator[bytes]:
        while head := self.pipe.read(4):
            length = int.from_bytes(head, "big")
            if len(head) < 4:
                warn(f"stream: ends within the length of frame {self.number}; ignored")
                return
            if length > LONGEST_FRAME:
                raise LbtError(f"stream: frame {self.number}: found {length} bytes; accepted: at most {LONGEST_FRAME}")
            content = self.pipe.read(length)
            if len(content) < length:
                warn(f"stream: ends within frame {self.number}; ignored")
                return
            yield content
