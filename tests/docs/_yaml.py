"""YAML of the documentation against lbt's typed configuration."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml

from lbt.config import parse, read_yaml
from lbt.hardware.boards import Board
from lbt.models import Chain
from lbt.nas.space import SpaceSpec
from lbt.params import Params, load_params
from lbt.recipe import Recipe

from ._blocks import ROOT

MODELS = (Params, Recipe, SpaceSpec, Board, Chain)


def check_yaml(text: str) -> None:
    """Validate a whole file or a piece of a params file or of a recipe.

    Raises:
        LbtError: it is not YAML, repeats a key, or a value is wrong.
        AssertionError: its keys are those of no kind of file.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "block.yaml")
        path.write_text(text, encoding="utf-8")
        data = read_yaml(path)
    model = next((model for model in MODELS if set(data) <= set(model.model_fields)), None)
    assert model is not None, f"keys of no kind of file: {', '.join(data)}"
    if model is Params:
        check_params(data)
    else:
        parse(model, data, "block.yaml")


def check_params(data: dict[str, Any]) -> None:
    """Validate params that are laid over those of the default run."""
    default = yaml.safe_load((ROOT / "params/default.yaml").read_text(encoding="utf-8"))
    if "choose" not in data:
        del default["choose"]  # it may be left out, and needs a network of lbt's
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "params.yaml")
        path.write_text(yaml.safe_dump(merged(default, data)), encoding="utf-8")
        load_params(path)


def merged(below: Any, above: Any) -> Any:
    """``above`` over ``below``: mappings key by key, everything else replaced."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return below | {key: merged(below.get(key), value) for key, value in above.items()}
