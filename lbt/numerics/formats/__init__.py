"""Number formats: one file each, found by the file's name (``kind``).

A format module defines ``Format``, a :class:`FormatBase`, and may define ``shorthand(text)`` that turns a word such as
``int8`` or ``e4m3`` into one. Importing a format does not import torch: a recipe is checked without it.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from lbt.config import parse
from lbt.errors import nearest, told
from lbt.numerics.formats._base import FormatBase
from lbt.numerics.formats.block_float import BlockFloat
from lbt.numerics.formats.float import Float
from lbt.numerics.formats.int import Int
from lbt.numerics.formats.mls import MLS
from lbt.numerics.formats.mx import MX
from lbt.registry import Registry

FORMATS = Registry("format", "lbt.numerics.formats")


def parse_format(value: Any) -> Any:
    """A format from a word (``int8``), a mapping with ``kind``, or a format as it is.

    Raises:
        ValueError: nothing fits; names what is accepted.
    """
    if isinstance(value, FormatBase):
        return value
    if isinstance(value, dict) and "kind" in value:
        kind = value["kind"]
        if kind not in FORMATS.names():
            raise ValueError(
                f"unknown format kind {kind!r}; accepted: {', '.join(FORMATS.names())}{nearest(kind, FORMATS.names())}"
            )
        return parse(FORMATS.load(kind).Format, value, f"kind {kind}")
    for name in FORMATS.names():
        shorthand = getattr(FORMATS.load(name), "shorthand", None)
        found = shorthand(str(value)) if shorthand and isinstance(value, str) else None
        if found is not None:
            return found
    raise ValueError(
        f"found {told(value)}; accepted: int1 … int16, uint2 … uint16 (with zero point), e4m3, fp16, bf16, "
        "bfp8, mxint8, mxe4m3, mls-e2m4, …, or a mapping with kind: " + ", ".join(FORMATS.names())
    )


AnyFormat = Annotated[SerializeAsAny[FormatBase], BeforeValidator(parse_format)]

__all__ = ["FORMATS", "MLS", "MX", "AnyFormat", "BlockFloat", "Float", "FormatBase", "Int", "parse_format"]
