"""The systolic schedule against SCALE-Sim 3.0.0's published numbers and a cycle-by-cycle walk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbt.errors import LbtError
from lbt.hardware.array import DATAFLOWS, Array, cycles, on_chip, run, traffic
from lbt.hardware.ops import Gemm

FORWARD = Gemm(1024, 144, 16)
GRADIENT = Gemm(144, 1024, 16)
SIXTEEN = Array(16, 16)
SCALESIM = {
    ("os", FORWARD): 11135,
    ("ws", FORWARD): 9629,
    ("is", FORWARD): 35711,
    ("os", GRADIENT): 9485,
    ("ws", GRADIENT): 12159,
    ("is", GRADIENT): 35711,
}
"""16 → 16 channels, 3×3, on 32×32, as SCALE-Sim 3.0.0 reports it."""

SIZES = st.integers(1, 60)


@pytest.mark.parametrize(("flow", "gemm"), SCALESIM)
def test_cycles_equal_scalesim(flow: str, gemm: Gemm) -> None:
    assert cycles(gemm, flow, SIXTEEN) == SCALESIM[flow, gemm]


def test_forward_and_gradient_want_different_dataflows() -> None:
    assert min(DATAFLOWS, key=lambda flow: cycles(FORWARD, flow, SIXTEEN)) == "ws"
    assert min(DATAFLOWS, key=lambda flow: cycles(GRADIENT, flow, SIXTEEN)) == "os"


def test_without_a_limit_of_memory_a_run_takes_scalesim_s_cycles() -> None:
    for (flow, gemm), known in SCALESIM.items():
        found = run([gemm], gemm.macs, (16384.0, 2304.0, 16384.0), flow, SIXTEEN)
        assert found.cycles == found.compute == known


def test_the_first_block_and_the_last_are_not_hidden() -> None:
    gemm, operands = Gemm(64, 64, 64), (4096.0, 4096.0, 4096.0)
    found = run([gemm], gemm.macs, operands, "os", Array(8, 8, bytes_per_cycle=32))
    assert found.bound == "compute"
    assert found.cycles == found.compute + 3 * 8 * 8 / 32


@given(SIZES, SIZES, SIZES, st.integers(1, 9), st.integers(1, 9))
def test_output_stationary_folds_one_by_one(m: int, k: int, n: int, rows: int, cols: int) -> None:
    """Every fold streams k values through a skewed array: the last cell starts R + C − 2 cycles after the first."""
    walked = 0
    for _row in range(0, m, rows):
        for _col in range(0, n, cols):
            walked += k + (rows - 1) + (cols - 1)
    assert cycles(Gemm(m, k, n), "os", Array(rows, cols)) == walked - 1


@given(SIZES, SIZES, SIZES, st.sampled_from(DATAFLOWS))
def test_utilisation_never_exceeds_one_and_traffic_never_undercuts_the_compulsory(
    m: int, k: int, n: int, flow: str
) -> None:
    gemm, operands = Gemm(m, k, n), (float(m * k), float(k * n), float(m * n))
    small = Array(4, 4, sram=96, bytes_per_cycle=2)
    one = run([gemm], gemm.macs, operands, flow, small)
    assert 0 < one.utilisation <= 1
    assert one.traffic >= sum(operands)
    assert traffic(gemm, operands, flow, Array(4, 4)) == sum(operands)
    assert on_chip(gemm, (8, 8, 8), flow, small) >= sum(operands)


def test_the_roofline_has_both_sides() -> None:
    gemm, operands = Gemm(64, 64, 64), (4096.0, 4096.0, 4096.0)
    assert run([gemm], gemm.macs, operands, "os", Array(8, 8, bytes_per_cycle=1000)).bound == "compute"
    starved = run([gemm], gemm.macs, operands, "os", Array(8, 8, bytes_per_cycle=0.5))
    assert starved.bound == "bandwidth"
    assert starved.cycles == starved.traffic / 0.5


def test_a_pruned_product_takes_no_cycles() -> None:
    assert cycles(Gemm(4, 0, 4), "os", SIXTEEN) == 0
    assert traffic(Gemm(4, 0, 4), (0, 0, 0), "os", SIXTEEN) == 0


def test_bad_arrays_and_flows() -> None:
    with pytest.raises(LbtError, match="found 0×4; accepted: at least 1×1"):
        Array(0, 4)
    with pytest.raises(LbtError, match="unknown dataflow 'rs'"):
        cycles(FORWARD, "rs", SIXTEEN)  # type: ignore[arg-type]
    with pytest.raises(LbtError, match="unknown dataflow 'rs'"):
        run([FORWARD], FORWARD.macs, (1, 1, 1), "rs", SIXTEEN)  # type: ignore[arg-type]
