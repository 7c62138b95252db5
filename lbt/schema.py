"""The files that a user writes, described for people and for editors, from the typed configuration."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lbt.params import Params

SCHEMA = Path("workflow/schemas/params.schema.json")
PAGE = Path("docs/params.md")
BOARDS = Path("docs/boards.md")
REQUIRED = "required"
"""In the place of the default of a key that has none."""


@dataclass(frozen=True)
class Line:
    """One key of a file.

    Attributes:
        key: dotted name; NAME stands for a name that the user chooses.
        accepted: type and range.
        default: as YAML would show it, or :data:`REQUIRED`.
        text: meaning.
    """

    key: str
    accepted: str
    default: str
    text: str


def describe(model: type[BaseModel], prefix: str = "") -> Iterator[Line]:
    """Every key below ``prefix`` (a dotted key of ``model``; empty for all), in order, nested sections flattened."""
    for name, field in model.model_fields.items():
        if prefix and prefix.split(".")[0] != name:
            continue
        rest = prefix.partition(".")[2]
        section, named = _section(field.annotation), _section_by_name(field.annotation)
        if section is None:
            yield Line(name, _accepted(model, name), _default(field), " ".join((field.description or "").split()))
        inner, below = (name, section) if section is not None else (f"{name}.NAME", named)
        if below is not None:
            for line in describe(below, rest):
                yield replace(line, key=f"{inner}.{line.key}")


def _section(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, if it is one, left out or not."""
    kinds = [kind for kind in get_args(annotation) or [annotation] if kind is not type(None)]
    found = kinds[0] if len(kinds) == 1 else None
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _section_by_name(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds under each of some names."""
    return _section(get_args(annotation)[1]) if get_origin(annotation) is dict else None


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _accepted(model: type[BaseModel], name: str) -> str:
    """Type and range of a key in words, from the JSON schema of its model."""
    schema = _schema(model)
    return _words(schema["properties"][name], schema.get("$defs", {}))


def _words(schema: dict[str, Any], known: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _words(known[schema["$ref"].rpartition("/")[2]], known)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_words(one, known) for one in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return ", ".join(json.dumps(value).strip('"') for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_words(schema['items'], known)}" if schema.get("items") else "list"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"mapping to {_words(inner, known)}" if isinstance(inner, dict) and inner else "mapping"
    bounds = [f"{sign} {_number(schema[key])}" for key, sign in _BOUNDS.items() if key in schema]
    return f"{_KINDS.get(kind, kind)} {', '.join(bounds)}".strip()


_KINDS = {"string": "text", "boolean": "true, false"}
"""Types of a JSON schema by words of a YAML file."""
_BOUNDS = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
"""Keys of a JSON schema that bound a number."""


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _default(field: FieldInfo) -> str:
    return REQUIRED if field.is_required() else f"`{_show(field.get_default(call_default_factory=True))}`"


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{key}: …" if isinstance(v, BaseModel) else f"{key}: {v}" for key, v in value.items())
            + "}"
        )
    return json.dumps(value, ensure_ascii=False, default=str)


def generated() -> dict[Path, str]:
    """The files that are made from the typed configuration, by path."""
    return {
        SCHEMA: json.dumps(_schema(Params), indent=2, ensure_ascii=False) + "\n",
        PAGE: _params_page(),
        BOARDS: _boards_page(),
    }


def _params_page() -> str:
    page = [
        "# Params\n",
        f"Every key of a params file, with {_WRITTEN}",
        "Keys that take a grid accept one value or a list.\n",
    ]
    for section, field in Params.model_fields.items():
        words = "" if _section(field.annotation) is None else f"{field.description}\n\n"
        page.append(f"## {section}\n\n{words}{_table(describe(Params, section))}")
    return "\n".join(page)


def _boards_page() -> str:
    from lbt.hardware.boards import Board
    from lbt.hardware.processor import Processor

    return "\n".join([
        "# Files of boards and processors\n",
        f"Every key of `params/boards/NAME.yaml` and `params/processors/NAME.yaml`, with {_WRITTEN}",
        "A name stands for a file in these folders; anything that ends in `.yaml` is a path.",
        "[A board of your own](hardware.md#a-board-of-your-own) is an example.\n",
        f"## A board\n\n{_table(describe(Board))}",
        f"## An inference processor\n\n{_table(describe(Processor))}",
    ])  # fmt: skip


_WRITTEN = "what it accepts and its default. Written by `lbt schema`; do not edit by hand.\n"


def _table(lines: Iterable[Line]) -> str:
    rows = [(f"`{line.key}`", line.accepted, line.default, line.text.replace("|", "\\|")) for line in lines]
    head = "| key | accepted | default | meaning |\n|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows)
