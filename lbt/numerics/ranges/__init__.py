"""Range rules: how far the numbers of a group reach, found from the data. One file each, by the file's name (``rule``).

A rule's module defines ``Rule``, a :class:`RuleBase`; importing it does not import torch.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from lbt.config import parse
from lbt.errors import nearest, told
from lbt.numerics.ranges._base import RuleBase
from lbt.registry import Registry

RANGES = Registry("range rule", "lbt.numerics.ranges")


def parse_rule(value: Any) -> Any:
    """A rule from its name, from a mapping with ``rule`` and its options, or a rule as it is."""
    if isinstance(value, RuleBase):
        return value
    options = {"rule": value} if isinstance(value, str) else value
    if not isinstance(options, dict) or "rule" not in options:
        raise ValueError(f"found {told(value)}; expected a name or a mapping with rule: {', '.join(RANGES.names())}")
    name = str(options["rule"])
    if name not in RANGES.names():
        raise ValueError(
            f"unknown range rule {name!r}; accepted: {', '.join(RANGES.names())}{nearest(name, RANGES.names())}"
        )
    return parse(RANGES.load(name).Rule, options, f"rule {name}")


AnyRule = Annotated[SerializeAsAny[RuleBase], BeforeValidator(parse_rule)]

__all__ = ["RANGES", "AnyRule", "RuleBase", "parse_rule"]
