"""Published designs: the recorded estimate is what the library says, and the answer states their spread."""

from __future__ import annotations

import pytest
from torch import nn

import lbt
from lbt.errors import LbtError
from lbt.hardware.published import Design, remark, spread
from lbt.hardware.published_networks import predict


@pytest.mark.parametrize("name", Design.names())
def test_the_recorded_estimate_is_the_estimate(name: str) -> None:
    design = Design.load(name)
    assert predict(design) == pytest.approx(design.predicted, rel=0.02)
    assert len(design.source) > 60


def test_the_spread_is_measured_over_predicted() -> None:
    designs = [Design.load(name) for name in Design.names()]
    assert spread() == tuple(sorted(one.measured / one.predicted for one in designs))


def test_the_answer_says_it() -> None:
    assert remark([0.52, 1.13, 0.9]) == "0.5–1.1 × of this in 3 published designs"
    assert remark([0.92]) == "0.9 × of this in 1 published design"
    assert remark([]) == ""
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3))
    assert remark(spread()) in str(lbt.cost(model, (1, 8, 8), batch=2))
    assert remark(spread()) not in str(lbt.cost(model, (1, 8, 8), batch=2, training=False))


def test_a_design_that_is_not_there() -> None:
    with pytest.raises(LbtError, match="unknown publishe"):
        Design.load("ef-trian")
