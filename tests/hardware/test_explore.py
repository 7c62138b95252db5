"""Comparisons: ratios to fp32, the price of each batch norm, and the Pareto front against a slow definition."""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch import nn

from lbt.errors import LbtError
from lbt.hardware.accelerator import norm_lane
from lbt.hardware.explore import compare, norm_table
from lbt.hardware.params import HardwareParams
from lbt.hardware.precision import Number
from lbt.nn import norms


def test_every_norm_has_a_price() -> None:
    rows = {row["norm"]: row for row in norm_table("xc7", 8).to_pylist()}
    assert set(rows) == set(norms.NORMS.names())
    for name, row in rows.items():
        one = norms.cost(name)
        assert row["adds"] == one.forward.element.adds + one.backward.element.adds
        assert row["lane_lut"] > 0
    # what the notes ask: gradients only for weight and bias, and a range instead of a variance, are cheaper
    assert rows["affine_grad_bn"]["lane_lut"] < rows["integer_bn"]["lane_lut"] < rows["float_bn"]["lane_lut"]
    assert rows["range_bn"]["multiplies"] < rows["float_bn"]["multiplies"]


@pytest.mark.parametrize(("lane", "dearer"), [("full_bn", "affine_bn"), ("float", "full_bn")])
def test_a_norm_costs_the_lane_that_it_declares(lane, dearer, monkeypatch) -> None:
    def lut(name: str) -> float:
        monkeypatch.setattr(norms, "cost", lambda _: replace(declared, lane=name))
        return norm_lane("my_bn", Number.integer(8), "xc7").lut

    declared = norms.cost("float_bn")
    assert lut(lane) > lut(dearer)


def test_a_lane_that_nobody_built_is_refused(monkeypatch) -> None:
    declared = norms.cost("float_bn")
    monkeypatch.setattr(norms, "cost", lambda _: replace(declared, lane="fall_bn"))
    with pytest.raises(LbtError, match=r"lbt/nn/norms/my_bn.py: unknown lane 'fall_bn'.*did you mean 'full_bn'"):
        norm_lane("my_bn", Number.integer(8), "xc7")


def test_yardsticks_and_recipes_side_by_side() -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3))
    table = compare(
        model, (3, 16, 16), recipes=["int4"], boards=["zcu102", "zedboard"], options=HardwareParams(batch=8)
    )
    rows = table.to_pylist()
    assert [(r["board"], r["precision"]) for r in rows] == [
        (board, name) for board in ("zcu102", "zedboard") for name in ("fp32", "fp16", "int8", "int4")
    ]
    for fp32, fp16, int8, _ in (rows[:4], rows[4:]):
        assert all(fp32[name] == pytest.approx(1) for name in ("x_storage", "x_mac_area", "x_energy", "x_throughput"))
        assert 1 < fp16["x_mac_area"] < int8["x_mac_area"]
        assert 1 < fp16["x_energy"] < int8["x_energy"]
        assert int8["x_storage"] > fp16["x_storage"] > 1


def test_a_mistake_is_told_before_anything_is_costed() -> None:
    with pytest.raises(LbtError, match="unknown board 'zcu'"):
        compare(nn.Linear(4, 2), (4,), boards=["zcu"])
