"""The whole answer: it prints, masks save, the stage writes tables, mistakes are one line."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import lbt
import lbt.hardware
from lbt.artifacts import read_table
from lbt.errors import LbtError
from lbt.hardware.accelerator import draws, random_source, requantizer, update_unit
from lbt.hardware.boards import Board
from lbt.hardware.params import HardwareParams
from lbt.hardware.precision import Precision
from lbt.hardware.stage import Inputs, Outputs, run


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1),
        nn.Flatten(),
        nn.Linear(8 * 64, 10),
    )


def test_cost_is_public_and_prints() -> None:
    result = lbt.cost(network(), (1, 16, 16), recipe="int8", board="zedboard", batch=8)
    assert result.fits
    assert result.unknown == []
    assert "int8 on zedboard" in str(result)
    assert result.images_per_second > 0
    with pytest.raises(LbtError, match="unknown recipe 'int9'"):
        lbt.cost(network(), (1, 16, 16), recipe="int9")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("digit_cnn", r"cost: found str; accepted: a torch\.nn\.Module \(lbt\.models\.build\)"),
        (
            nn.Sequential(nn.Flatten(), nn.LazyLinear(3)),
            "cost: parameter '1.weight' is not initialised yet: run one batch",
        ),
    ],
)
def test_what_has_no_cost_is_one_line(model: object, words: str) -> None:
    with pytest.raises(LbtError, match=words):
        lbt.cost(model, (1, 16, 16))  # type: ignore[arg-type]


def test_a_recipe_that_is_no_name_is_one_line() -> None:
    with pytest.raises(LbtError, match=r"recipe: found {'W': 'int8'}; accepted: a name, or the path of a YAML file"):
        lbt.cost(network(), (1, 16, 16), recipe={"W": "int8"})  # type: ignore[arg-type]


def test_an_unknown_layer_is_reported() -> None:
    result = lbt.cost(nn.Sequential(nn.Conv2d(1, 2, 1), nn.ConvTranspose2d(2, 2, 2)), (1, 4, 4), recipe="fp32")
    assert any("conv_transpose" in name for name in result.unknown)
    head, *rest = str(result).splitlines()
    assert head.endswith("; WITHOUT 1 layer that no cost rule counts (last line)")
    assert rest[-1] == "  not counted, no cost rule: 1.convolution (conv_transpose)"
    assert any(line.startswith("  at most ") and "at least" in line for line in rest)
    assert any(line.startswith("  storage at least ") for line in rest)


def test_a_network_that_is_counted_whole_has_no_bounds() -> None:
    told = str(lbt.cost(network(), (1, 16, 16)))
    assert not any(word in told for word in ("WITHOUT", "at most", "at least"))


class Decoder(nn.Module):
    """Attention from one sequence to another, with a mask; both arguments, or a mapping of them, in one forward."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.head = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor, memory: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        y: torch.Tensor = self.head(self.attention(x, memory, memory, key_padding_mask=mask, need_weights=False)[0])
        return y


def macs(result: lbt.hardware.Cost) -> float:
    return result.by_pass()["forward"]["macs"]


def test_an_example_of_several_arguments_is_counted_by_sample() -> None:
    x, memory, mask = torch.randn(6, 3, 16), torch.randn(6, 5, 16), torch.zeros(6, 5, dtype=torch.bool)
    one = (3 + 5 + 5 + 3) * 16 * 16 + 2 * 3 * 5 * 16 + 3 * 16 * 4
    batches = ((x, memory, mask), [x, memory], {"x": x, "memory": memory, "mask": mask}, (x[:1], memory[:1]))
    assert {macs(lbt.cost(Decoder(), batch, batch=1)) for batch in batches} == {one}
    shape, tensor = (macs(lbt.cost(network(), batch, batch=1)) for batch in ((1, 16, 16), torch.randn(2, 1, 16, 16)))
    assert shape == tensor


class Experts(nn.Module):
    """The data choose the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = torch.full((len(x),), True)
        return torch.cat([self.layers[0](x[first]), self.layers[1](x[~first])])


def test_a_layer_that_the_example_does_not_reach_is_named() -> None:
    result = lbt.cost(Experts(), torch.randn(1, 8), batch=1)
    assert "layers.1 (Linear of no elements)" in result.unknown
    assert macs(result) == 64


def test_tokens_are_an_example_too() -> None:
    result = lbt.cost(nn.Sequential(nn.Embedding(9, 8), nn.Linear(8, 4)), torch.zeros(2, 5, dtype=torch.int64), batch=1)
    assert result.unknown == ["0.embedding (embedding)"]
    assert macs(result) == 5 * 8 * 4


@pytest.mark.parametrize(
    ("example", "told"),
    [
        ((torch.zeros(2, 3, 16), torch.zeros(4, 5, 16)), "example: found tensors with first axes of 2, 4; accepted: a"),
        ((torch.tensor(1.0),), "example: found tensors with first axes of 0"),
        (({"x": 1},), "example: found tensors with first axes of no size"),
        ({"y": torch.zeros(1, 3, 16)}, "example of .1, 3, 16.: the model does not accept it: .*unexpected keyword"),
        ((torch.zeros(1, 3, 16), torch.zeros(1, 5, 8)), "the model does not accept it"),
        ((3, 16), "input shape .3, 16.: the model does not accept it: .*missing 1 required positional"),
        ((3, -1), "input shape: found .3, -1.; accepted: positive integers"),
    ],
)
def test_an_example_that_does_not_fit_is_one_line(example: Any, told: str) -> None:
    with pytest.raises(LbtError, match=told):
        lbt.cost(Decoder(), example)


def test_masks_save_cycles_and_energy() -> None:
    whole = lbt.cost(network(), (1, 16, 16), board="zedboard")
    pruned = lbt.cost(network(), (1, 16, 16), board="zedboard", masks={"0": [1, 0] * 4, "3": [1, 1, 0, 0] * 2})
    assert pruned.metrics()["macs_per_image"] < whole.metrics()["macs_per_image"]
    assert pruned.joules_per_image < whole.joules_per_image


def test_the_stage_writes_its_tables(tmp_path: Path) -> None:
    outputs = Outputs(**{name: tmp_path / f"{name}.parquet" for name in ("layers", "comparison", "norms")})
    inputs = Inputs(model=network(), input_shape=(1, 16, 16), recipe="int8")
    metrics = run(HardwareParams(batch=4), inputs, outputs)
    layers, comparison = read_table(outputs.layers), read_table(tmp_path / "comparison.parquet")
    assert metrics["macs_per_image"] == sum(layers["macs"].to_pylist()) / 4
    assert comparison["precision"].to_pylist() == ["fp32", "fp16", "int8", "recipe int8"]
    assert metrics["x_best_dataflow"] > 0.8  # the choice weighs energy, too
    norms = {row["norm"]: row for row in read_table(tmp_path / "norms.parquet").to_pylist()}
    assert norms["float_bn"]["norm_energy_share"] > norms["affine_grad_bn"]["norm_energy_share"] > 0
    assert norms["float_bn"]["energy_per_image_mj"] == pytest.approx(metrics["energy_per_image_mj"])
    again = outputs.layers.read_bytes()
    assert run(HardwareParams(batch=4), inputs, outputs) == metrics
    assert outputs.layers.read_bytes() == again


def test_an_inference_stores_no_images() -> None:
    model = nn.Sequential(nn.Linear(8, 4))
    stored = lbt.cost(model, (8,), batch=4, training=False).metrics()
    assert stored["storage_target_data_bytes"] == 0
    assert lbt.cost(model, (8,), batch=4).metrics()["storage_target_data_bytes"] > 0


def test_a_board_that_is_too_small_says_what_it_lacks() -> None:
    board = Board.load("zcu102").model_copy(update={"lut": 300, "dsp": 0})
    told = str(lbt.cost(nn.Sequential(nn.Linear(8, 4)), (8,), board=board))
    assert "does not fit, too few lut" in told
    assert "one cell, the end of its column and one lane take" in told
    assert "images/s" not in told


def test_the_answer_says_which_random_numbers_are_costed() -> None:
    """The trainer rounds by its hash: a shift register is told as such, with the LUTs that the hash takes beyond it."""

    def answer(recipe: object, **options: object) -> lbt.hardware.estimate.Cost:
        chosen = HardwareParams(array="16x8", lanes=4, **options)
        return lbt.cost(network(), (1, 16, 16), recipe=recipe, board="zcu102", options=chosen)

    integer, exact = Precision.uniform("int8"), answer(Precision.uniform("int8"), rounder="hash")
    shifted = answer(integer)
    assert "stochastic rounding by 12 shift registers; the trainer rounds by a counter hash" in str(shifted)
    assert "stochastic rounding by 12 counter hashes, as the trainer rounds, bit for bit" in str(exact)
    more = exact.accelerator.total.lut - shifted.accelerator.total.lut
    assert shifted.metrics()["rounder_hash_lut"] == round(more) == 12 * (823 - 89)
    assert exact.metrics()["rounder_hash_lut"] == 0
    assert answer("fp32").metrics()["rounder"] == "none"
    assert "stochastic" not in str(answer("fp32"))


def test_floats_that_are_rounded_stochastically_have_random_numbers() -> None:
    fp8 = Precision.uniform("fp8")
    error = replace(fp8["E"], rounding="stochastic")
    drawn = replace(fp8, roles={**fp8.roles, "E": error})
    weights = replace(fp8, master=replace(fp8.master, rounding="stochastic"))
    assert [draws(one) for one in (fp8, drawn, weights)] == [(False, False), (True, False), (False, True)]
    source = random_source("xc7", "lfsr").lut
    assert requantizer(drawn, "xc7", 32, "lfsr").lut == source
    assert update_unit(weights, "xc7", "lfsr").lut - update_unit(fp8, "xc7", "lfsr").lut == source


def test_the_answer_says_which_norm_is_costed_and_which_trains() -> None:
    def answer(norm: str) -> lbt.hardware.estimate.Cost:
        precision = replace(Precision.uniform("int8"), norm=norm)
        return lbt.cost(network(), (1, 16, 16), recipe=precision, options=HardwareParams(array="16x8", lanes=4))

    exact, ranged = answer("integer_bn"), answer("range_bn")
    for told, bits, digits, trained in ((exact, 16, 45, "16-bit integers"), (ranged, 8, 29, "float32")):
        lanes = f"fixed-point lanes of {bits}-bit codes with a divider of {digits} digits each"
        assert f"{told.precision.norm} in {lanes}; the trainer computes it in {trained}" in str(told)
    assert "float_bn in float32 lanes, quotients and roots by Newton's steps" in str(answer("float_bn"))
    assert "divide-quotient-xcup-29-0-0" in [unit.name for unit in ranged.accelerator.lane.parts]
    assert "lanes" not in str(lbt.cost(nn.Sequential(nn.Linear(4, 2)), (4,))).split("MACs")[1].split("\n", 1)[1]


def test_quotients_take_their_time_on_small_maps() -> None:
    """One value a channel and image: the divider's digits decide, not the elements."""
    model = nn.Sequential(nn.Conv2d(4, 8, 1), nn.BatchNorm2d(8))
    options = HardwareParams(array="8x8", lanes=2)
    found = lbt.cost(model, (4, 1, 1), recipe=Precision.uniform("int8"), batch=2, options=options)
    (row,) = (r for r in found.rows if r.work.kind == "norm:range_bn" and r.work.stage == "forward")
    digits = found.accelerator.digits
    assert digits == 2 * 8 + 1
    assert row.cycles == 8 * digits / 2  # a quotient for each of eight channels, on two lanes


@pytest.mark.parametrize("batch", [1, 4096])
def test_totals_are_the_sums_of_the_rows(batch: int) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 1),
        nn.ConvTranspose2d(16, 4, 2), nn.Flatten(), nn.LazyLinear(3),
    )  # fmt: skip
    model(torch.zeros(2, 3, 1, 1))
    for masks in (None, {"0": [1, 0] * 4, "4": [0] * 15 + [1]}):
        found = lbt.cost(model, (3, 1, 1), batch=batch, masks=masks)
        table, passes = found.table().to_pydict(), found.by_pass().values()
        columns = {"macs": "macs", "cycles": "cycles", "traffic": "traffic_bytes", "energy": "energy_joules"}
        for name, column in columns.items():
            assert sum(one.get(name, 0) for one in passes) == pytest.approx(sum(table[column]))
        assert all(0 <= used <= 1 for used in table["utilisation"])
        assert all(isfinite(value) and value >= 0 for row in found.table().to_pylist() for value in row.values()
                   if isinstance(value, float))  # fmt: skip
        assert found.metrics()["macs_per_image"] == sum(table["macs"]) / batch
