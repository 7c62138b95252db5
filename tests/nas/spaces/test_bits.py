"""Bits by layer over a fixed network, and their product with chains."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lbt.errors import LbtError
from lbt.models import build
from lbt.nas.spaces.bits import BitsSpace
from lbt.nas.spaces.chain_bits import ChainBitsSpace
from lbt.nn import explain
from lbt.recipe import Recipe
from lbt.recipe_file import to_yaml


class Own(nn.Module):
    """A user's network that is not split into features and classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.ModuleDict({"a": nn.Conv2d(3, 4, 3), "b": nn.Conv2d(4, 4, 1)})
        self.out = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.body["b"](self.body["a"](x).relu()).mean((2, 3)))


SPACE = BitsSpace.of(Own(), (3, 8, 8))


def test_every_layer_of_a_users_own_network_has_a_choice():
    assert SPACE.layers == ("body.a", "body.b", "out")
    assert SPACE.roles == ["W", "A", "E"]  # all three recipes write G alike
    assert SPACE.size == 3**9


def test_rows_and_strings_are_inverse():
    for row in SPACE.sample(20, 0):
        assert (SPACE.parse(SPACE.format(row)) == row).all()
    with pytest.raises(LbtError, match="unknown recipe 'int7'"):
        SPACE.parse("int7/int8/int8 int8/int8/int8 int8/int8/int8")
    with pytest.raises(LbtError, match="3 layers of W/A/E"):
        SPACE.parse("int8/int8/int8")


@pytest.mark.parametrize("row", SPACE.sample(12, 1), ids=SPACE.format)
def test_the_recipe_of_a_row_gives_each_layer_what_was_chosen(row, tmp_path):
    (tmp_path / "bits.yaml").write_text(to_yaml(SPACE.recipe(row)))
    recipe = Recipe.load(tmp_path / "bits.yaml")
    assert recipe == SPACE.recipe(row)
    for layer, chosen in zip(SPACE.layers, SPACE.chosen(row), strict=True):
        roles = recipe.for_layer(layer)
        assert {role: (getattr(roles, role), *formats[1:]) for role, formats in chosen.items()} == chosen
    widest = {role: max(layer[role][0].bits for layer in SPACE.chosen(row)) for role in SPACE.roles}
    assert {role: recipe.bits(role) for role in SPACE.roles} == widest


def test_a_uniform_row_is_the_recipe_itself():
    for name in ("int8", "int6"):
        made, known = SPACE.recipe(SPACE.uniform(name)), Recipe.load(name)
        assert made.layers == {}
        assert all(getattr(made, role) == getattr(known, role) for role in ("W", "A", "E", "EG", "G"))


def test_a_mixture_quantizes_as_it_says():
    row = SPACE.uniform("int8")
    row[0] = 2  # W of the first layer in int4
    table = explain(Own(), torch.randn(2, 3, 8, 8), recipe=SPACE.recipe(row)).to_pylist()
    rows = {(one["layer"], one["role"]): one for one in table}
    assert [rows[layer, "W"]["bits"] for layer in SPACE.layers] == [4, 8, 8]
    assert rows["body.a", "W"]["levels"] <= 16


def test_formats_of_a_stage_that_is_not_there_are_dead():
    space = ChainBitsSpace()
    chain = space.chains.parse("chain 8s2 conv3w16d1")
    rows = [np.concatenate([chain, space.bits.choices * 0]) for _ in range(2)]
    rows[1][len(chain) + 2 * len(space.bits.roles)] = 2  # a format of stage 2
    assert space.key(rows[0]) == space.key(rows[1])
    np.testing.assert_array_equal(space.vector(rows[0][None]), space.vector(rows[1][None]))
    rows[1][len(chain) + len(space.bits.roles)] = 2  # of stage 1
    assert space.key(rows[0]) != space.key(rows[1])


def test_the_product_gives_a_network_and_a_recipe_that_names_its_parts():
    space = ChainBitsSpace()
    for row in space.sample(5, 0):
        assert space.key(space.parse(space.format(row))) == space.key(row)
        chain, recipe = space.decode(row)
        layers = [name for name, _ in build(chain.text, 3, 1).named_modules()]
        for pattern in recipe.layers:
            assert any(name.startswith(pattern.rstrip("*").rstrip(".")) for name in layers), pattern
