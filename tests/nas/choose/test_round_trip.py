"""What `lbt choose` writes is taken as it is by the params, the cost model, the stages and Python."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from lbt.cli import cli
from lbt.hardware import Board
from lbt.models import build, resolved
from lbt.nas.choose.limits import Limits
from lbt.nas.choose.points import write_network, write_recipe
from lbt.nas.choose.price import Shop
from lbt.nas.spaces.bits import BitsSpace
from lbt.pipeline.plan import Plan
from lbt.recipe import Recipe

ROOT = Path(__file__).parents[3]
TEXT = "chain 8s2 mb3e2w16d1s2 conv3w24d2p2 head128"
PARAMS = {
    "pretrain": {"model": "inputs/network.yaml"},
    "adapt": {"recipe": ["fp32", "inputs/recipe.yaml"], "method": "mean_teacher", "seed": 0},
    "data": {"domains": {"mnist": {}, "optdigits": {}}},
}


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A workspace with both files; the recipe as it was in memory."""
    for name in ("lbt", "dvc.yaml", "workflow"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    space = BitsSpace.of(build(TEXT, 5, 1), (1, 24, 24))
    made = space.recipe(space.sample(1, 3)[0], "recipe")
    write_network(Path("inputs/network.yaml"), TEXT)
    write_recipe(Path("inputs/recipe.yaml"), made, Limits(1e-3), "zcu102")
    return made


def test_python_reads_the_same_network_and_recipe(recipe):
    assert resolved("inputs/network.yaml") == TEXT
    found = Recipe.load("inputs/recipe.yaml")
    assert found.source.startswith("Formats by layer")
    assert found.model_copy(update={"source": ""}) == recipe


def test_the_command_prices_them_as_the_search_did(recipe):
    shop = Shop(Board.load("zcu102"), "zcu102", (1, 24, 24), 16)
    arguments = "cost --model inputs/network.yaml --recipe inputs/recipe.yaml --shape 1,24,24 --classes 5 --batch 16"
    shown = CliRunner().invoke(cli, arguments.split(), catch_exceptions=False).output
    assert f"{1e3 * shop.price(build(TEXT, 5, 1), recipe).energy:.3g} mJ/image" in shown


def test_the_pipeline_takes_them_and_depends_on_them(recipe):
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS))
    plan = Plan("params.yaml", check_files=False)
    assert plan.jobs["pretrain/mnist/0"].files == ("inputs/network.yaml",)
    job = plan.jobs["adapt/mnist-optdigits/mean_teacher/recipe/0"]
    assert job.files == ("inputs/recipe.yaml", "inputs/network.yaml")
