"""Knobs of the hardware stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lbt.config import Section

Style = Literal["auto", "dsp", "booth", "plain"]
Flow = Literal["best", "os", "ws", "is"]


class HardwareParams(Section):
    """Board and assumptions of the cost model."""

    board: str = "zcu102"
    """Name of a file in params/boards, or a path to one."""
    batch: int = Field(default=32, ge=1, le=65536)
    """Images per training step."""
    style: Style = "auto"
    """Build of the multipliers: dsp, booth (radix-4 rows on the carry chain), plain (a*b in LUTs), or auto: whichever
    gives the largest array."""
    dataflow: Flow = "best"
    """Dataflow of every product: os, ws, is (output, weight, input stationary), or best: chosen per product."""
    rounder: Literal["lfsr", "hash"] = "lfsr"
    """Random numbers of stochastic rounding: a shift register, or the trainer's counter hash (bit-exact, larger)."""
    lanes: int = Field(default=8, ge=1, le=1024)
    """Lanes for batch norm, additions and the update that the columns share, each one element a cycle; there are fewer
    where they would take over half of the LUTs that may be used."""
    accumulator: int = Field(default=32, ge=16, le=48)
    """Bits of an integer accumulator."""
    clock: float | None = Field(default=None, ge=0.001, le=2000)
    """Clock in MHz instead of the board's."""
    teacher: bool = True
    """Store a second network (the teacher of self-ensembling) on the device."""
    images: int = Field(default=1000, ge=0, le=1_000_000_000)
    """Images of the user's that are stored on the device."""
