"""Sizes in bytes as a person writes them: 64kB, 1.5 MB, 64KiB, 4096."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*")


def in_bytes(value: object) -> object:
    """Bytes of a text such as ``64kB`` (1000 bytes a kB, 1024 a KiB); anything else is left to the validation."""
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value)
    if found is None or found[2].lower() not in UNITS:
        raise ValueError(f"found {value!r}; accepted: bytes, or a number with kB, MB, KiB or MiB, such as 64kB")
    return int(float(found[1]) * UNITS[found[2].lower()])


Bytes = Annotated[int, BeforeValidator(in_bytes), Field(ge=1, le=10**12)]
"""A number of bytes."""
