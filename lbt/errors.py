"""The one kind of error that a user of lbt is meant to read: a single line that says what to change."""

from __future__ import annotations

import difflib
import reprlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

LONGEST = 2000
"""Characters of an error; a longer one, which repeats a hostile input, loses its middle."""


class LbtError(ValueError):
    """Something that the user can put right. The command line prints it as one line, without a traceback.

    A ``ValueError``, so that raised inside a typed section it gets the file and the key in front of it.
    """

    def __init__(self, message: object) -> None:
        super().__init__(one_line(message))


def one_line(text: object, longest: int = LONGEST) -> str:
    """``text`` without line breaks or characters that steer a terminal, at most ``longest`` characters."""
    words = " ".join(str(text).split())
    line = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in words)
    return line if len(line) <= longest else f"{line[: longest // 2]} … {line[-longest // 2 :]}"


def reading(path: str | Path, kind: str, read: Callable[[Path], T]) -> T:
    """``read(path)``, with any fault as one line that names the file.

    Args:
        path: the file.
        kind: the name of its format, for the message.
        read: reads it; an :class:`LbtError` of its own names the file already, and passes.

    Raises:
        LbtError: no such file, no permission, or anything else that ``read`` raises.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise LbtError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
        return read(path)
    except LbtError:
        raise
    except RecursionError:
        raise LbtError(f"{path}: not a readable {kind} file: nested too deeply") from None
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            raise LbtError(f"{path}: cannot be read: {error.strerror}") from None
        reason = one_line(error, 200) or type(error).__name__
        raise LbtError(f"{path}: not a readable {kind} file (truncated or altered?): {reason}") from None


def warn(message: object) -> None:
    """One line on stderr, for what lbt can do without but a person should know of."""
    print(f"lbt: warning: {one_line(message)}", file=sys.stderr)


def told(found: object) -> str:
    """The ``repr`` of a value from a file, shortened to what fits in a line."""
    return reprlib.repr(found)


def nearest(found: object, accepted: Iterable[object]) -> str:
    """``" (did you mean 'x'?)"`` for the closest spelling among ``accepted``, or an empty string."""
    names = [str(name) for name in accepted]
    text = str(found)[:100]
    folded = {name.lower(): name for name in reversed(names)}
    match = [folded[text.lower()]] if text.lower() in folded else difflib.get_close_matches(text, names, 1, 0.5)
    match = match or [folded[name] for name in difflib.get_close_matches(text.lower(), folded, 1, 0.5)]
    return f" (did you mean {match[0]!r}?)" if match else ""


def unknown(kind: str, found: object, accepted: Iterable[object], where: str = "") -> LbtError:
    """The error for a name that is not one of ``accepted``: what, where, what is accepted, the nearest spelling."""
    names = [str(name) for name in accepted]
    prefix = f"{where}: " if where else ""
    return LbtError(f"{prefix}unknown {kind} {found!r}; accepted: {', '.join(names)}{nearest(found, names)}")
