"""Networks of inverted bottlenecks (MnasNet, arXiv 1807.11626; EfficientNet, arXiv 1905.11946) from rows of a table.

    x → 1×1 to e·c channels → depthwise k×k → squeeze-and-excite → 1×1 to the stage's width (+ x where shapes allow)

with batch norm and ReLU after each but the last. Expansion 1 leaves the first out. Squeeze-and-excite: the map's mean,
two 1×1 layers (to a quarter of the *block's* input channels, as in MnasNet and EfficientNet), and a product with the
map.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from lbt.config import Section, find_yaml, load_yaml
from lbt.csv_tables import places, read_any
from lbt.errors import LbtError, told, unknown
from lbt.hardware.layers import Layer, convolution, elementwise, pooling

if TYPE_CHECKING:
    from torch import nn

Value = Annotated[int | str, Field(union_mode="left_to_right")]
"""A number, or the column of a table that has it: ``e3``, or ``e.2`` for an element of a list in column ``e``."""
LARGEST = 65536


class Stem(Section):
    """First convolution."""

    width: int = Field(32, ge=1, le=LARGEST)
    """Output channels."""
    kernel: int = Field(3, ge=1, le=31)
    """Height and width of the kernel."""
    stride: int = Field(2, ge=1, le=8)
    """Stride."""


class Stage(Section):
    """Blocks of one width; the first has the stride."""

    width: Value
    """Output channels."""
    stride: int = Field(1, ge=1, le=8)
    """Stride of the first block."""
    expansion: Value
    """Hidden channels as a multiple of the block's input channels."""
    kernel: Value
    """Height and width of the depthwise kernel, odd."""
    layers: Value = 1
    """Number of blocks."""
    squeeze: Value = 0
    """1 for squeeze-and-excite, 0 for none."""


class Blocks(Section):
    """A space of networks; a table has a row for each."""

    resolution: Value = 224
    """Height and width of the input in pixels."""
    channels: int = Field(3, ge=1, le=LARGEST)
    """Channels of the input."""
    classes: int = Field(1000, ge=1, le=1_000_000)
    """Logits."""
    stem: Stem = Stem()
    """First convolution."""
    stages: list[Stage] = Field(min_length=1, max_length=100)
    """Stages, from the input."""
    head: int = Field(1280, ge=0, le=LARGEST)
    """Channels of the last 1×1 convolution; 0 for none."""
    squeeze_to: float = Field(0.25, gt=0, le=1)
    """Channels between the two layers of squeeze-and-excite, as a share of the block's input channels."""

    @classmethod
    def load(cls, name: str | Path) -> Blocks:
        """The description called ``name`` in ``params/blocks``, or the YAML file at that path.

        Raises:
            LbtError: there is none, or a key or value is not accepted.
        """
        return load_yaml(find_yaml("blocks", name), cls)


@dataclass(frozen=True)
class Block:
    """One inverted bottleneck: channels, kernel, stride, and the channels that it squeezes to (0: it does not)."""

    inputs: int
    hidden: int
    outputs: int
    kernel: int
    stride: int
    squeeze: int

    @property
    def adds(self) -> bool:
        """True if the block's input is added to its output."""
        return self.stride == 1 and self.inputs == self.outputs


@dataclass(frozen=True)
class Chain:
    """A network: a row of a table put into its :class:`Blocks`."""

    space: Blocks
    resolution: int
    blocks: tuple[Block, ...]

    def layers(self) -> list[Layer]:
        """The layers in the order in which they run; batch norms and ReLUs are part of those that they follow."""
        space, made = self.space, list[Layer]()
        side = -(-self.resolution // space.stem.stride)
        made.append(convolution("stem", space.channels, space.stem.width, side, side, space.stem.kernel,
                                stride=space.stem.stride))  # fmt: skip
        for number, block in enumerate(self.blocks):
            made += _block(f"blocks.{number}", block, side)
            side = -(-side // block.stride)
        width = self.blocks[-1].outputs
        if space.head:
            made.append(convolution("head", width, space.head, side, side, 1))
            width = space.head
        made.append(pooling("pool", width, 1, 1, side * side))
        return [*made, convolution("classifier", width, space.classes, 1, 1, 1)]

    def module(self) -> nn.Module:
        """The same network for training, freshly initialised by torch's global generator."""
        from lbt.hardware.blocks_module import network

        return network(self)


def chain(space: Blocks, row: Mapping[str, Any], where: str = "row") -> Chain:
    """The network of a row.

    Args:
        space: the description.
        row: values by column; a cell may hold a list, such as ``[1, 6, 6]`` (a list, or its text).
        where: of the row, for errors.

    Raises:
        LbtError: a column is missing, or a value is no whole number in its range.
    """

    def value(given: Value, key: str, low: int, high: int = LARGEST) -> int:
        found = given if isinstance(given, int) else _cell(row, given, where)
        whole = _whole(found)
        if whole is None or not low <= whole <= high:
            raise LbtError(f"{where}: {key}: found {told(found)}; accepted: a whole number from {low} to {high}")
        return whole

    blocks, inputs = [], space.stem.width
    for number, stage in enumerate(space.stages):
        key = f"stages.{number}"
        width, kernel = value(stage.width, f"{key}.width", 1), value(stage.kernel, f"{key}.kernel", 1, 31)
        if kernel % 2 == 0:
            raise LbtError(f"{where}: {key}.kernel: found {kernel}; accepted: an odd number")
        expansion, squeeze = (
            value(stage.expansion, f"{key}.expansion", 1, 64),
            value(stage.squeeze, f"{key}.squeeze", 0, 1),
        )
        for layer in range(value(stage.layers, f"{key}.layers", 0, 100)):
            between = max(1, int(inputs * space.squeeze_to)) if squeeze else 0
            stride = stage.stride if layer == 0 else 1
            blocks.append(Block(inputs, inputs * expansion, width, kernel, stride, between))
            inputs = width
    if not blocks:
        raise LbtError(f"{where}: no stage has a layer")
    return Chain(space, value(space.resolution, "resolution", 8, 4096), tuple(blocks))


def read_chains(path: str | Path, space: Blocks) -> tuple[list[Chain], list[dict[str, Any]]]:
    """The networks of a CSV or Parquet table, and its rows.

    Raises:
        LbtError: unreadable, empty, or see :func:`chain`.
    """
    rows: list[dict[str, Any]] = read_any(path).to_pylist()
    if not rows:
        raise LbtError(f"{path}: holds no row")
    return [chain(space, row, f"{path}: {at}") for at, row in zip(places(path), rows, strict=False)], rows


def _block(name: str, block: Block, side: int) -> Iterator[Layer]:
    if block.hidden != block.inputs:
        yield convolution(f"{name}.expand", block.inputs, block.hidden, side, side, 1)
    side = -(-side // block.stride)
    yield convolution(f"{name}.depthwise", block.hidden, block.hidden, side, side, block.kernel,
                      groups=block.hidden, stride=block.stride)  # fmt: skip
    if block.squeeze:
        yield pooling(f"{name}.squeeze.mean", block.hidden, 1, 1, side * side)
        yield convolution(f"{name}.squeeze.reduce", block.hidden, block.squeeze, 1, 1, 1)
        yield convolution(f"{name}.squeeze.expand", block.squeeze, block.hidden, 1, 1, 1)
        yield elementwise(f"{name}.squeeze.multiply", "multiply", block.hidden, side, side)
    yield convolution(f"{name}.project", block.hidden, block.outputs, side, side, 1)
    if block.adds:
        yield elementwise(f"{name}.add", "add", block.outputs, side, side)


def _cell(row: Mapping[str, Any], name: str, where: str) -> Any:
    if name in row:
        return row[name]
    column, dot, place = name.rpartition(".")
    if not dot or column not in row or not place.isdecimal():
        raise unknown("column", name, list(row), where=where)
    cells = row[column]
    if isinstance(cells, str):
        cells = re.findall(r"[^\s,;\[\]()]+", cells)
    if not isinstance(cells, Sequence) or int(place) >= len(cells):
        raise LbtError(f"{where}: {column}: found {told(row[column])}; accepted: a list of more than {place} values")
    return cells[int(place)]


def _whole(found: Any) -> int | None:
    if isinstance(found, bool) or found in ("True", "False", "true", "false"):
        return int(str(found).lower() == "true")
    try:
        number = float(found)
    except (TypeError, ValueError):
        return None
    return int(number) if number.is_integer() else None
