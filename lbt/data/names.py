"""Columns from file names: ``{label}_{user}_{index}`` reads ``7_jackson_32.wav`` as label 7 of the user jackson.

A field is any text up to what follows it in the pattern, as short as can be; ``index``, ``n`` and ``number`` are
digits. ``label``, ``user``, ``time`` and ``split`` become columns; fields of other names are passed over. The suffix is
no part of the pattern.
"""

from __future__ import annotations

import re
from functools import cache

COLUMNS = ("label", "user", "time", "split")
NUMBERS = ("index", "n", "number")
_DIGITS = "[0-9]+"
_FIELD = re.compile(r"\{(\w+)\}")


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression.

    Raises:
        ValueError: no field that becomes a column, a field twice, or two fields with nothing between them.
    """
    fields = _FIELD.findall(pattern)
    between = _FIELD.split(pattern)[::2]
    if not set(fields) & set(COLUMNS) or any(c in "".join(between) for c in "{}/"):
        raise ValueError(
            f"found {pattern!r}; accepted: text with {', '.join(COLUMNS)} in braces, as {{label}}_{{user}}_{{n}}"
        )
    if len(set(fields)) < len(fields) or "" in between[1:-1] or not all(map(str.isidentifier, fields)):
        raise ValueError(f"found {pattern!r}; accepted: different fields with text between them, each a word")
    pieces = [re.escape(between[0])]
    for field, text in zip(fields, between[1:], strict=True):
        pieces.append(f"(?P<{field}>{_DIGITS if field in NUMBERS else '.+?'}){re.escape(text)}")
    return re.compile("".join(pieces))


def fields(pattern: str, stem: str) -> dict[str, str] | None:
    """Column → text in a file's name; None if the name is not like ``pattern``."""
    found = compiled(pattern).fullmatch(stem)
    return {name: text for name, text in found.groupdict().items() if name in COLUMNS} if found else None
