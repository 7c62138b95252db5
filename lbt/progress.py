"""Progress of long work: a bar on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(iterable: Iterable[T], desc: str, total: int | None = None) -> Iterator[T]:
    """Yield from ``iterable`` while showing how far it is on standard error.

    In a log (standard error is not a terminal) one line is written at most every ten seconds, without control
    characters, so that ``tail -f`` reads well.
    """
    if sys.stderr.isatty():
        yield from tqdm(iterable, desc=desc, total=total, leave=False)
        return
    bar = tqdm(iterable, desc=desc, total=total, file=_Lines(), mininterval=10, ascii=True, ncols=79)
    yield from bar


class _Lines:
    """Turns tqdm's carriage returns into lines."""

    def write(self, text: str) -> None:
        text = text.replace("\r", "").strip()
        if text:
            sys.stderr.write(text + "\n")

    def flush(self) -> None:
        sys.stderr.flush()
