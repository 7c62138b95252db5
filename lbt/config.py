"""Typed YAML: every file that a user writes is read here, and every mistake in one is told in one line.

The params file's sections are declared next to the stages that use them (``lbt/<stage>/params.py``, light modules that
do not import torch); :mod:`lbt.params` puts them together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from lbt.errors import LbtError, nearest, unknown


class Section(BaseModel):
    """Base of every typed piece of configuration: frozen, no unknown keys, attribute docstrings as descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=())


S = TypeVar("S", bound=Section)
T = TypeVar("T")

OneOrMore = Annotated[list[T], BeforeValidator(lambda value: value if isinstance(value, list) else [value])]
"""A list that may be written as a single value, so that ``-S adapt.recipe=int4`` narrows a grid to one entry."""


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice: YAML would keep the last one silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)  # type: ignore[no-untyped-call]
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        LbtError: the file is missing, is not YAML, repeats a key, or does not hold a mapping.
    """
    path = Path(path)
    if not path.is_file():
        siblings = [p.name for p in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
        raise LbtError(f"{path}: no such file{nearest(path.name, siblings)}")
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LbtError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise LbtError(f"{path}: expected a mapping of keys to values, found {type(data).__name__}")
    return data


def parse(model: type[S], data: dict[str, Any], where: str | Path) -> S:
    """Validate ``data`` against ``model``; the first mistake becomes one line that starts with ``where``."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise LbtError(explain(model, error, where)) from None


def load_yaml(path: str | Path, model: type[S]) -> S:
    """Read a YAML file into ``model``. See :func:`read_yaml` and :func:`parse` for the errors."""
    return parse(model, read_yaml(path), path)


def find_yaml(kind: str, name: str | Path) -> Path:
    """The file of the recipe or board (``kind`` = ``"recipes"`` or ``"boards"``) called ``name``.

    A name that ends in ``.yaml`` is a path. Otherwise the workspace's own ``params/<kind>/`` is looked at first, then
    the ones that ship with lbt.
    """
    if str(name).endswith((".yaml", ".yml")):
        return Path(name)
    folders = yaml_folders(kind)
    for folder in folders:
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    raise unknown(kind.rstrip("s"), name, yaml_names(kind), where=f"params/{kind}")


def yaml_names(kind: str) -> list[str]:
    """Names that :func:`find_yaml` knows, sorted."""
    return sorted({path.stem for folder in yaml_folders(kind) for path in folder.glob("*.yaml")})


def yaml_folders(kind: str) -> list[Path]:
    """Where recipes or boards are looked for: the workspace, then the installed package, then the source tree."""
    package = Path(__file__).resolve().parent
    candidates = [Path("params") / kind, package / "params" / kind, package.parent / "params" / kind]
    return [folder for folder in candidates if folder.is_dir()]


def explain(model: type[BaseModel], error: ValidationError, where: str | Path) -> str:
    """One line for the first mistake in ``error``: file, key, what was found, what is accepted, nearest spelling."""
    first = error.errors(include_url=False)[0]
    location = [part for part in first["loc"] if not (isinstance(part, str) and "[" in part)]
    key = ".".join(str(part) for part in location)
    found = first.get("input")
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    match first["type"]:
        case "extra_forbidden":
            accepted = sorted(_fields_at(model, location[:-1]))
            text = f"unknown key; accepted: {', '.join(accepted)}{nearest(location[-1], accepted)}"
        case "missing":
            text = "this key is required"
        case "literal_error":
            choices = [c.strip().strip("'") for c in first["ctx"]["expected"].replace(" or ", ", ").split(",")]
            text = f"found {found!r}; accepted: {', '.join(choices)}{nearest(found, choices)}"
        case "value_error":
            text = str(first["ctx"]["error"])
        case _:
            text = f"found {found!r}; {first['msg'][0].lower()}{first['msg'][1:]}"
    return f"{where}: {key}: {text}{more}" if key else f"{where}: {text}{more}"


def _fields_at(model: Any, location: list[Any]) -> list[str]:
    """Field names of the (possibly nested) model that ``location`` points at, looking through lists and unions."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        if not location:
            return list(model.model_fields)
        field = model.model_fields.get(str(location[0]))
        return _fields_at(field.annotation, location[1:]) if field else []
    origin, arguments = get_origin(model), get_args(model)
    if origin in (list, dict, tuple):
        return _fields_at(arguments[-1], location[1:]) if location else []
    return [name for argument in arguments for name in _fields_at(argument, location)]
