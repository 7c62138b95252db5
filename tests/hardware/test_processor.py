"""Latency on a vector-MAC processor: by hand, by an independent simulation, calibrated, and round trips."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lbt.artifacts import read_table
from lbt.cli import main
from lbt.config import load_yaml
from lbt.errors import LbtError
from lbt.hardware import calibrate as calibration
from lbt.hardware.blocks import Blocks, chain
from lbt.hardware.calibrate import calibrate, microseconds, tau, unit_of
from lbt.hardware.layers import convolution, elementwise, layers_of, pooling
from lbt.hardware.processor import Processor, infer, run, to_yaml
from lbt.hardware.trace import trace

SHEET = {
    "array": {"pixels": 4, "inputs": 8, "outputs": 8, "clock": 100},
    "vector": {"pixels": 2, "channels": 8, "clock": 50},
    "bandwidth": 1.0,
    "buffer": 1000,
    "overhead": {"layer": 2, "image": 10},
    "source": "test",
}
SMALL = Processor.model_validate(SHEET)
COLUMNS = [f"{name}{stage}" for stage in range(1, 8) for name in ("e", "k", "L", "se")]


def rows(count: int, seed: int) -> list[dict[str, int]]:
    """Random networks of the space that ships."""
    draw = np.random.default_rng(seed)
    choices = {"e": (1, 4, 6), "k": (3, 5), "L": (1, 2, 3), "se": (0, 1)}
    return [{name: int(draw.choice(choices[name[:-1]])) for name in COLUMNS} for _ in range(count)]


def loop_cycles(inputs: int, outputs: int, height: int, width: int, taps: int) -> int:
    """A convolution as nested loops: a cycle for each step of the array."""
    array, cycles = SMALL.array, 0
    for _ in itertools.product(
        range(height), range(0, width, array.pixels), range(taps * taps), range(0, inputs, array.inputs),
        range(0, outputs, array.outputs),
    ):  # fmt: skip
        cycles += 1
    return cycles


@pytest.mark.parametrize("shape", [(8, 8, 6, 6, 3), (9, 17, 5, 7, 1), (16, 8, 1, 1, 1), (5, 3, 4, 9, 5)])
def test_cycles_of_a_convolution_are_those_of_its_loops(shape):
    (timed,) = run([convolution("x", *shape)], SMALL).layers
    assert timed.compute == pytest.approx(loop_cycles(*shape) / SMALL.array.clock)


def test_few_channels_stand_beside_each_other():
    (timed,) = run([convolution("stem", 3, 8, 4, 4, 3)], SMALL).layers
    assert timed.compute == pytest.approx(4 * 3 * 2 / 100)  # two of the row's three taps fit into eight inputs


def test_maps_that_do_not_stay_are_moved():
    layers = [convolution("a", 8, 8, 5, 5, 1), convolution("b", 8, 8, 5, 5, 1)]
    kept = run(layers, SMALL)
    assert [t.bytes for t in kept.layers] == [64 + 200, 64 + 200]  # the image, weights; weights, the result
    away = run(layers, SMALL.model_copy(update={"buffer": 0}))
    assert [t.bytes for t in away.layers] == [64 + 400, 64 + 400]
    assert sum(kept.parts.values()) == pytest.approx(1e3 * kept.milliseconds)
    assert kept.milliseconds < away.milliseconds


def test_a_map_that_waits_on_chip_for_its_gate_is_not_read_again():
    layers = [convolution("a", 8, 8, 5, 5, 1), pooling("mean", 8, 1, 1, 25), elementwise("gate", "multiply", 8, 5, 5)]
    assert [t.bytes for t in run(layers, SMALL).layers] == [64 + 200, 0, 200]  # its result leaves
    away = run(layers, SMALL.model_copy(update={"buffer": 250}))
    assert away.layers[2].bytes == 200 + 200
    block = [convolution("x", 8, 8, 5, 5, 1), convolution("wide", 8, 24, 5, 5, 1), convolution("y", 24, 8, 5, 5, 1),
             elementwise("add", "add", 8, 5, 5)]  # fmt: skip
    assert run(block, SMALL).layers[3].bytes == 200  # 200 beside 600 + 200
    assert run(block, SMALL.model_copy(update={"buffer": 900})).layers[3].bytes == 400


def test_a_batch_shares_the_weights_and_cores_multiply_throughput():
    layers = [convolution("x", 64, 64, 1, 1, 1)]
    two = SMALL.model_copy(update={"images": 2, "cores": 3})
    assert run(layers, two).layers[0].bytes == 64 * 64 / 2 + 128
    assert run(layers, two).images_per_second == pytest.approx(6e3 / run(layers, two).milliseconds)


def test_the_chain_is_the_module():
    """The list of layers and the traced torch module describe one network."""
    space = Blocks.load("mnasnet")
    space = space.model_copy(update={"resolution": 64})
    made = chain(space, {**rows(1, 0)[0], **{f"L{n}": 1 for n in range(1, 8)}, "L3": 2, "se3": 1})
    described = [layer for layer in made.layers() if layer.weights]
    with torch.device("meta"):
        module = made.module()
    traced = [layer for layer in layers_of(trace(module.to_empty(device="cpu"), (3, 64, 64))) if layer.weights]
    facts = [(t.kind, t.inputs, t.outputs, t.height, t.width, t.kernel, t.weights) for t in traced]
    assert facts == [(d.kind, d.inputs, d.outputs, d.height, d.width, d.kernel, d.weights) for d in described]


def test_squeeze_and_excite_costs_more_than_its_multiplications():
    space, row = Blocks.load("mnasnet"), rows(1, 1)[0]
    without, with_all = (chain(space, {**row, **{f"se{n}": se for n in range(1, 8)}}).layers() for se in (0, 1))
    sheet = Processor.load("dpu-zcu102")
    macs = [sum(layer.macs for layer in layers) for layers in (without, with_all)]
    times = [run(layers, sheet).milliseconds for layers in (without, with_all)]
    assert macs[1] < 1.02 * macs[0]
    assert times[1] > 1.15 * times[0]


def test_a_model_of_torch_and_what_the_processor_lacks():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 8, 3, groups=8), nn.Hardswish())
    found = infer(model, (3, 16, 16), "dpu-zcu102")
    assert [t.layer.kind for t in found.layers] == ["conv", "activation", "depthwise", "activation"]
    assert len(found.unsupported) == 1
    assert "swish" in str(found)
    assert found.table().column("macs").to_pylist()[0] == 9 * 3 * 8 * 256


def hidden(layers, draw) -> float:
    """Another, more detailed machine than the model: tiles, start-up of the pipeline, memory that overlaps in part."""
    total = 250.0
    for layer in layers:
        macs = max(1, layer.macs)
        if layer.kind == "depthwise":
            compute = macs / (9.0 * layer.taps**0.2) / 333 / 3
        elif layer.weights:
            compute = macs / (2048 * min(1, layer.inputs * layer.outputs / 4096) * min(1, layer.height / 12)) / 300
        else:
            compute = layer.read / 24 / 300
        memory = (layer.weights * 1.3 + layer.written) / 4000
        total += 9.0 + max(compute, memory) + 0.3 * min(compute, memory) + (25 if layer.kind == "multiply" else 0)
    return total * float(draw.lognormal(0, 0.02))


def test_few_measurements_improve_the_order_and_many_the_error():
    space, draw = Blocks.load("mnasnet"), np.random.default_rng(0)
    networks = [chain(space, row).layers() for row in rows(70, 2)]
    times = np.array([hidden(layers, draw) for layers in networks])
    sheet, test = Processor.load("dpu-zcu102"), slice(20, None)

    def order(processor: Processor) -> float:
        return tau(np.array([run(layers, processor).milliseconds for layers in networks[test]]), times[test])

    start = order(sheet)
    assert start > 0.6
    for count in (5, 20):
        fitted = calibrate(networks[:count], times[:count].tolist(), sheet)
        assert order(fitted.processor) > start - 0.02
    assert order(fitted.processor) > 0.85
    assert fitted.error < 0.05
    assert fitted.error_before > 2 * fitted.error
    assert fitted.tau > 0.8


def test_a_fit_to_the_model_itself_finds_its_factors():
    networks = [chain(Blocks.load("mnasnet"), row).layers() for row in rows(16, 3)]
    sheet = Processor.load("dpu-zcu102")
    true = sheet.model_copy(update={"factors": sheet.factors.model_copy(update={"depthwise": 2.0, "launch": 3.0})})
    times = [1e3 * run(layers, true).milliseconds for layers in networks]
    fitted = calibrate(networks, times, sheet)
    again = np.array([1e3 * run(layers, fitted.processor).milliseconds for layers in networks])
    assert np.abs(again / times - 1).max() < 0.05
    assert fitted.tau > 0.95


def test_units():
    assert unit_of("latency_ms", None) == "ms"
    assert unit_of("zcu102 throughput", None) == "images/s"
    assert unit_of("latency (us)", None) == "us"
    with pytest.raises(LbtError, match=r"--unit: the name of column zcu102 does not tell it; accepted: s, ms, us"):
        unit_of("zcu102", None)
    sheet = Processor.load("dpu-zcu102")
    assert microseconds([300.0], "images/s", sheet)[0] == pytest.approx(1e4)
    assert microseconds([2.0], "ms", sheet)[0] == 2000


def write(path: Path, networks: list[dict], **columns) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*networks[0], *columns])
        writer.writeheader()
        for number, row in enumerate(networks):
            writer.writerow({**row, **{name: values[number] for name, values in columns.items()}})
    return path


def test_the_commands_and_the_round_trip(tmp_path, capsys):
    networks, draw = rows(12, 4), np.random.default_rng(1)
    fps = [1e6 * 3 / hidden(chain(Blocks.load("mnasnet"), row).layers(), draw) for row in networks]
    table = write(tmp_path / "measured.csv", networks, fps=[*fps[:-1], ""])
    main(["calibrate", "--measured", str(table), "--column", "fps", "--out", str(tmp_path / "mine.yaml")])
    shown = capsys.readouterr().out
    assert "11 measurements" in shown
    assert "each left out once" in shown
    mine = Processor.load(tmp_path / "mine.yaml")
    assert load_yaml(tmp_path / "mine.yaml", Processor) == mine
    assert to_yaml(mine) == (tmp_path / "mine.yaml").read_text()
    main(["latency", "--table", str(table), "--processor", str(tmp_path / "mine.yaml"), "--measured", "fps", "--out",
          str(tmp_path / "all.parquet")])  # fmt: skip
    assert "11 measurements" in capsys.readouterr().out
    predicted = read_table(tmp_path / "all.parquet").column("predicted_ms").to_pylist()
    assert len(predicted) == 12
    main(["cost", "--model", "digit_cnn", "--inference", "--processor", str(tmp_path / "mine.yaml")])
    assert "ms an inference" in capsys.readouterr().out


def test_lists_in_cells(tmp_path):
    space = {"stages": [{"width": 16, "expansion": "e.0", "kernel": "k.0"}, {"width": 24, "stride": 2,
             "expansion": "e.1", "kernel": "k.1", "layers": 2}], "head": 0, "resolution": "r"}  # fmt: skip
    blocks = Blocks.model_validate(space)
    plain = chain(blocks, {"e": [1, 6], "k": [3, 5], "r": 64})
    text = chain(blocks, {"e": "[1, 6]", "k": "3;5", "r": 64.0})
    assert plain.layers() == text.layers()
    assert plain.resolution == 64
    assert [block.hidden for block in plain.blocks] == [32, 96, 144]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"e1": 3}, "unknown column 'k1'"),
        ({"e1": 2.5}, "stages.0.expansion: found 2.5; accepted: a whole number from 1 to 64"),
        ({"k1": 4}, "stages.0.kernel: found 4; accepted: an odd number"),
        ({"se1": "maybe"}, "stages.0.squeeze: found 'maybe'"),
        ({"L1": None}, "stages.0.layers: found None"),
    ],
)
def test_a_wrong_row_is_one_line(row, message):
    whole = row if "unknown" in message else {**rows(1, 0)[0], **row}
    with pytest.raises(LbtError) as error:
        chain(Blocks.load("mnasnet"), whole, "t.csv: row 1")
    assert str(error.value).startswith("t.csv: row 1: ")
    assert message in str(error.value)


def test_what_cannot_be_calibrated(tmp_path):
    networks = [chain(Blocks.load("mnasnet"), row).layers() for row in rows(3, 0)]
    with pytest.raises(LbtError, match="found 2 measurements of 2 networks; accepted: 3 or more"):
        calibrate(networks[:2], [1.0, 2.0], SMALL)
    with pytest.raises(LbtError, match="accepted: positive"):
        calibrate(networks, [1.0, 2.0, 0.0], SMALL)
    with pytest.raises(LbtError, match="unknown processor 'dpu-zcu12'"):
        Processor.load("dpu-zcu12")


def test_every_processor_loads_and_says_where_its_numbers_are_from():
    assert len(Processor.names()) >= 2
    for name in Processor.names():
        assert len(Processor.load(name).source) > 100


def roofline(layers, draw) -> float:
    """A third machine: costly launches, depthwise at 3 % of the peak, one memory for all, 3 % noise."""
    total = 0.0
    for layer in layers:
        peak = 4e6 * (
            0.03 if layer.kind == "depthwise" else min(1, layer.height * layer.width * layer.outputs / 4e4) ** 0.5
        )
        compute = layer.macs / peak
        total += 6 + max(compute, (layer.read + layer.weights + layer.written) / 2.5e5)
    return total * float(draw.lognormal(0, 0.03))


def on_chip(layers, draw) -> float:
    """A fourth machine: maps never leave it, weights come slowly, and what has no weights costs a switch of engines."""
    total = 0.0
    for layer in layers:
        peak = 3.3e6 * (0.08 if layer.kind == "depthwise" else 0.6 * min(1, layer.outputs / 64))
        total += 2 + max(layer.macs / peak, layer.weights / 3000) + (0 if layer.weights else 15)
    return total * float(draw.lognormal(0, 0.03))


HOLDING = {
    "array": {"pixels": 4, "inputs": 32, "outputs": 32, "clock": 800},
    "vector": {"pixels": 8, "channels": 8, "clock": 800},
    "bandwidth": 3.0,
    "buffer": 8_000_000,
    "overhead": {"layer": 2},
    "source": "test",
}


@pytest.mark.parametrize(
    ("machine", "sheet", "start"),
    [(roofline, Processor.load("dpu-zcu102"), 0.7), (on_chip, Processor.model_validate(HOLDING), 0.5)],
)
def test_the_order_holds_on_machines_of_other_kinds(machine, sheet, start):
    space, draw, test = Blocks.load("mnasnet"), np.random.default_rng(1), slice(20, None)
    networks = [chain(space, row).layers() for row in rows(70, 7)]
    times = np.array([machine(layers, draw) for layers in networks])

    def order(processor: Processor) -> float:
        return tau(np.array([run(layers, processor).milliseconds for layers in networks[test]]), times[test])

    fitted = {count: calibrate(networks[:count], times[:count].tolist(), sheet) for count in (3, 20)}
    assert order(sheet) > start
    assert order(fitted[3].processor) == order(sheet)  # a common factor alone
    assert order(fitted[20].processor) > 0.85


def test_a_network_that_was_measured_twice_is_left_out_once():
    networks = [chain(Blocks.load("mnasnet"), row).layers() for row in rows(6, 8)]
    times = [1e3 * run(layers, SMALL).milliseconds for layers in networks]
    times[1] *= 3  # a row that fits badly
    once, twice = calibrate(networks, times, SMALL), calibrate(networks + networks[1:2], [*times, times[1]], SMALL)
    assert twice.left_out[1] == twice.left_out[6]
    assert twice.left_out[1] == pytest.approx(once.left_out[1], rel=0.2)  # its twin does not tell it
    with pytest.raises(LbtError, match="found 4 measurements of 2 networks; accepted: 3 or more"):
        calibrate(networks[:2] * 2, times[:2] * 2, SMALL)


def test_large_tables_leave_parts_out(monkeypatch):
    networks = [chain(Blocks.load("mnasnet"), row).layers() for row in rows(30, 9)]
    times = [1e3 * run(layers, SMALL).milliseconds for layers in networks]
    monkeypatch.setattr("lbt.hardware.calibrate.FOLDS", 5)
    fits = []
    fit = calibration._fit
    monkeypatch.setattr(calibration, "_fit", lambda *given: fits.append(1) or fit(*given))
    assert calibrate(networks, times, SMALL).error < 1e-6
    assert len(fits) == 5 * len(calibration.STRENGTHS) + 1


def test_measurements_in_other_units_are_told(tmp_path, capsys):
    networks = rows(8, 10)
    layers = [chain(Blocks.load("mnasnet"), row).layers() for row in networks]
    ms = [run(one, Processor.load("dpu-zcu102")).milliseconds for one in layers]
    mixed = write(tmp_path / "mixed.csv", networks, ms=[*ms[:3], 1e3 * ms[3], *ms[4:]])
    main(["latency", "--table", str(mixed), "--measured", "ms"])
    assert "ms: far from what the other rows suggest, in another unit? line 5 (1e+03 ×)" in capsys.readouterr().err
    wrong = write(tmp_path / "wrong.csv", networks, us=ms)
    main(["calibrate", "--measured", str(wrong), "--column", "us", "--out", str(tmp_path / "mine.yaml")])
    assert "us: 0.001 × the processor's latencies; --unit says the column's unit" in capsys.readouterr().err
    far = write(tmp_path / "far.csv", networks, s=[1e6 * one for one in ms])
    with pytest.raises(SystemExit):
        main(["calibrate", "--measured", str(far), "--column", "s", "--out", str(tmp_path / "mine.yaml")])
    assert "measurements are 1e+09 × the data sheet's latencies; accepted: within 100,000 ×" in capsys.readouterr().err


def test_columns_without_order_or_values(tmp_path, capsys):
    networks = rows(6, 11)
    table = write(tmp_path / "odd.csv", networks, none_ms=[""] * 6, same_ms=[5.0] * 6)
    main(["latency", "--table", str(table), "--measured", "same_ms"])
    assert "Kendall's tau 0.000" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["latency", "--table", str(table), "--measured", "none_ms"])
    assert "none_ms: found no value; accepted: a measurement in at least one row" in capsys.readouterr().err
    main(["calibrate", "--measured", str(table), "--column", "same_ms", "--out", str(tmp_path / "mine.yaml")])
    assert "nan" not in capsys.readouterr().out
