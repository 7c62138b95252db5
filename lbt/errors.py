"""The one kind of error that a user of lbt is meant to read: a single line that says what to change."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LbtError(ValueError):
    """Something that the user can put right. The command line prints it as one line, without a traceback.

    A ``ValueError``, so that raised inside a typed section it gets the file and the key in front of it.
    """


def nearest(found: object, accepted: Iterable[object]) -> str:
    """``" (did you mean 'x'?)"`` for the closest spelling among ``accepted``, or an empty string."""
    match = difflib.get_close_matches(str(found), [str(name) for name in accepted], n=1, cutoff=0.5)
    return f" (did you mean {match[0]!r}?)" if match else ""


def unknown(kind: str, found: object, accepted: Iterable[object], where: str = "") -> LbtError:
    """The error for a name that is not one of ``accepted``: what, where, what is accepted, the nearest spelling."""
    names = [str(name) for name in accepted]
    prefix = f"{where}: " if where else ""
    return LbtError(f"{prefix}unknown {kind} {found!r}; accepted: {', '.join(names)}{nearest(found, names)}")
