"""The grid, and mistakes in it."""

from __future__ import annotations

import pytest

from lbt.adapt.params import AdaptParams
from lbt.config import parse
from lbt.errors import LbtError
from lbt.pretrain.params import PretrainParams


def test_a_grid_enumerates_its_jobs():
    params = AdaptParams(pair=["a-b", "b-a"], method=["adabn", "shot"], recipe=["fp32"], seed=[0, 1, 2])
    jobs = list(params.jobs())
    assert len(jobs) == 12
    assert len({(j.pair, j.method, j.seed) for j in jobs}) == 12
    assert all(job.steps == params.steps for job in jobs)


def test_parts_of_a_grid():
    grid = {"pair": ["a-b", "b-a"], "method": ["adabn", "shot"], "recipe": ["fp32", "int8", "int4"]}
    parts = [{"recipe": ["fp32", "int8"], "pair": "a-b"}, {"method": ["shot"], "recipe": ["int8", "int4"]}]
    jobs = [(j.pair, j.method, j.recipe) for j in parse(AdaptParams, {**grid, "only": parts}, "x").jobs()]
    first = {("a-b", method, recipe) for method in ("adabn", "shot") for recipe in ("fp32", "int8")}
    second = {(pair, "shot", recipe) for pair in ("a-b", "b-a") for recipe in ("int8", "int4")}
    assert set(jobs) == first | second
    assert len(jobs) == len(first | second), "a job of two parts is run once"


def test_the_start_of_a_pair():
    params = PretrainParams(augmentation="warp", pair_augmentation={"a-b": "intensity", "a-c": "warp"})
    names = [params.start_name(pair, 3) for pair in ("a-b", "a-c", "a-d", "b-a")]
    assert names == ["a-intensity/3", "a/3", "a/3", "b/3"]
    assert params.start("a-b", 3).augmentation == "intensity"
    assert params.start("a-c", 3) == params.start("a-d", 3), "pairs with one start share its job"
    assert params.start("a-c", 3) != params.start("a-c", 4), "a spread over seeds includes pretraining"
    one = params.model_copy(update={"seed": 0})
    assert one.start("a-c", 3) == one.start("a-c", 4)
    assert one.start_name("a-c", 4) == "a/0"


def test_a_single_value_is_a_grid_of_one():
    assert parse(AdaptParams, {"recipe": "int4", "seed": 3}, "x").seed == [3]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"method": "mean_techer"}, "did you mean 'mean_teacher'"),
        ({"pair": "mnist"}, "a pair is written source-target"),
        ({"pair": "mnist-mnist"}, "source and target must differ"),
        ({"stepz": 3}, "did you mean 'steps'"),
        ({"steps": 0}, "steps"),
        ({"mean_teacher": {"ema": 1.5}}, "mean_teacher.ema"),
        ({"augmentation": "afine"}, "did you mean 'affine'"),
        ({"seed": []}, "seed"),
        ({"recipe": ["int8"], "only": [{"recipe": "int4"}]}, "only.0.recipe: unknown recipe 'int4'; accepted: int8"),
        ({"only": [{"methods": "adabn"}]}, "did you mean 'method'"),
    ],
)
def test_mistakes_are_one_line(data, message):
    with pytest.raises(LbtError) as caught:
        parse(AdaptParams, data, "params.yaml: adapt")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_params_do_not_import_torch():
    import subprocess
    import sys

    code = "import sys, lbt.params; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
