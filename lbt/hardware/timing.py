"""Cycles, traffic and energy of each layer and pass on a given accelerator.

    time of a product      max(first block in + cycles of the array + last block out, bytes / bandwidth · clock)
    time of anything else  max(elements / lanes, bytes / bandwidth · clock); ReLU rides on what precedes it
    of a batch norm        the same, and no less than the digits of its channels' quotients and roots / lanes

A batch norm whose input is a product's result takes its first look at the elements as they leave the array (and its
backward pass, at the errors as they leave the error product): that read costs no traffic, and no time as far as the
lanes keep pace with the product. What must know a statistic of the whole channel first is a pass of its own.

A layer whose recipe is wider than the array's multipliers is composed of ⌈a/a₀⌉·⌈b/b₀⌉ narrower products, and takes
that many times the cycles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lbt.hardware import array as systolic
from lbt.hardware import energy
from lbt.hardware.array import DATAFLOWS, Array, Dataflow
from lbt.hardware.masks import Channels
from lbt.hardware.ops import FUSED, Work
from lbt.hardware.params import HardwareParams
from lbt.hardware.precision import Number, Precision
from lbt.hardware.trace import PRODUCTS, Graph, Node

Key = tuple[str, str]
"""Layer and pass."""


@dataclass(frozen=True)
class Machine:
    """The accelerator and its memory, as the schedule sees them.

    Attributes:
        array: the array.
        lanes: elements a cycle that norms, additions and the update take.
        a_bits, b_bits: operand widths of a multiplier, a ≥ b.
        dram: picojoules of 64 bits to or from external memory.
        digits: of a quotient of the lanes' dividers; 0 if they have none.
    """

    array: Array
    lanes: int
    a_bits: int
    b_bits: int
    dram: float = energy.DRAM
    digits: int = 0

    def pieces(self, work: Work) -> int:
        """Number of products of the array's width that make one of the layer's."""
        wide, narrow = max(work.x.width, work.y.width), min(work.x.width, work.y.width)
        return max(1, -(-wide // self.a_bits)) * max(1, -(-narrow // self.b_bits))


@dataclass(frozen=True)
class Ride:
    """Elements and bytes of a norm's first look, which it takes as a product's results leave the array."""

    product: Key
    elements: float
    bytes: float


@dataclass(frozen=True)
class Row:
    """One layer in one pass.

    Attributes:
        work: its operations and bytes.
        flow: dataflow of a product; empty otherwise.
        cycles: time.
        utilisation: of the array, 0 to 1; 0 for anything but a product.
        bound: ``compute``, ``bandwidth``, or ``fused``.
        traffic: bytes to and from external memory.
        energy: joules.
        interpolated: true if the energy uses numbers between the published ones.
    """

    work: Work
    flow: str
    cycles: float
    utilisation: float
    bound: str
    traffic: float
    energy: float
    interpolated: bool


def schedule(
    works: Sequence[Work], rides: Mapping[Key, Ride], machine: Machine, options: HardwareParams
) -> tuple[Row, ...]:
    """A row for each of ``works``, in order."""
    idle: dict[Key, float] = {}  # cycles of a product in which the lanes have nothing to do
    rows = []
    for work in works:
        key = (work.layer, work.stage)
        row = _row(work, rides.get(key), idle, machine, options)
        if work.macs:
            idle[key] = row.cycles
        rows.append(row)
    return tuple(rows)


def rides(graph: Graph, precision: Precision, kept: Channels, batch: int, training: bool) -> dict[Key, Ride]:
    """The norms whose first look at their elements is taken while a product runs.

    In training the product's result is still written, since the backward pass reads it; in inference it is not.
    """
    found: dict[Key, Ride] = {}
    producers = {node.output: node for node in graph.nodes}
    for node in graph.nodes:
        if node.kind != "norm":
            continue
        roles, elements = precision.of(node.name), float(batch * kept.elements_out(node))
        before = producers.get(node.inputs[0])
        if before is not None and before.kind in PRODUCTS and len(_readers(graph, before)) == 1:
            moved = elements * roles["A"].bits / 8 * (1 if training else 2)
            found[node.name, "forward"] = Ride((before.name, "forward"), elements, moved)
        after = _product_behind(graph, node)
        if training and after is not None:
            found[node.name, "error"] = Ride((after.name, "error"), elements, elements * roles["E"].bits / 8)
    return found


def _readers(graph: Graph, node: Node) -> list[Node]:
    return [other for other in graph.nodes if node.output in other.inputs]


def _product_behind(graph: Graph, node: Node) -> Node | None:
    """The product that alone reads a node's result, ReLU and views aside."""
    readers = _readers(graph, node)
    while len(readers) == 1 and readers[0].kind in FUSED:
        readers = _readers(graph, readers[0])
    return readers[0] if len(readers) == 1 and readers[0].kind in PRODUCTS else None


def _row(work: Work, ride: Ride | None, idle: Mapping[Key, float], machine: Machine, options: HardwareParams) -> Row:
    joules, interpolated = _operations_energy(work, machine.array.accumulator, options.rounder)
    if work.macs:
        flows = DATAFLOWS if options.dataflow == "best" else (options.dataflow,)
        rows = [_product(work, flow, machine, options, joules, interpolated) for flow in flows]
        return min(rows, key=lambda row: row.cycles * row.energy)
    if not work.known or work.kind in FUSED:
        return Row(work, "", 0.0, 0.0, "fused", 0.0, joules, interpolated)
    ridden, traffic, late = 0.0, work.reads + work.writes, 0.0
    if ride is not None and ride.product in idle:
        ridden, traffic = ride.elements, max(0.0, traffic - ride.bytes)
        late = max(0.0, ride.elements / machine.lanes - idle[ride.product])
    compute = work.lane_cycles(ridden, machine.digits) / machine.lanes
    transfer = traffic / machine.array.bytes_per_cycle
    joules += traffic * machine.dram / energy.WORD * 1e-12
    bound = "bandwidth" if transfer > compute else "compute"
    return Row(work, "", max(compute, transfer) + late, 0.0, bound, traffic, joules, interpolated)


def _product(
    work: Work, flow: Dataflow, machine: Machine, options: HardwareParams, joules: float, interpolated: bool
) -> Row:
    array = machine.array
    run = systolic.run(work.gemms, work.macs, work.operands, flow, array, machine.pieces(work))
    bits = (work.x.bits, work.y.bits, 8 * work.operands[2] / max(1, sum(g.count * g.m * g.n for g in work.gemms)))
    moved = sum(systolic.on_chip(g, bits, flow, array) for g in work.gemms)
    parts = [energy.mac(work.x, work.y, array.accumulator), energy.sram(moved, array.sram / BANKS)]
    joules += (parts[0].pj * work.macs + parts[1].pj + run.traffic * machine.dram / energy.WORD) * 1e-12
    uncertain = interpolated or any(p.interpolated for p in parts)
    return Row(work, flow, run.cycles, run.utilisation, run.bound, run.traffic, joules, uncertain)


BANKS = 6
"""Parts of the on-chip memory, for the energy of an access: two for each operand and two for the result."""

NEWTON = 3
"""Newton steps of a division or a square root, each two multiplications and an addition."""


HASH_ADDITIONS = 24
"""32-bit additions of the counter hash: the digits of its two constant multipliers, and its key."""


FIXED = 32
"""Bits of the fixed-point numbers that norms, additions and updates compute with."""


def _operations_energy(work: Work, accumulator: int, rounder: str) -> tuple[float, bool]:
    """Joules of everything but MACs and memory."""
    number = Number() if work.float_units else Number.integer(FIXED)
    total = Number(accumulator, 0, accumulator)
    one = work.operations
    slow = one.divides + one.square_roots
    adds, multiplies = one.adds + one.comparisons + NEWTON * slow, one.multiplies + 2 * NEWTON * slow
    add, multiply = energy.add(number), energy.multiply(number, number)
    rescale = energy.multiply(total, Number.integer(16))
    draw = HASH_ADDITIONS * energy.add(Number.integer(32)).pj if rounder == "hash" else 0.0
    draw += energy.add(total).pj
    pj = adds * add.pj + multiplies * multiply.pj + work.requantized * rescale.pj + work.stochastic * draw
    return pj * 1e-12, bool(slow or work.requantized or add.interpolated)
