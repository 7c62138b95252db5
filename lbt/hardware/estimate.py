"""Cost of low-bit training on a board: what fits, how fast, at what energy, what limits it.

images per second      batch · clock / Σ time of layers and passes (:mod:`lbt.hardware.timing`)
clock                  the board's, or the one that the slowest unit reaches (:mod:`lbt.hardware.clock`)
energy                 Σ MACs and operations · pJ + bytes on chip · pJ + bytes off chip · pJ
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
from torch import nn

from lbt.hardware import published, timing, units, widths
from lbt.hardware.accelerator import lane_bits
from lbt.hardware.array import Array
from lbt.hardware.boards import Board
from lbt.hardware.masks import channels
from lbt.hardware.memory import Kept, Storage, storage, twin
from lbt.hardware.ops import OPTIMIZER_STATES, PASSES, count
from lbt.hardware.params import HardwareParams
from lbt.hardware.precision import Precision, of_recipe
from lbt.hardware.sizing import Accelerator, size
from lbt.hardware.timing import Machine, Row
from lbt.hardware.trace import PRODUCTS, Example, Graph, trace
from lbt.nn import norms


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
        return self.accelerator.cells >= 1 and self.storage.total <= self.board.memory * 1e6

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
        return self.cycles / (self.accelerator.clock * 1e6) if self.accelerator.cells else float("inf")

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
        """Limit of throughput, by what takes the most time.

        ``bandwidth`` where it is waiting for compulsory bytes, ``buffers`` where it is waiting for bytes that more
        on-chip memory would save, ``lanes`` where it is norms, additions and updates; else the resource that bounds the
        array (``lut``, ``ff``, ``dsp``, ``buffers``), or ``network`` if no larger array would be faster.
        """
        if not self.accelerator.cells:
            return self.accelerator.limit
        waiting = [r for r in self.rows if r.bound == "bandwidth"]
        lanes = sum(r.cycles for r in self.rows if r.bound == "compute" and not r.work.macs)
        products = sum(r.cycles for r in self.rows if r.bound == "compute" and r.work.macs)
        memory = sum(r.cycles for r in waiting)
        if memory >= max(lanes, products):
            needed = sum(r.work.reads + r.work.writes for r in waiting)
            return "buffers" if sum(r.traffic for r in waiting) > 2 * needed else "bandwidth"
        return "lanes" if lanes > products else self.accelerator.limit

    @property
    def _uncounted(self) -> str:
        """For the head line: the answer is of a part of the network."""
        count = len(self.unknown)
        layers = "1 layer" if count == 1 else f"{count} layers"
        return f"; WITHOUT {layers} that no cost rule counts (last line)" if count else ""

    def _too_small(self) -> str:
        """The smallest accelerator, and what the board has of the resource that it lacks."""
        a, board, least = self.accelerator, self.board, self.accelerator.least
        needs = _told((least.lut, least.ff, least.dsp, a.least_bram18))
        usable = _told((board.usable_lut, board.usable_ff, board.usable_dsp, board.usable_bram18))
        return (
            f"{self.precision.name} on {self.board_name} ({board.device}): does not fit, too few {a.limit}\n"
            f"  one cell, the end of its column and one lane take {needs}; the board has {usable} to use"
        )

    def _wraps(self) -> str:
        """A word on sums for which the accumulator is too narrow."""
        needed = self.accelerator.sum_bits
        return f" (they may wrap: the longest needs {needed})" if needed > self.accelerator.accumulator else ""

    def _drawn(self) -> list[str]:
        """The random numbers that are costed, beside those that the trained network was rounded by."""
        a = self.accelerator
        if not a.sources:
            return []
        if a.rounder == "hash":
            return [f"  stochastic rounding by {a.sources} counter hashes, as the trainer rounds, bit for bit"]
        return [
            f"  stochastic rounding by {a.sources} shift registers; the trainer rounds by a counter hash, which takes "
            f"{a.hash_lut:,.0f} LUT more (rounder: hash)"
        ]

    def _normed(self) -> list[str]:
        """The lane that the recipe's batch norm is costed by, beside the arithmetic that it trains with."""
        name, digits = self.precision.norm, self.accelerator.digits
        if not any(row.work.kind == f"norm:{name}" for row in self.rows):
            return []
        bits, trained = lane_bits(name, self.precision["A"]), norms.cost(name).bits
        if not bits:
            return [f"  {name} in float32 lanes, quotients and roots by Newton's steps in these"]
        divider = f" with a divider of {digits} digits each" if digits else ""
        trainer = f"{trained}-bit integers" if trained else "float32"
        return [f"  {name} in fixed-point lanes of {bits}-bit codes{divider}; the trainer computes it in {trainer}"]

    def _spread(self) -> str:
        """The estimate's uncertainty, for a training step."""
        said = published.remark(published.spread()) if self.by_pass()["error"].get("macs") else ""
        return f" ({said})" if said else ""

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
        busy = sum(r.cycles for r in products) * a.cells
        values: dict[str, float | int | str] = {
            "fits": int(self.fits),
            "limit": self.limit,
            "array_rows": a.rows,
            "array_cols": a.cols,
            "lanes": a.lanes,
            "multiplier_style": a.style,
            "accumulator_bits": a.accumulator,
            "mac_lut": a.mac.lut,
            "mac_dsp": a.mac.dsp,
            "area_origin": (a.mac + a.column + a.lane).origin,
            "rounder": a.rounder if a.sources else "none",
            "rounder_hash_lut": round(a.hash_lut),
            "lut": round(a.total.lut),
            "dsp": round(a.total.dsp),
            "ff": round(a.total.ff),
            "clock_mhz": a.clock,
            "clock_estimate_mhz": a.pace.mhz or 0.0,
            "clock_unit": a.pace.slowest,
            "clock_unknown_units": len(a.pace.unknown),
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
        at_most, at_least = ("at most ", "at least ") if self.unknown else ("", "")
        if not a.cells:
            return self._too_small()
        lines = [
            f"{self.precision.name} on {self.board_name} ({self.board.device}): {fits}, limited by {self.limit}"
            f"{self._uncounted}",
            f"  array {a.rows}×{a.cols} of {a.a_bits}×{a.b_bits} bit {a.style} MACs: {m['lut']:,} LUT "
            f"({a.total.lut / self.board.lut:.0%}), {m['ff']:,} FF ({a.total.ff / self.board.ff:.0%}), "
            f"{m['dsp']:,} DSP; {a.lanes} lanes; "
            f"areas: {units.remark(str(m['area_origin']), self.board.target)}",
            f"  sums of {a.accumulator} bits{self._wraps()}",
            *self._drawn(),
            *self._normed(),
            f"  {a.pace.told(a.clock, self.board.clock)}",
            f"  {at_most}{self.images_per_second:,.0f} images/s{self._spread()} in batches of {self.batch}, "
            f"{at_least}{self.joules_per_image * 1e3:.3g} mJ/image (45 nm), utilisation {m['utilisation']:.0%}",
            f"  storage {at_least}{self.storage.total / 1e6:.2f} MB of {self.board.memory:g} MB",
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
    example: Example,
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
        model: any module; frozen parameters (``requires_grad=False``) are not trained.
        example: shape of one image, (C, H, W), or a batch of the model's arguments: see
            :func:`lbt.hardware.trace.trace`.
        recipe: name, path or object of a recipe, or a :class:`lbt.hardware.precision.Precision`.
        board: name or path of a board, or the board.
        training: otherwise inference only.
        batch: images per step.
        masks: kept output channels by layer name.
        options: the remaining knobs; its board and batch are overridden by the arguments above.

    Raises:
        LbtError: unknown recipe or board, widths out of range, an example that the model does not accept.
    """
    graph = trace(model, example)
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
    riding = timing.rides(graph, precision, kept, options.batch, training)
    elements = widths.norm_elements(graph, options.batch)
    device = size(precision, board, options, works, {key: ride.elements for key, ride in riding.items()}, elements)
    teacher = (twin(graph, kept),) if options.teacher and training else ()
    moments = OPTIMIZER_STATES[precision.optimizer]
    images = options.images if training else 0
    beside = Kept(target_images=images, networks=teacher, batches_in_flight=int(training), moments=moments)
    held = storage(graph, precision, kept, batch=options.batch, kept=beside)
    moved = board.model_copy(update={"clock": device.clock}).bytes_per_cycle
    grid = Array(max(1, device.rows), max(1, device.cols), device.sram, moved, device.accumulator)
    machine = Machine(grid, max(1, device.lanes), device.a_bits, device.b_bits, board.dram_energy, device.digits)
    rows = timing.schedule(works, riding, machine, options)
    return Cost(precision, board, board_name, options.batch, device, held, rows)


def _told(counts: Sequence[float]) -> str:
    """Resources in words: LUTs, flip-flops, DSP blocks, block RAMs."""
    names = ("LUT", "FF", "DSP", "BRAM18")
    return ", ".join(f"{round(count):,} {name}" for name, count in zip(names, counts, strict=True))


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
