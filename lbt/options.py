"""Options of a command that name keys of the params: ``--set KEY=VALUE``, or an option for each key of a section."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
import yaml

from lbt.config import Section
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


def domain_keys(given: Sequence[str], option: str) -> dict[str, Any]:
    """``KEY=VALUE`` as keys of a domain: text and numbers, of ``classes`` a list.

    Raises:
        LbtError: one has no ``=`` or no value, or a key is there twice.
    """
    found: dict[str, Any] = {}
    for text in given:
        key, _, value = (part.strip() for part in text.partition("="))
        if not key or not value or key in found:
            raise LbtError(f"{option}: found {told(text)}; accepted: KEY=VALUE, once a key, such as layout=user/class")
        found[key] = value.split(",") if key == "classes" else _scalar(value)
    return found


def section_options(section: type[Section]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that gives a command an option for each field of ``section``, read by :func:`given_values`."""

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        for name, field in reversed(section.model_fields.items()):
            text = " ".join((field.description or "").split())
            default = field.get_default()
            told_default = str(default).lower() if default in (True, False) else default
            shown = "" if default is None else f"  [default: {told_default}]"
            command = click.option(f"--{name.replace('_', '-')}", name, metavar="VALUE", help=text + shown)(command)
        return command

    return decorated


def given_values(given: Mapping[str, str | None]) -> dict[str, str | int | float]:
    """The options that were given, as numbers where the text is one."""
    return {name: _scalar(text) for name, text in given.items() if text is not None}


def _scalar(text: str) -> str | int | float:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text
