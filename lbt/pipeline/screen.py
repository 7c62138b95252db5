"""Lines of a run's progress on a terminal or in a log, none longer than :data:`WIDTH`."""

from __future__ import annotations

import os
import shutil
import textwrap
from typing import TextIO

WIDTH = 200
CLEAR = "\r\x1b[K"


class Screen:
    """Lines on a stream; on a terminal also a last one that is rewritten in place."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._status = ""

    def write(self, text: str) -> None:
        """Write whole lines above the last one."""
        self.stream.write((CLEAR if self._status else "") + text + "\n" + self._status)
        self.stream.flush()

    def status(self, text: str) -> None:
        """Rewrite the last line of a terminal; a log has none."""
        if self.live:
            self._status = text[: shutil.get_terminal_size().columns - 1]
            self.stream.write(CLEAR + self._status)
            self.stream.flush()


def shorten(text: str, width: int = WIDTH) -> str:
    """``text`` in one line of at most ``width`` characters."""
    line = " ".join(text.splitlines())
    return line if len(line) <= width else f"{line[: width - 2]} …"


def wrap(text: str) -> str:
    """``text`` with its long lines broken between words, so that nothing of it is lost."""
    parts = (
        textwrap.wrap(line, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False) or [""]
        if len(line) > WIDTH
        else [line]
        for line in text.rstrip().splitlines()
    )
    return "\n".join(line for part in parts for line in part)


def duration(seconds: float) -> str:
    """Seconds, minutes or hours with two digits or so."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
