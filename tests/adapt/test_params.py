"""The grid, and mistakes in it."""

from __future__ import annotations

import pytest

from lbt.adapt.params import AdaptParams
from lbt.config import parse
from lbt.errors import LbtError


def test_a_grid_enumerates_its_jobs():
    params = AdaptParams(pair=["a-b", "b-a"], method=["adabn", "shot"], recipe=["fp32"], seed=[0, 1, 2])
    jobs = list(params.jobs())
    assert len(jobs) == 12
    assert len({(j.pair[0], j.method[0], j.seed[0]) for j in jobs}) == 12
    assert all(job.steps == params.steps for job in jobs)


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

    code = "import sys, lbt.adapt.params, lbt.pretrain.params; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
