"""Latency of an inference on a vector-MAC processor, from its data sheet: ``params/processors/<name>.yaml``.

An array multiplies ``pixels`` positions of a row by ``inputs`` × ``outputs`` channels in a cycle; a vector engine
beside it makes depthwise convolutions, poolings, sums and products of maps. Layers run one after another:

    cycles of a convolution   = k²·⌈W/pixels⌉·H·⌈C_in/inputs⌉·⌈C_out/outputs⌉
    cycles of the vector      = k²·⌈W/pixels⌉·H·⌈C/channels⌉            (k² = 1 for sums and products)
    seconds of a layer        = max(cycles/clock, bytes/bandwidth) + overhead

Few input channels (an image's three) are put beside each other along the kernel's row, as these processors do. Bytes:
the weights, and the maps that the buffer does not hold from the layer before. ``factors`` multiply each term; data
sheets have all at 1, and :mod:`lbt.hardware.calibrate` fits them to measurements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from lbt.config import Section, find_yaml, load_yaml, yaml_names
from lbt.hardware.layers import Layer, layers_of

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import nn

    from lbt.hardware.trace import Example

TERMS = ("conv", "pointwise", "dense", "depthwise", "pool", "add", "multiply", "other", "traffic", "launch", "image")
"""Parts of a latency: convolutions by kernel size, the vector's layers, waiting for memory, overheads."""
HOST = 20.0
"""An activation or operation that the processor lacks costs so many launches: it goes to the host and back."""


class MacArray(Section):
    """The engine of convolutions and dense layers."""

    pixels: int = Field(ge=1, le=65536)
    """Positions of an output row that are made at the same time."""
    inputs: int = Field(ge=1, le=65536)
    """Input channels that are multiplied at the same time."""
    outputs: int = Field(ge=1, le=65536)
    """Output channels that are made at the same time."""
    clock: float = Field(gt=0, le=100_000)
    """MHz."""


class Vector(Section):
    """The engine of everything else."""

    pixels: int = Field(ge=1, le=65536)
    """Positions of an output row that are made at the same time."""
    channels: int = Field(ge=1, le=65536)
    """Channels that are made at the same time."""
    clock: float = Field(gt=0, le=100_000)
    """MHz."""


class Overhead(Section):
    """Time in which nothing is computed."""

    layer: float = Field(0.0, ge=0, le=1e6)
    """Microseconds of a layer: its instructions, filling and emptying the engines."""
    image: float = Field(0.0, ge=0, le=1e9)
    """Microseconds of an inference."""


class Factors(Section):
    """Measured over data sheet, for each part of a latency."""

    conv: float = Field(1.0, ge=0, le=1e6)
    """Convolutions with kernels above 1×1."""
    pointwise: float = Field(1.0, ge=0, le=1e6)
    """1×1 convolutions."""
    dense: float = Field(1.0, ge=0, le=1e6)
    """Layers with a single position."""
    depthwise: float = Field(1.0, ge=0, le=1e6)
    """Depthwise convolutions."""
    pool: float = Field(1.0, ge=0, le=1e6)
    """Poolings."""
    add: float = Field(1.0, ge=0, le=1e6)
    """Sums of maps."""
    multiply: float = Field(1.0, ge=0, le=1e6)
    """Products of a map and its channels' gates."""
    other: float = Field(1.0, ge=0, le=1e6)
    """Everything else that computes or moves maps."""
    traffic: float = Field(1.0, ge=0, le=1e6)
    """Waiting for the external memory."""
    launch: float = Field(1.0, ge=0, le=1e6)
    """Overheads of layers."""
    image: float = Field(1.0, ge=0, le=1e6)
    """Overhead of an inference."""


class Processor(Section):
    """One processor."""

    array: MacArray
    """The engine of convolutions and dense layers."""
    vector: Vector
    """The engine of everything else."""
    bandwidth: float = Field(gt=0, le=1e6)
    """GB/s (10⁹ bytes) that one core reaches, for each of its images."""
    buffer: int = Field(ge=0, le=10**12)
    """Bytes of maps that stay on chip between two layers."""
    overhead: Overhead = Overhead()
    """Time in which nothing is computed."""
    cores: int = Field(1, ge=1, le=10_000)
    """Cores that work on inferences of their own."""
    images: int = Field(1, ge=1, le=10_000)
    """Images that a core works on side by side; they share the weights."""
    activations: list[Literal["relu", "leaky_relu", "sigmoid", "hardsigmoid", "hardswish", "swish", "tanh"]] = ["relu"]
    """Activations that are made on the way of a result; others go through the host."""
    factors: Factors = Factors()
    """Measured over data sheet, for each part of a latency."""
    source: str
    """Source of the numbers."""

    @classmethod
    def load(cls, name: str | Path) -> Processor:
        """The processor called ``name``, or the one in the YAML file at that path.

        Raises:
            LbtError: no such processor (the nearest spelling is named), or a key or value that is not accepted.
        """
        return load_yaml(find_yaml("processors", name), cls)

    @staticmethod
    def names() -> list[str]:
        """Names that :meth:`load` knows."""
        return yaml_names("processors")


@dataclass(frozen=True)
class Timed:
    """One layer's time.

    Attributes:
        layer: the layer.
        term: the part of the latency that its computation belongs to.
        compute, memory, launch: microseconds; the layer takes max(compute, memory) + launch.
        bytes: to and from the external memory.
    """

    layer: Layer
    term: str
    compute: float
    memory: float
    launch: float
    bytes: float

    @property
    def microseconds(self) -> float:
        """Time of the layer."""
        return max(self.compute, self.memory) + self.launch


@dataclass(frozen=True)
class Inference:
    """The answer. ``print(it)`` for people, :meth:`table` for machines.

    Attributes:
        processor: on which.
        layers: their times, in order.
    """

    processor: Processor
    layers: tuple[Timed, ...]

    @property
    def parts(self) -> dict[str, float]:
        """Microseconds by part of the latency (:data:`TERMS`); their sum is the latency."""
        sums: dict[str, float] = dict.fromkeys(TERMS, 0.0)
        for one in self.layers:
            sums[one.term if one.compute >= one.memory else "traffic"] += max(one.compute, one.memory)
            sums["launch"] += one.launch
        sums["image"] = self.processor.overhead.image * self.processor.factors.image
        return sums

    @property
    def milliseconds(self) -> float:
        """Latency of one inference on one core, of ``processor.images`` images side by side."""
        return sum(self.parts.values()) / 1e3

    @property
    def images_per_second(self) -> float:
        """Throughput of all cores, if nothing keeps them from each other."""
        return 1e3 * self.processor.cores * self.processor.images / self.milliseconds

    @property
    def unsupported(self) -> list[str]:
        """Layers that the processor lacks, as ``layer (operation)``: each is charged as a way to the host and back."""
        return [f"{one.layer.name} ({one.layer.activation or one.layer.kind})" for one in self.layers
                if not _supported(one.layer, self.processor)]  # fmt: skip

    def table(self) -> pa.Table:
        """One row per layer; microseconds and bytes of one inference."""
        import pyarrow as pa

        return pa.Table.from_pylist([
            {"layer": t.layer.name, "kind": t.layer.kind, "macs": t.layer.macs, "microseconds": t.microseconds,
             "compute": t.compute, "memory": t.memory, "launch": t.launch, "bytes": t.bytes} for t in self.layers
        ])  # fmt: skip

    def __str__(self) -> str:
        share = {name: value for name, value in self.parts.items() if value}
        total = sum(share.values())
        lines = [f"  {name:<10}{value:>10.1f} µs {value / total:>6.0%}" for name, value in share.items()]
        macs = sum(one.layer.macs for one in self.layers)
        head = (f"{self.milliseconds:.3f} ms an inference, {self.images_per_second:,.0f} images/s on "
                f"{self.processor.cores} × {self.processor.images}; {macs / 1e6:,.1f} M MAC")  # fmt: skip
        lack = self.unsupported
        tail = [f"  not on the processor, through the host: {', '.join(lack[:8])}{' …' if len(lack) > 8 else ''}"]
        return "\n".join([head, *lines, *(tail if lack else [])])


def infer(model: nn.Module, example: Example, processor: str | Processor = "dpu-zcu102") -> Inference:
    """Latency of ``model`` on a processor.

    Args:
        model: any module.
        example: shape of one image, (C, H, W), or a batch of the model's arguments.
        processor: name or path of a processor, or the processor.

    Raises:
        LbtError: unknown processor, or an example that the model does not accept.
    """
    from lbt.hardware.trace import trace

    chosen = processor if isinstance(processor, Processor) else Processor.load(processor)
    return run(layers_of(trace(model, example)), chosen)


def run(layers: Sequence[Layer], processor: Processor) -> Inference:
    """The inference of ``layers``, one after another."""
    return Inference(processor, tuple(_timed(layers, processor)))


def _timed(layers: Sequence[Layer], processor: Processor) -> Iterator[Timed]:
    factors, kept = processor.factors, 0
    for number, layer in enumerate(layers):
        last = number + 1 == len(layers)
        stays = not last and layer.written + layers[number + 1].written <= processor.buffer
        there = _other_operand(layers, number, processor.buffer) if layer.kind in ("add", "multiply") else 0
        read = max(0, layer.read - kept - there)
        moved = layer.weights / processor.images + read + (0 if stays else layer.written)
        kept = layer.written if stays else 0
        term = _term(layer)
        host = 0 if _supported(layer, processor) else HOST
        yield Timed(
            layer,
            term,
            _microseconds(layer, processor) * getattr(factors, term),
            moved / (processor.bandwidth * 1e3) * factors.traffic,
            processor.overhead.layer * (1 + host) * factors.launch,
            moved,
        )


def _other_operand(layers: Sequence[Layer], number: int, buffer: int) -> int:
    """Bytes of the map that a sum or a gate takes beside what came just before it, if they stayed on chip; else 0.

    It is the newest earlier map of the result's size, and stays if it fits beside every pair of maps in between.
    """
    size = layers[number].written
    made = next((n for n in range(number - 2, -1, -1) if layers[n].written == size), None)
    if made is None:
        return 0
    beside = (layers[n - 1].written + layers[n].written for n in range(made + 2, number + 1))
    return size if all(size + pair <= buffer for pair in beside) else 0


def _term(layer: Layer) -> str:
    if layer.kind == "conv":
        return "pointwise" if layer.kernel == 1 else "conv"
    return layer.kind if layer.kind in TERMS else "other"


def _supported(layer: Layer, processor: Processor) -> bool:
    if layer.kind == "activation":
        return layer.activation in processor.activations
    return layer.kind != "other"


def _microseconds(layer: Layer, processor: Processor) -> float:
    """Time of the computation alone."""
    if layer.kind in ("conv", "dense"):
        array = processor.array
        inputs = layer.inputs // layer.groups
        beside = min(layer.taps, max(1, array.inputs // max(1, inputs)))  # few channels, along the kernel's row
        steps = layer.taps * ceil(layer.taps / beside) if layer.kernel > 1 else 1
        each = steps * ceil(inputs * beside / array.inputs) * ceil(layer.outputs / layer.groups / array.outputs)
        return each * layer.groups * ceil(layer.width / array.pixels) * layer.height / array.clock
    if layer.kind == "activation" and layer.activation in processor.activations:
        return 0.0
    vector = processor.vector
    positions = ceil(layer.width / vector.pixels) * layer.height
    work = ceil(layer.kernel / (vector.pixels if positions == 1 else 1)) if layer.kind == "pool" else layer.kernel
    return work * positions * ceil(layer.outputs / vector.channels) / vector.clock


def to_yaml(processor: Processor) -> str:
    """The processor as the YAML that :meth:`Processor.load` reads."""
    import yaml

    return yaml.safe_dump(_plain(processor.model_dump()), sort_keys=False, allow_unicode=True, width=120)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value
