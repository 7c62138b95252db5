"""Cells of the columns beside image and label: ``file`` and ``user`` as text, ``time`` in seconds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from lbt.errors import LbtError, told


def column(name: str, values: Iterable[Any], where: str) -> list[Any]:
    """The cells of the column ``name``, None for an empty one, NaN or null.

    Raises:
        LbtError: a time that is neither a number nor a date.
    """
    return [_seconds(value, where) if name == "time" else _text(value) for value in values]


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return None if _empty(value) else str(value).strip() or None


def _seconds(value: Any, where: str) -> float | None:
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
        raise LbtError(f"{where}: time: found {told(value)}; accepted: seconds since 1970, or an ISO date")
    return seconds


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
