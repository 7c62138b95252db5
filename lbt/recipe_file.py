"""A recipe as the YAML file that :meth:`lbt.recipe.Recipe.load` reads: only what is not a default, formats as words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from lbt.numerics.formats import parse_format
from lbt.numerics.spec import RoleSpec
from lbt.recipe import LAYER_ROLES, NORM_ENDS, Recipe, Roles


def to_yaml(recipe: Recipe) -> str:
    """The text of a file of which ``Recipe.load`` makes an equal recipe (a name apart, if the file has another)."""
    found = recipe.model_dump(
        mode="json", exclude_defaults=True, exclude={"name", "layers", "first", "last", "norm", "final"}
    )
    found |= {role: line(spec) for role in (*LAYER_ROLES, "U") if (spec := getattr(recipe, role)) is not None}
    for place in ("first", "last"):
        if (exception := getattr(recipe, place)) is not None:
            found[place] = _roles(exception)
    if recipe.layers:
        found["layers"] = {pattern: _roles(roles) for pattern, roles in recipe.layers.items()}
    if recipe.final is not None:
        plan = recipe.final.model_dump(exclude_defaults=True, include={"share", "peak"})
        found["final"] = {**plan, **_roles(recipe.final)}
    norm = recipe.norm.model_dump(mode="json", exclude_defaults=True, exclude=set(NORM_ENDS))
    norm |= {end: line(spec) for end in NORM_ENDS if (spec := getattr(recipe.norm, end)) is not None}
    if norm:
        found["norm"] = norm
    return yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


def line(spec: RoleSpec) -> str | dict[str, Any]:
    """One line of a recipe: the format's word alone where the rest is its default."""
    dumped: dict[str, Any] = spec.model_dump(mode="json", serialize_as_any=True)
    plain = RoleSpec.model_validate({"format": dumped["format"]}).model_dump(mode="json", serialize_as_any=True)
    word = str(spec.format).partition(",")[0]
    form = word if _means(word, spec) else dumped["format"]
    rest = {key: value for key, value in dumped.items() if key != "format" and value != plain[key]}
    return {"format": form, **rest} if rest or isinstance(form, Mapping) else form


def _means(word: str, spec: RoleSpec) -> bool:
    """True if a recipe's word stands for the format of ``spec``."""
    try:
        return parse_format(word) == spec.format
    except ValueError:
        return False


def _roles(exception: Roles | str) -> Any:
    if isinstance(exception, str):
        return exception
    given = {role: getattr(exception, role) for role in LAYER_ROLES if role in exception.model_fields_set}
    return {role: None if spec is None else line(spec) for role, spec in given.items()}
