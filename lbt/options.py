"""Options of a command that name keys of the params: ``--set KEY=VALUE``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from lbt.errors import LbtError, one_line, told


def read_tried(tried: Sequence[str]) -> dict[str, list[Any]]:
    """``KEY=VALUE,VALUE`` as values by key; a value is read as in YAML.

    Raises:
        LbtError: one has no ``=``, or no value.
    """
    found = {}
    for text in tried:
        key, equals, values = text.partition("=")
        if not key or not equals or not all(part.strip() for part in values.split(",")):
            raise LbtError(f"--set: found {told(text)}; accepted: KEY=VALUE,VALUE such as mean_teacher.weight=3,10")
        try:
            found[key.strip()] = [yaml.safe_load(part) for part in values.split(",")]
        except yaml.YAMLError as error:
            raise LbtError(f"--set: found {told(text)}: {one_line(error)}") from None
    return found


def one_value_each(given: Sequence[str]) -> dict[str, Any]:
    """``KEY=VALUE`` as nested sections.

    Raises:
        LbtError: see :func:`read_tried`; a key has several values.
    """
    found: dict[str, Any] = {}
    for key, values in read_tried(given).items():
        if len(values) > 1:
            raise LbtError(f"--set: {key}: found {len(values)} values; accepted: one")
        *path, last = key.split(".")
        section = found
        for name in path:
            section = section.setdefault(name, {})
        section[last] = values[0]
    return found
