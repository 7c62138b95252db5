"""Delays of the families' cells, and the period of a path that is made of them.

    period = register + nets · net + luts · lut + muxes · mux + chains · chain + carries · carry
             + blocks · block + captures · capture

A net takes what a typical local route takes, everything else is the delay of a cell.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Path:
    """Cells on a path between two registers.

    Attributes:
        nets: routed nets; a LUT and the carry cell or register behind it share a slice and need none.
        luts: LUTs.
        muxes: multiplexers that join the LUTs of a slice.
        chains: carry chains entered.
        carries: carry cells in these chains behind the first of each: 4 bits each (xc7, xcup), 2 bits (ecp5).
        blocks: DSP blocks passed without a register inside.
        captures: 1 if the path ends in a register inside a DSP block.
    """

    nets: int = 0
    luts: int = 0
    muxes: int = 0
    chains: int = 0
    carries: int = 0
    blocks: int = 0
    captures: int = 0

    @property
    def depth(self) -> int:
        """Cells."""
        return self.luts + self.muxes + self.chains + self.carries + self.blocks


@dataclass(frozen=True)
class Delays:
    """Nanoseconds of a family's cells, by :class:`Path`'s names, and their source."""

    register: float
    net: float
    lut: float
    mux: float
    chain: float
    carry: float
    block: float
    capture: float
    source: str

    def period(self, path: Path) -> float:
        """Nanoseconds of a path from register to register."""
        cells = path.luts * self.lut + path.muxes * self.mux + path.chains * self.chain + path.carries * self.carry
        blocks = path.blocks * self.block + path.captures * self.capture
        return self.register + path.nets * self.net + cells + blocks


DELAYS: dict[str, Delays] = {
    "xc7": Delays(
        register=0.518, net=0.5, lut=0.124, mux=0.296, chain=0.532 + 0.222, carry=0.114, block=2.823, capture=1.416,
        source="FloPoCo's Zynq-7000 (-1) from Vivado's reports; multiplexers and DSP48E1: Project X-Ray and Yosys",
    ),
    "xcup": Delays(
        register=0.150, net=0.180, lut=0.148, mux=0.148, chain=0.115 + 0.116 + 0.011, carry=(0.015 + 0.026) / 2,
        block=1.941, capture=1.083,
        source="FloPoCo's Virtex UltraScale+ (-2) from Vivado's reports; DSP48E2 from routed reports of a xczu3eg (-1)",
    ),
    "ecp5": Delays(
        register=0.525, net=0.96, lut=0.236, mux=0.151, chain=0.447 + 0.443, carry=0.071, block=3.927, capture=3.927,
        source="Project Trellis, speed grade 6 (multiplexers: Yosys); nets: nextpnr's estimate between neighbours",
    ),
}  # fmt: skip
"""By synthesis target."""


@dataclass(frozen=True)
class Stage:
    """Logic between two registers that is no unit of the library: its name, and its path (None: unknown)."""

    name: str
    path: Path | None = None
