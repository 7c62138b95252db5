"""Recipes: all that ship load and print, without torch; mistakes are told in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from lbt.errors import LbtError
from lbt.recipe import Recipe, Roles

SHIPPED = sorted(path.stem for path in (Path(__file__).parents[2] / "params" / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipe(name: str) -> None:
    recipe = Recipe.load(name)
    assert recipe.name == name
    assert len(recipe.source) > 30
    assert f"recipe {name}" in str(recipe)
    assert all(0 < recipe.bits(role) <= 32 for role in ("W", "A", "E", "EG", "G", "U"))
    assert recipe.is_float == (name == "fp32")
    assert Recipe.model_validate(recipe.model_dump()) == recipe


def test_loading_needs_no_torch() -> None:
    code = (
        "import sys; from lbt.recipe import Recipe; [Recipe.load(n) for n in Recipe.names()];"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_exceptions_of_layers() -> None:
    recipe = Recipe.model_validate(
        {"W": "int4", "A": "int4", "first": "float", "last": {"W": "int8"}, "layers": {"body.*": {"A": None}}}
    )
    assert recipe.for_layer("stem", first=True) is None
    last = recipe.for_layer("head", last=True)
    assert last is not None
    assert (last.W.bits, last.A.bits) == (8, 4)
    assert recipe.for_layer("body.conv") == Roles.model_validate({"W": "int4"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("W: int8\nX: int8\n", "X: unknown key"),
        ("W: {format: int8, roundin: nearest}\n", "did you mean 'rounding'"),
        ("W: {format: int8, rounding: stochastc}\n", "did you mean 'stochastic'"),
        ("norm: rangebn\n", "did you mean 'range_bn'"),
        ("EG: int8\n", "needs E"),
        ("W: {format: int8, granularity: sample}\n", "granularity sample"),
        ("update: {master: integer}\n", "needs U"),
        ("A: {format: {kind: int, bits: 40}}\n", "less than or equal to 16"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(LbtError) as caught:
        Recipe.load(file)
    assert words in str(caught.value)
    assert "mine.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_recipes_that_cite_a_paper_are_as_published() -> None:
    """Issue 16, kind 16: the parts of the papers that the schema can say."""
    wage, wageubn, banner = (Recipe.load(name) for name in ("wage", "wageubn", "banner8"))
    ends = wage.for_layer("stem", first=True), wage.for_layer("head", last=True)
    assert all(roles is not None and roles.W is not None and roles.W.bits == 2 for roles in ends)
    assert "momentum=0" in wage.source
    assert (wageubn.first, wageubn.last, wageubn.update.bits) == ("float", "float", 24)
    assert wageubn.E is not None
    assert wageubn.E.format.model_dump()["shift"] == "nearest"
    assert banner.norm.options == {"chunks": 16}
    assert banner.norm.input is not None
    assert banner.norm.error is not None
    assert Recipe.load("fp8").G is None
    mx4 = Recipe.load("mx4")
    assert mx4.A is not None
    assert mx4.A.format.model_dump()["element"] == "e3m2"
    assert "biases" in Recipe.load("nics-fix").source
    thesis = Recipe.load("thesis")
    assert thesis.E is not None
    assert thesis.E.range.model_dump() == {"rule": "sigma", "k": 8.0, "of": "nonzero"}
    assert all(word in thesis.source for word in ("Left out", "affine_grad_bn", "seldom_bn"))


def test_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(LbtError, match="did you mean 'int8"):
        Recipe.load("int9")
