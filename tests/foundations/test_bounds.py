"""Every number that a person may write in a YAML file has a smallest and a largest value."""

from collections.abc import Iterator
from typing import Any

import pytest

from lbt.config import Section
from lbt.hardware.boards import Board
from lbt.hardware.rtl.synthesis import SynthesisParams
from lbt.nas.space import SpaceSpec
from lbt.numerics.formats import FORMATS
from lbt.numerics.ranges import RANGES
from lbt.params import Params
from lbt.recipe import Recipe

MODELS: list[type[Section]] = [Params, Recipe, Board, SpaceSpec, SynthesisParams]
MODELS += [FORMATS.load(name).Format for name in FORMATS.names()]
MODELS += [RANGES.load(name).Rule for name in RANGES.names()]


def unbounded(schema: Any, where: str = "") -> Iterator[str]:
    """Dotted places in a JSON schema of numbers that lack a bound."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from unbounded(item, f"{where}.{index}")
    elif isinstance(schema, dict):
        if schema.get("type") in ("integer", "number"):
            listed = "enum" in schema or "const" in schema
            low, high = ({f"{end}imum", f"exclusive{end.title()}imum"} for end in ("min", "max"))
            if not listed and not (low & schema.keys() and high & schema.keys()):
                yield where
        for key, item in schema.items():
            if key not in ("default", "examples"):
                yield from unbounded(item, f"{where}.{key}")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__module__)
def test_every_number_has_bounds(model):
    assert list(unbounded(model.model_json_schema())) == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__module__)
def test_no_number_is_infinite_or_nan(model):
    assert model.model_config["allow_inf_nan"] is False
