"""Recipes are written as the files that they are read from."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbt.recipe import Recipe
from lbt.recipe_file import to_yaml


@pytest.mark.parametrize("name", Recipe.names())
def test_every_recipe_comes_back_whole(name: str, tmp_path: Path) -> None:
    recipe = Recipe.load(name)
    path = tmp_path / f"{name}.yaml"
    path.write_text(to_yaml(recipe))
    assert Recipe.load(path) == recipe


def test_a_plain_line_is_one_word() -> None:
    assert to_yaml(Recipe.model_validate({"W": "int8"})) == "{W: int8}\n"
