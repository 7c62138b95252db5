"""Boards: what a device offers to a training accelerator, read from ``params/boards/<name>.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from lbt.config import Section, find_yaml, load_yaml, yaml_names
from lbt.hardware import bram

Target = Literal["xc7", "xcup", "ecp5"]
"""The synthesis target whose unit counts hold on the board: 7-series, UltraScale+, or the open LUT4 flow for ECP5."""


class Usable(Section):
    """The share of each resource that a design can occupy and still be placed and routed at the clock (0 to 1)."""

    lut: float = Field(default=0.7, gt=0, le=1)
    """Share of the LUTs."""
    ff: float = Field(default=0.7, gt=0, le=1)
    """Share of the flip-flops."""
    dsp: float = Field(default=0.8, gt=0, le=1)
    """Share of the DSP blocks."""
    bram: float = Field(default=0.8, gt=0, le=1)
    """Share of the block RAM and the UltraRAM."""


class Board(Section):
    """One device on one board."""

    device: str
    """Part number of the device, for people."""
    target: Target
    """Synthesis target that the unit library is read for: xc7, xcup or ecp5."""
    lut: int = Field(gt=0, le=10**8)
    """LUTs (6-input on xc7 and xcup, 4-input on ecp5)."""
    ff: int = Field(gt=0, le=10**8)
    """Flip-flops."""
    dsp: int = Field(ge=0, le=10**6)
    """DSP blocks (DSP48E1, DSP48E2 or MULT18X18D)."""
    bram18: int = Field(ge=0, le=10**6)
    """Block RAMs of 18 kbit."""
    uram: int = Field(0, ge=0, le=10**6)
    """UltraRAMs of 288 kbit. They add capacity, not ports."""
    clock: float = Field(ge=1, le=2000)
    """Highest clock of the accelerator in MHz (not Hz or GHz), an assumption; its units may reach less
    (docs/hardware.md, Clock)."""
    bandwidth: float = Field(ge=1e-4, le=4000)
    """Peak bandwidth of the external memory in GB/s (10⁹ bytes, not MB/s or Gbit/s)."""
    efficiency: float = Field(default=0.85, gt=0, le=1)
    """Share of the peak bandwidth that long bursts reach."""
    dram_energy: float = Field(default=1300, gt=0, le=1e6)
    """Picojoules of 64 bits to or from the external memory (1,300: DDR; M. Horowitz, ISSCC 2014)."""
    memory: float = Field(gt=0, le=1e7)
    """External memory in MB (10⁶ bytes)."""
    usable: Usable = Usable()
    """Share of each resource that may be filled."""
    source: str
    """Source of the numbers: data sheet, manual, measurement."""

    @property
    def usable_lut(self) -> int:
        """LUTs that a design may occupy."""
        return int(self.lut * self.usable.lut)

    @property
    def usable_dsp(self) -> int:
        """DSP blocks that a design may occupy."""
        return int(self.dsp * self.usable.dsp)

    @property
    def usable_bram18(self) -> int:
        """Block RAMs that a design may occupy."""
        return int(self.bram18 * self.usable.bram)

    @property
    def usable_ff(self) -> int:
        """Flip-flops that a design may occupy."""
        return int(self.ff * self.usable.ff)

    @property
    def bytes_per_cycle(self) -> float:
        """Bytes to or from the external memory in one clock cycle."""
        return self.bandwidth * self.efficiency * 1e9 / (self.clock * 1e6)

    def sram(self, width: int = 8) -> int:
        """Bytes of on-chip memory that a design may occupy with numbers of ``width`` bits."""
        return bram.capacity(self.usable_bram18, int(self.uram * self.usable.bram), width)

    @classmethod
    def load(cls, name: str | Path) -> Board:
        """The board called ``name``, or the one in the YAML file at that path.

        Raises:
            LbtError: no such board (the nearest spelling is named), or a missing, unknown or negative field.
        """
        return load_yaml(find_yaml("boards", name), cls)

    @staticmethod
    def names() -> list[str]:
        """Names that :meth:`load` knows."""
        return yaml_names("boards")
