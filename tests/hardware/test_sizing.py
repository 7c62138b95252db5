"""Shape, lanes and cells are chosen for a network, fit the board, and say what limits them; block RAMs are packed."""

from __future__ import annotations

import pytest
from torch import nn

import lbt
from lbt.errors import LbtError
from lbt.hardware.accelerator import cell
from lbt.hardware.boards import Board
from lbt.hardware.bram import banks, capacity
from lbt.hardware.cells import builds, packed
from lbt.hardware.params import HardwareParams
from lbt.hardware.precision import Precision
from lbt.hardware.sizing import size

INT8 = Precision.uniform("int8")


def network() -> nn.Sequential:
    """Few channels on large maps: a square array is half empty."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1),
        nn.BatchNorm2d(16), nn.ReLU(),
    )  # fmt: skip


def cost(board: str | Board = "zcu102", batch: int = 16, **options: object) -> lbt.hardware.estimate.Cost:
    return lbt.cost(network(), (3, 32, 32), board=board, batch=batch, options=HardwareParams(**options))


def test_a_shape_for_the_network_is_faster_than_the_largest_square() -> None:
    square, fitted = cost(array="square"), cost()
    assert square.accelerator.rows == square.accelerator.cols
    assert fitted.accelerator.rows > fitted.accelerator.cols  # 9 · 16 inputs, 16 outputs
    assert fitted.cycles < square.cycles
    assert fitted.cycles <= cost(lanes=8).cycles * 1.01
    assert fitted.accelerator.total.lut <= fitted.board.usable_lut
    assert fitted.accelerator.total.dsp <= fitted.board.usable_dsp


def test_an_array_that_is_asked_for() -> None:
    found = cost(array="12x7", lanes=3).accelerator
    assert (found.rows, found.cols, found.lanes) == (12, 7, 3)
    with pytest.raises(LbtError, match=r"hardware.array: found 900x900; XC7Z020-1CLG484 has too few lut for it"):
        cost("zedboard", array="900x900")
    with pytest.raises(LbtError, match=r"HardwareParams: array: found '12\*7'"):
        HardwareParams(array="12*7")
    with pytest.raises(LbtError, match=r"HardwareParams: lanes.*found 0"):
        HardwareParams(lanes=0)


def test_cells_are_in_dsp_blocks_as_far_as_these_reach() -> None:
    board = Board.load("zcu102")
    by_style = {build.style: build for build in builds(INT8, board, "auto", 32)}
    assert set(by_style) == {"booth", "dsp+booth", "packed+booth"}
    mixed, dsp, booth = by_style["dsp+booth"], cell(INT8, "xcup", "dsp", 32), cell(INT8, "xcup", "booth", 32)
    assert mixed.cells(100).lut == 100 * dsp.lut
    assert mixed.cells(board.usable_dsp + 10).lut == board.usable_dsp * dsp.lut + 10 * booth.lut
    assert mixed.cells(board.usable_dsp + 10).dsp == board.usable_dsp
    assert by_style["packed+booth"].cells(2 * board.usable_dsp).dsp == board.usable_dsp
    assert [build.style for build in builds(INT8, board, "booth", 32)] == ["booth"]


def test_two_cells_share_a_block_only_where_their_products_fit_it() -> None:
    assert packed(INT8, "xcup", 32).dsp == 0.5
    assert packed(INT8, "xcup", 32).lut > cell(INT8, "xcup", "dsp", 32).lut
    for precision, target in ((INT8, "xc7"), (Precision.uniform("int12"), "xcup"), (Precision.uniform("fp16"), "xcup")):
        with pytest.raises(LbtError, match=r"style: found packed .* accepted: integers of up to 8 bits on xcup"):
            packed(precision, target, 32)


def test_the_limit_names_what_takes_the_time() -> None:
    board = Board.load("zcu102")
    assert cost(board.model_copy(update={"bandwidth": 0.05})).limit == "bandwidth"
    assert cost(lanes=1).limit == "lanes"
    few_registers = board.model_copy(update={"ff": 3000})
    assert size(INT8, few_registers, HardwareParams()).limit == "ff"
    assert size(INT8, board.model_copy(update={"bram18": 40}), HardwareParams()).limit == "buffers"
    assert cost("u55c", array="8x8", lanes=64).accelerator.limit in ("lut", "none")


def test_words_share_a_block_ram() -> None:
    assert banks(16, 8) == 4  # four numbers of 8 bits in a word of 36
    assert banks(16, 12) == banks(18, 12) == 6
    assert banks(5, 32) == banks(5, 36) == 5
    assert banks(5, 48) == 10
    assert capacity(1, 0, 8) == capacity(1, 0, 16) == 2048
    assert capacity(0, 1, 8) == 32768
    assert capacity(1, 0, 24) == 1536  # a byte of each word is lost
    assert capacity(1, 0, 9) == 2304


def test_a_norm_behind_a_product_takes_its_first_look_for_free() -> None:
    apart = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.MaxPool2d(1), nn.BatchNorm2d(16))
    joined = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16))
    options = HardwareParams(array="16x16", lanes=4)
    rows = [
        next(r for r in lbt.cost(net, (3, 16, 16), options=options).rows if r.work.kind.startswith("norm"))
        for net in (apart, joined)
    ]
    assert rows[0].traffic - rows[1].traffic == 32 * 16 * 16 * 16  # one byte an element
    assert rows[1].cycles < rows[0].cycles


def test_memory_that_costs_more_energy_and_a_bus_that_idles() -> None:
    board = Board.load("zedboard")
    dear = board.model_copy(update={"dram_energy": 2 * board.dram_energy})
    assert cost(dear).joules_per_image > cost(board).joules_per_image
    slow = board.model_copy(update={"efficiency": 0.01})
    assert cost(slow).images_per_second < cost(board).images_per_second


def test_the_best_dataflow_weighs_energy_and_time() -> None:
    one = {flow: cost("vc707", dataflow=flow, array="32x16") for flow in ("best", "os", "ws", "is")}
    waste = {flow: found.joules_per_image * found.seconds for flow, found in one.items()}
    assert waste["best"] <= 1.01 * min(waste.values())
    for best, *fixed in zip(*(found.rows for found in one.values()), strict=True):
        assert best.cycles * best.energy <= min(row.cycles * row.energy for row in fixed) * (1 + 1e-9) or not best.flow
