"""Cells of the columns beside image and label: ``file`` and ``user`` as text, ``time`` in seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from lbt.errors import LbtError, told


def column(name: str, values: Iterable[Any], place: Callable[[int], str]) -> list[Any]:
    """The cells of the column ``name``, None for an empty one, NaN or null.

    Args:
        name: ``file``, ``user`` or ``time``.
        values: as they come.
        place: words on where a value stands, by its number from 0.

    Raises:
        LbtError: a time that is neither a number nor a date.
    """
    return [_checked(name, value, partial(place, number)) for number, value in enumerate(values)]


def cell(name: str, value: Any, where: str) -> Any:
    """One cell of such a column, which stands at ``where``."""
    return _checked(name, value, lambda: where)


def _checked(name: str, value: Any, where: Callable[[], str]) -> Any:
    return _seconds(value, where) if name == "time" else _text(value)


def rows_of(where: object) -> Callable[[int], str]:
    """Places of a table's values: ``WHERE: row 5``, counted from 0."""
    return lambda number: f"{where}: row {number}"


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return None if _empty(value) else str(value).strip() or None


def _seconds(value: Any, where: Callable[[], str]) -> float | None:
    """Seconds since 1970, from a number or an ISO date; one without a time zone is in UTC."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        value = value.strip()
    if _empty(value):
        return None
    try:
        if isinstance(value, str) and not _is_number(value):
            value = datetime.fromisoformat(value)
        if isinstance(value, date):
            moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise LbtError(f"{where()}: time: found {told(value)}; accepted: seconds since 1970, or an ISO date")
    return seconds


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
