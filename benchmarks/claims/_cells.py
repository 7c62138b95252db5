"""Numbers as the tables of docs/claims.md show them; nothing where there is no row."""

from __future__ import annotations

from typing import Any


def spread(row: dict[str, Any] | None, digits: int = 1, sign: str = "") -> str:
    """Mean ± standard deviation."""
    if row is None:
        return ""
    shown = f"{row['value']:{sign}.{digits}f}".replace("-", "−")
    return shown + (f" ± {row['std']:.{digits}f}" if row["n"] > 1 else "")


def interval(row: dict[str, Any] | None, digits: int = 1) -> str:
    """A paired difference ± the half width of its 95 % interval."""
    if row is None:
        return ""
    shown = f"{row['value']:+.{digits}f}".replace("-", "−")
    return shown + (f" ± {row['interval']:.{digits}f}" if "interval" in row else "")
