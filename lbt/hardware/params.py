"""Knobs of the hardware stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lbt.config import Section

Style = Literal["auto", "packed", "dsp", "booth", "plain"]
Flow = Literal["best", "os", "ws", "is"]


class HardwareParams(Section):
    """Board and assumptions of the cost model."""

    board: str = "zcu102"
    """Name of a file in params/boards, or a path to one."""
    batch: int = Field(default=32, ge=1, le=65536)
    """Images per training step."""
    style: Style = "auto"
    """Build of the multipliers: packed (two in a DSP block that share an operand; integers of up to 8 bits on
    UltraScale+), dsp, booth (radix-4 rows on the carry chain), plain (a*b in LUTs), or auto: DSP blocks as far as they
    reach and LUTs beyond, whichever is fastest."""
    array: str = Field(default="auto", pattern=r"^(auto|square|[1-9]\d{0,3}x[1-9]\d{0,3})$")
    """Rows × columns of the array, such as 32x16; auto: those in which the network's step is fastest; square: the
    largest square that fits."""
    dataflow: Flow = "best"
    """Dataflow of every product: os, ws, is (output, weight, input stationary), or best: for each product the one with
    the least product of energy and time."""
    rounder: Literal["lfsr", "hash"] = "lfsr"
    """Random numbers of stochastic rounding: a shift register, or the trainer's counter hash (bit-exact, larger)."""
    lanes: Literal["auto"] | Annotated[int, Field(ge=1, le=1024)] = "auto"
    """Lanes for batch norm, additions and the update that the columns share, each one element a cycle. A number is an
    upper bound: there are fewer where they would take over half of the LUTs that may be used. auto: as many as make the
    step fastest."""
    accumulator: Literal["auto"] | Annotated[int, Field(ge=16, le=48)] = "auto"
    """Bits of an integer accumulator; auto: the fewest with which no sum of the network wraps, 48 at most."""
    clock: float | None = Field(default=None, ge=0.001, le=2000)
    """Clock in MHz, instead of the board's and of the one that the units are estimated to reach: what was measured."""
    teacher: bool = True
    """Store a second network (the teacher of self-ensembling) on the device."""
    images: int = Field(default=1000, ge=0, le=1_000_000_000)
    """Images of the user's that are stored on the device."""
