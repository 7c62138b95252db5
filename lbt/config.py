"""Typed YAML: every file that a user writes is read here, and every mistake in one is told in one line.

The params file's sections are declared next to the stages that use them (``lbt/<stage>/params.py``, light modules that
do not import torch); :mod:`lbt.params` puts them together.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypeVar, get_args, get_origin

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lbt.errors import LbtError, nearest, one_line, reading, told, unknown


class Section(BaseModel):
    """Base of every typed piece of configuration: frozen, no unknown keys, attribute docstrings as descriptions.

    No number is infinite or NaN. Each gives its bounds: a value that a stage cannot work with is refused on reading.

    Raises:
        LbtError: made in code with a wrong key or value; one line, as for a file.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=(), allow_inf_nan=False
    )

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise LbtError(explain(type(self), error, type(self).__name__)) from None

    # sections in sections are validated by pydantic itself, which knows where they stand, and not by this __init__
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


S = TypeVar("S", bound=Section)
T = TypeVar("T")

OneOrMore = Annotated[list[T], BeforeValidator(lambda value: value if isinstance(value, list) else [value])]
"""A list that may be written as a single value, so that ``-S adapt.recipe=int4`` narrows a grid to one entry."""

Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""A seed of anything random: what NumPy and torch both take."""


def in_workspace(path: str) -> str:
    """``path``, if it is relative, without '..', and so inside the workspace."""
    parts = PurePosixPath(path.replace("\\", "/"))
    if not path or parts.is_absolute() or ".." in parts.parts or re.match(r"[A-Za-z]:|~", path):
        raise ValueError(f"found {path!r}; accepted: a path inside the workspace, relative and without '..'")
    return path


InWorkspace = Annotated[str, AfterValidator(in_workspace)]
"""A file or folder that a params file names."""

LARGEST_YAML = 100_000
"""Values in a YAML file, those behind an alias counted as often as they are named."""
DEEPEST_YAML = 100
"""Levels of nesting in a YAML file."""


class _Loader(yaml.SafeLoader):
    """A safe loader of what a person writes: keys are text, none is given twice, and aliases do not multiply."""

    def get_single_data(self) -> Any:
        node = self.get_single_node()  # type: ignore[no-untyped-call]
        if node is None:
            return None
        self._measure(node, {})
        return self.construct_document(node)  # type: ignore[no-untyped-call]

    def _measure(self, node: yaml.Node, known: dict[yaml.Node, tuple[int, int] | None]) -> tuple[int, int]:
        """Number of values below ``node``, and of levels; ``known`` holds None for a node that is not done yet."""
        if node not in known:
            known[node] = None
            pairs = node.value if isinstance(node, yaml.MappingNode) else [(n,) for n in node.value]
            inner = [] if isinstance(node, yaml.ScalarNode) else [self._measure(n, known) for p in pairs for n in p]
            known[node] = 1 + sum(size for size, _ in inner), 1 + max((depth for _, depth in inner), default=0)
        size, depth = known[node] or (LARGEST_YAML + 1, 0)
        if size > LARGEST_YAML or depth > DEEPEST_YAML:
            fault = f"over {LARGEST_YAML} values" if size > LARGEST_YAML else f"over {DEEPEST_YAML} levels"
            raise yaml.constructor.ConstructorError(None, None, f"{fault}, aliases followed", node.start_mark)
        return size, depth

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":  # "<<", which the mapping's own keys override
                continue
            key = self.construct_object(key_node, deep=True)  # type: ignore[no-untyped-call]
            if not isinstance(key, str):
                fault = f"key {told(key)} is not text; write it in quotes"
                raise yaml.constructor.ConstructorError(None, None, fault, key_node.start_mark)
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
    if not path.exists():
        siblings = [p.name for p in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
        raise LbtError(f"{path}: no such file{nearest(path.name, siblings)}")
    data = reading(path, "YAML", _parse_yaml)
    if not isinstance(data, dict):
        found = "an empty file" if data is None else type(data).__name__
        raise LbtError(f"{path}: expected a mapping of keys to values, found {found}")
    return data


def _parse_yaml(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: not UTF-8, or a date such as 2001-99-99
        raise LbtError(f"{path}: not valid YAML: {one_line(error, 400)}") from None


def parse(model: type[S], data: dict[str, Any], where: str | Path) -> S:
    """Validate ``data`` against ``model``; the first mistake becomes one line that starts with ``where``."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise LbtError(explain(model, error, where)) from None


def narrowed(grid: Section, job: type[S], **values: object) -> S:
    """One job of ``grid``: what the two types share, and ``values`` in the place of the grid's lists; all validated."""
    shared = {name: value for name, value in grid.model_dump().items() if name in job.model_fields}
    return job.model_validate({**shared, **values})


def load_yaml(path: str | Path, model: type[S]) -> S:
    """Read a YAML file into ``model``. See :func:`read_yaml` and :func:`parse` for the errors."""
    return parse(model, read_yaml(path), path)


def find_yaml(kind: str, name: str | Path) -> Path:
    """The file of the recipe or board (``kind`` = ``"recipes"`` or ``"boards"``) called ``name``.

    A name that ends in ``.yaml`` is a path. Otherwise the workspace's own ``params/<kind>/`` is looked at first, then
    the ones that ship with lbt.
    """
    if not isinstance(name, str | Path):
        raise LbtError(f"{kind.rstrip('s')}: found {told(name)}; accepted: a name, or the path of a YAML file")
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
    """The folders of recipes or boards: the workspace's, then the installed package's, then the source tree's."""
    package = Path(__file__).resolve().parent
    candidates = [Path("params") / kind, package / "params" / kind, package.parent / "params" / kind]
    return [folder for folder in candidates if folder.is_dir()]


def explain(model: type[BaseModel], error: ValidationError, where: str | Path) -> str:
    """One line for the first mistake in ``error``: file, key, what was found, what is accepted, nearest spelling."""
    mistakes = error.errors(include_url=False)
    # a misspelt key comes before the one that is missing because of it
    first = next((one for one in mistakes if one["type"] == "extra_forbidden"), mistakes[0])
    location = [part for part in first["loc"] if not (isinstance(part, str) and "[" in part)]
    key = ".".join(str(part) for part in location)
    found = first.get("input")
    # of a union every kind has its say on one value
    others = [
        one for one in mistakes if one is not first and one["loc"][:-1] == first["loc"][:-1] != tuple(location[:-1])
    ]
    more = f" (and {rest} more)" if (rest := len(mistakes) - 1 - len(others)) else ""
    match first["type"]:
        case "extra_forbidden":
            accepted = sorted(_fields_at(model, location[:-1]))
            text = f"unknown key; accepted: {', '.join(accepted)}{nearest(location[-1], accepted)}"
        case "missing":
            text = "this key is required"
        case "literal_error":
            choices = [c.strip().strip("'") for c in first["ctx"]["expected"].replace(" or ", ", ").split(",")]
            words = [*choices, *(one["msg"].removeprefix("Input should be ") for one in others)]
            text = f"found {told(found)}; accepted: {', '.join(words)}{nearest(found, choices)}"
        case "value_error":
            inner = first["ctx"]["error"]
            text = explain(model, inner, "")[2:] if isinstance(inner, ValidationError) else str(inner)
        case _:
            text = f"found {told(found)}; {first['msg'][0].lower()}{first['msg'][1:]}"
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
