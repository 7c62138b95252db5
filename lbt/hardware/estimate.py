"""Cost of low-bit training on a board: what fits, how fast, at what energy, what limits it.

    time of a product      max(cycles of the array, bytes / bandwidth · clock)
    time of anything else  max(elements / lanes, bytes / bandwidth · clock); ReLU rides on what precedes it
    images per second      batch · clock / Σ time
    energy                 Σ MACs and operations · pJ + bytes on chip · pJ + bytes off chip · pJ

A layer whose recipe is wider than the array's multipliers is composed of ⌈a/a₀⌉·⌈b/b₀⌉ narrower products, and takes
that many times the cycles.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
from torch import nn

from lbt.hardware import array as systolic
from lbt.hardware import energy
from lbt.hardware.accelerator import Accelerator, size
from lbt.hardware.array import Array
from lbt.hardware.boards import Board
from lbt.hardware.masks import channels
from lbt.hardware.memory import Kept, Storage, storage, twin
from lbt.hardware.ops import FUSED, OPTIMIZER_STATES, PASSES, Work, count
from lbt.hardware.params import HardwareParams
from lbt.hardware.precision import Number, Precision, of_recipe
from lbt.hardware.trace import PRODUCTS, Graph, trace


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


@dataclass(frozen=True)
class Cost:
    """The answer. ``print(cost)`` for people, :meth:`table` and :meth:`metrics` for machines.

    Attributes:
        precision: numbers of each role.
        board, board_name: on which device.
        batch: images per step.
        accelerator: the array that fits.
        storage: bytes to hold.
        rows: per layer and pass.
    """

    precision: Precision
    board: Board
    board_name: str
    batch: int
    accelerator: Accelerator
    storage: Storage
    rows: tuple[Row, ...]

    @property
    def fits(self) -> bool:
        """True if one array cell fits the device and everything stored fits the external memory."""
        return self.accelerator.side >= 1 and self.storage.total <= self.board.memory * 1e6

    @property
    def unknown(self) -> list[str]:
        """Layers without a cost rule, as ``layer (operation)``: all sums lack them."""
        found = {f"{r.work.layer} ({r.work.kind.split(':')[1]})": None for r in self.rows if not r.work.known}
        return list(found)

    @property
    def cycles(self) -> float:
        """Cycles of one step."""
        return sum(r.cycles for r in self.rows)

    @property
    def seconds(self) -> float:
        """Seconds of one step (infinite if nothing fits)."""
        return self.cycles / (self.board.clock * 1e6) if self.accelerator.side else float("inf")

    @property
    def images_per_second(self) -> float:
        """Training throughput."""
        return self.batch / self.seconds if self.seconds else 0.0

    @property
    def joules_per_image(self) -> float:
        """Energy."""
        return sum(r.energy for r in self.rows) / self.batch

    @property
    def limit(self) -> str:
        """Limit of throughput: ``bandwidth`` if most time waits for memory, else the resource that bounds the
        array.
        """
        waiting = sum(r.cycles for r in self.rows if r.bound == "bandwidth")
        return "bandwidth" if waiting > self.cycles / 2 else self.accelerator.limit

    def by_pass(self) -> dict[str, dict[str, float]]:
        """Sums of macs, bops, cycles, traffic and energy by pass."""
        sums: dict[str, dict[str, float]] = {stage: defaultdict(float) for stage in PASSES}
        for row in self.rows:
            one = sums[row.work.stage]
            for name in ("macs", "bops"):
                one[name] += getattr(row.work, name)
            for name in ("cycles", "traffic", "energy"):
                one[name] += getattr(row, name)
        return {stage: dict(values) for stage, values in sums.items()}

    def table(self) -> pa.Table:
        """One row per layer and pass; bytes, cycles and joules of one step."""
        return pa.Table.from_pylist([_flat(row) for row in self.rows])

    def metrics(self) -> dict[str, float | int | str]:
        """Flat numbers with stable keys; units in the names."""
        a, s = self.accelerator, self.storage
        products = [r for r in self.rows if r.work.macs]
        busy = sum(r.cycles for r in products) * a.side**2
        values: dict[str, float | int | str] = {
            "fits": int(self.fits),
            "limit": self.limit,
            "array_side": a.side,
            "multiplier_style": a.style,
            "mac_lut": a.mac.lut,
            "mac_dsp": a.mac.dsp,
            "area_origin": (a.mac + a.column + a.lane).origin,
            "lut": round(a.total.lut),
            "dsp": round(a.total.dsp),
            "images_per_second": self.images_per_second,
            "energy_per_image_mj": self.joules_per_image * 1e3,
            "utilisation": sum(r.work.macs for r in products) / busy if busy else 0.0,
            "macs_per_image": sum(r.work.macs for r in self.rows) / self.batch,
            "bops_per_image": sum(r.work.bops for r in self.rows) / self.batch,
            "traffic_per_image_bytes": sum(r.traffic for r in self.rows) / self.batch,
            "storage_bytes": s.total,
            "unknown_layers": len(self.unknown),
        }
        values |= {f"storage_{name}_bytes": value for name, value in asdict(s).items()}
        for stage, sums in self.by_pass().items():
            values[f"cycles_{stage}"] = sums.get("cycles", 0.0)
            values[f"energy_{stage}_mj"] = sums.get("energy", 0.0) * 1e3 / self.batch
        return values

    def __str__(self) -> str:
        a, m = self.accelerator, self.metrics()
        fits = "fits" if self.fits else "does not fit"
        lines = [
            f"{self.precision.name} on {self.board_name} ({self.board.device}): {fits}, limited by {self.limit}",
            f"  array {a.side}×{a.side} of {a.a_bits}×{a.b_bits} bit {a.style} MACs: {m['lut']:,} LUT "
            f"({a.total.lut / self.board.lut:.0%}), {m['dsp']:,} DSP; areas: {m['area_origin']}",
            f"  {self.images_per_second:,.0f} images/s in batches of {self.batch}, "
            f"{self.joules_per_image * 1e3:.3g} mJ/image (45 nm), utilisation {m['utilisation']:.0%}",
            f"  storage {self.storage.total / 1e6:.2f} MB of {self.board.memory:g} MB",
        ]
        for stage, sums in self.by_pass().items():
            if sums.get("cycles"):
                lines.append(
                    f"  {stage:<9}{sums['macs'] / 1e6:>10.2f} M MAC {sums['cycles'] / 1e3:>10.1f} k cycles "
                    f"{sums['traffic'] / 1e6:>9.2f} MB {sums['energy'] * 1e3:>9.3f} mJ"
                )
        if self.unknown:
            lines.append(f"  not counted, no cost rule: {', '.join(self.unknown)}")
        return "\n".join(lines)


def cost(
    model: nn.Module,
    input_shape: Sequence[int],
    *,
    recipe: Any = "int8",
    board: str | Board = "zcu102",
    training: bool = True,
    batch: int = 32,
    masks: Mapping[str, object] | None = None,
    options: HardwareParams | None = None,
) -> Cost:
    """Cost of training (or running) ``model`` on ``board``.

    Args:
        model: any module with one image tensor as its argument; frozen parameters (``requires_grad=False``) are not
            trained.
        input_shape: shape of one image, (C, H, W).
        recipe: name, path or object of a recipe, or a :class:`lbt.hardware.precision.Precision`.
        board: name or path of a board, or the board.
        training: otherwise inference only.
        batch: images per step.
        masks: kept output channels by layer name.
        options: the remaining knobs; its board and batch are overridden by the arguments above.

    Raises:
        LbtError: unknown recipe or board, widths out of range, a shape that the model does not accept.
    """
    graph = trace(model, tuple(input_shape))
    products = [node.name for node in graph.nodes if node.kind in PRODUCTS]
    precision = of_recipe(recipe, products)
    chosen = (options or HardwareParams()).model_copy(update={"batch": batch})
    device = board if isinstance(board, Board) else Board.load(board)
    name = "board" if isinstance(board, Board) else str(board)
    return cost_of_graph(graph, precision, device, name, chosen, training=training, masks=masks)


def cost_of_graph(
    graph: Graph,
    precision: Precision,
    board: Board,
    board_name: str,
    options: HardwareParams,
    *,
    training: bool = True,
    masks: Mapping[str, object] | None = None,
) -> Cost:
    """:func:`cost` of a model that was traced before."""
    if options.clock:
        board = board.model_copy(update={"clock": options.clock})
    kept = channels(graph, masks or {})
    works = count(graph, precision, batch=options.batch, training=training, masks=masks)
    device = size(precision, board, options)
    teacher = (twin(graph, kept),) if options.teacher and training else ()
    moments = OPTIMIZER_STATES[precision.optimizer]
    beside = Kept(target_images=options.images, networks=teacher, batches_in_flight=int(training), moments=moments)
    held = storage(graph, precision, kept, batch=options.batch, kept=beside)
    side = max(1, device.side)
    grid = Array(side, side, device.sram, board.bandwidth * 1e9 / (board.clock * 1e6), options.accumulator)
    rows = tuple(_row(work, grid, device, options) for work in works)
    return Cost(precision, board, board_name, options.batch, device, held, rows)


def _row(work: Work, array: Array, device: Accelerator, options: HardwareParams) -> Row:
    joules, interpolated = _operations_energy(work, options)
    if work.macs:
        return _product(work, array, device, options, joules, interpolated)
    if not work.known or work.kind in FUSED:
        return Row(work, "", 0.0, 0.0, "fused", 0.0, joules, interpolated)
    traffic = work.reads + work.writes
    compute, transfer = work.elements / device.lanes, traffic / array.bytes_per_cycle
    joules += energy.dram(traffic).pj * 1e-12
    bound = "bandwidth" if transfer > compute else "compute"
    return Row(work, "", max(compute, transfer), 0.0, bound, traffic, joules, interpolated)


def _product(
    work: Work, array: Array, device: Accelerator, options: HardwareParams, joules: float, interpolated: bool
) -> Row:
    if options.dataflow == "best":
        run = systolic.best(work.gemms, work.macs, work.operands, array)
    else:
        run = systolic.run(work.gemms, work.macs, work.operands, options.dataflow, array)
    pieces = _pieces(work, device)
    cycles = max(run.compute * pieces, run.traffic / array.bytes_per_cycle)
    bits = (work.x.bits, work.y.bits, 8 * work.operands[2] / max(1, sum(g.count * g.m * g.n for g in work.gemms)))
    moved = sum(systolic.on_chip(g, bits, run.flow, array) for g in work.gemms)
    parts = [
        energy.mac(work.x, work.y, options.accumulator),
        energy.sram(moved, array.buffer),
        energy.dram(run.traffic),
    ]
    joules += (parts[0].pj * work.macs + parts[1].pj + parts[2].pj) * 1e-12
    utilisation = work.macs / (cycles * array.rows * array.cols)
    bound = "bandwidth" if cycles > run.compute * pieces else "compute"
    uncertain = interpolated or any(p.interpolated for p in parts[:2])
    return Row(work, run.flow, cycles, utilisation, bound, run.traffic, joules, uncertain)


def _pieces(work: Work, device: Accelerator) -> int:
    """Number of products of the array's width that make one of the layer's."""
    wide, narrow = max(work.x.width, work.y.width), min(work.x.width, work.y.width)
    return max(1, -(-wide // device.a_bits)) * max(1, -(-narrow // device.b_bits))


NEWTON = 3
"""Newton steps of a division or a square root, each two multiplications and an addition."""


HASH_ADDITIONS = 24
"""32-bit additions of the counter hash: the digits of its two constant multipliers, and its key."""


def _operations_energy(work: Work, options: HardwareParams) -> tuple[float, bool]:
    """Joules of everything but MACs and memory."""
    number = Number() if work.float_units else Number.integer(options.accumulator)
    one = work.operations
    slow = one.divides + one.square_roots
    adds, multiplies = one.adds + one.comparisons + NEWTON * slow, one.multiplies + 2 * NEWTON * slow
    add, multiply = energy.add(number), energy.multiply(number, number)
    rescale = energy.multiply(Number.integer(options.accumulator), Number.integer(16))
    draw = HASH_ADDITIONS * energy.add(Number.integer(32)).pj if options.rounder == "hash" else 0.0
    draw += energy.add(Number.integer(options.accumulator)).pj
    pj = adds * add.pj + multiplies * multiply.pj + work.requantized * rescale.pj + work.stochastic * draw
    return pj * 1e-12, bool(slow or work.requantized or add.interpolated)


def _flat(row: Row) -> dict[str, Any]:
    work, one = row.work, row.work.operations
    return {
        "layer": work.layer,
        "kind": work.kind,
        "pass": work.stage,
        "macs": work.macs,
        "bits_x": float(work.x.bits) if work.macs else 0.0,
        "bits_y": float(work.y.bits) if work.macs else 0.0,
        "bops": float(work.bops),
        **{name: float(value) for name, value in asdict(one).items()},
        "requantized": work.requantized,
        "stochastic": work.stochastic,
        "read_bytes": float(work.reads),
        "written_bytes": float(work.writes),
        "dataflow": row.flow,
        "cycles": float(row.cycles),
        "utilisation": float(row.utilisation),
        "bound": row.bound,
        "traffic_bytes": float(row.traffic),
        "energy_joules": float(row.energy),
        "energy_interpolated": row.interpolated,
        "known": work.known,
    }
