"""Number formats: one file each, found by the file's name (``kind``).

A format module defines ``Format``, a :class:`FormatBase`; ``shorthand(text)``, which turns a word such as ``int8`` or
``e4m3`` into one, or None; and ``WORDS``, examples of such words, which messages show and tests try. Importing a format
does not import torch: a recipe is checked without it.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from lbt.config import parse
from lbt.errors import nearest, told
from lbt.numerics.formats._base import FormatBase
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
    modules = [FORMATS.load(name) for name in FORMATS.names()]
    found = [module.shorthand(value) for module in modules] if isinstance(value, str) else []
    for form in found:
        if form is not None:
            return form
    raise ValueError(
        f"found {told(value)}; accepted: words such as {', '.join(words())}, or a mapping with kind: "
        + ", ".join(FORMATS.names())
    )


def words() -> list[str]:
    """Examples of the words that stand for formats, of every format."""
    return [word for name in FORMATS.names() for word in FORMATS.load(name).WORDS]


AnyFormat = Annotated[SerializeAsAny[FormatBase], BeforeValidator(parse_format)]

__all__ = ["FORMATS", "AnyFormat", "FormatBase", "parse_format", "words"]
