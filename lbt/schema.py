"""The params file described for people and for editors, from the typed configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from lbt.params import Params

SCHEMA = Path("workflow/schemas/params.schema.json")
PAGE = Path("docs/params.md")


@dataclass(frozen=True)
class Line:
    """One key of the params file: its dotted name, its default as YAML would show it, what it means."""

    key: str
    default: str
    text: str


def describe(model: type[BaseModel], prefix: str = "") -> Iterator[Line]:
    """Every key below ``prefix`` (a dotted key of ``model``; empty for all), in order, nested sections flattened."""
    for name, field in model.model_fields.items():
        if prefix and prefix.split(".")[0] != name:
            continue
        rest = prefix.partition(".")[2]
        if (section := _section(field.annotation)) is not None:
            for line in describe(section, rest):
                yield Line(f"{name}.{line.key}", line.default, line.text)
        else:
            default = field.get_default(call_default_factory=True)
            yield Line(name, _show(default), " ".join((field.description or "").split()))


def _section(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, if it is one, left out or not."""
    kinds = [kind for kind in get_args(annotation) or [annotation] if kind is not type(None)]
    found = kinds[0] if len(kinds) == 1 else None
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


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
    schema = Params.model_json_schema()
    page = [
        "# Params\n",
        "Every key of a params file, with its default. Written by `lbt schema`; do not edit by hand.\n",
        "Keys that take a grid accept one value or a list.\n",
    ]
    for section, field in Params.model_fields.items():
        words = "" if _section(field.annotation) is None else f"{field.description}\n\n"
        page.append(f"\n## {section}\n\n{words}| key | default | meaning |\n|---|---|---|\n")
        for line in describe(Params, section):
            text = line.text.replace("|", "\\|")
            page.append(f"| `{line.key}` | `{line.default}` | {text} |\n")
    return {
        SCHEMA: json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        PAGE: "\n".join(page[:3]) + "".join(page[3:]),
    }
