"""A mask's instruction list, run by a slow interpreter, computes the masked layer; what is skipped is what is saved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lbt.errors import LbtError
from lbt.hardware.array import Array, cycles
from lbt.hardware.instructions import Program, compile_masks
from lbt.hardware.ops import Gemm
from lbt.hardware.trace import Graph, trace

ARRAY = Array(4, 4)


@pytest.fixture(scope="module")
def graph() -> Graph:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 6, 3, padding=1), nn.Flatten(), nn.Linear(6 * 25, 5)
    )
    return trace(model, (3, 5, 5))


def interpret(program: Program, layer: str, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Every instruction of one layer as loops over its tile: x (positions, taps, c_in), w (taps, c_in, c_out)."""
    ins, outs = program.gather[layer]
    packed_x, packed_w = x[:, :, list(ins)], w[:, list(ins)][:, :, list(outs)]
    result = np.zeros((len(x), w.shape[2]), np.int64)
    seen = np.zeros_like(result)
    for one in program.instructions:
        if one.layer != layer:
            continue
        assert one.inner == packed_x.shape[1] * packed_x.shape[2]
        assert 1 <= one.rows <= ARRAY.rows
        assert 1 <= one.cols <= ARRAY.cols
        for row in range(one.row, one.row + one.rows):
            for col in range(one.col, one.col + one.cols):
                result[row, outs[col]] = (packed_x[row] * packed_w[:, :, col]).sum()
                seen[row, outs[col]] += 1
    assert seen.max() <= 1  # no output is computed twice
    return result


@settings(max_examples=15, deadline=None)
@given(st.lists(st.booleans(), min_size=8, max_size=8), st.lists(st.booleans(), min_size=6, max_size=6))
def test_the_instructions_compute_the_masked_layer(graph: Graph, first: list[bool], second: list[bool]) -> None:
    program = compile_masks(graph, {"0": first, "2": second}, ARRAY)
    random = np.random.default_rng(3)
    x, w = random.integers(-9, 10, (25, 9, 8)), random.integers(-9, 10, (9, 8, 6))
    keep_in, keep_out = np.array(first), np.array(second)
    expected = np.einsum("ptc,tco->po", x * keep_in, w * keep_out)
    assert np.array_equal(interpret(program, "2", x, w), expected)


def test_the_whole_network_takes_the_schedule_s_cycles(graph: Graph) -> None:
    program = compile_masks(graph, {}, ARRAY, batch=2)
    layers = (Gemm(50, 27, 8), Gemm(50, 72, 6), Gemm(2, 150, 5))
    # SCALE-Sim counts one cycle less per product
    assert program.cycles(ARRAY) == sum(cycles(gemm, "os", ARRAY) + 1 for gemm in layers)
    assert len(program.instructions) == 13 * 2 + 13 * 2 + 2


def test_a_mask_saves_the_tiles_of_its_channels(graph: Graph) -> None:
    whole = compile_masks(graph, {}, ARRAY)
    half = compile_masks(graph, {"0": [1, 0] * 4, "2": [1, 0, 0] * 2}, ARRAY)
    count = {layer: sum(i.layer == layer for i in half.instructions) for layer in ("0", "2", "4")}
    assert count == {"0": 7, "2": 7, "4": 2}
    assert half.gather["2"] == ((0, 2, 4, 6), (0, 3))
    assert half.gather["4"][0] == tuple(range(25)) + tuple(range(75, 100))
    assert half.cycles(ARRAY) < 0.6 * whole.cycles(ARRAY)


def test_nothing_is_left_of_a_layer_without_channels(graph: Graph) -> None:
    none = compile_masks(graph, {"0": [0] * 8}, ARRAY)
    assert {i.layer for i in none.instructions} == {"4"}
    assert none.gather["2"] == ((), tuple(range(6)))


def test_the_table_has_a_row_per_instruction(graph: Graph) -> None:
    program = compile_masks(graph, {}, ARRAY)
    table = program.table()
    assert table.column_names == ["layer", "row", "rows", "col", "cols", "inner"]
    assert table.num_rows == len(program.instructions)


def test_depthwise_channels_run_one_by_one() -> None:
    graph = trace(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, groups=4)), (4, 4, 4))
    program = compile_masks(graph, {"0": [1, 1, 0, 1]}, ARRAY)
    assert [(i.col, i.cols, i.inner) for i in program.instructions[::4]] == [(0, 1, 9), (1, 1, 9), (2, 1, 9)]


def test_a_mask_of_no_layer(graph: Graph) -> None:
    with pytest.raises(LbtError, match="unknown layer '7'"):
        compile_masks(graph, {"7": [1]}, ARRAY)
