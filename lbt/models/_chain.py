"""Chains: networks that a file describes, a stem and stages of equal blocks, as in MobileNet and EfficientNet.

A file ``network.yaml`` holds a :class:`Chain`; :attr:`Chain.text` is the same in one line, the name under which
:func:`lbt.models.build` knows it and which travels in a weights file's header::

    chain 32s2 conv3w32d1 conv3w64d2p2 conv3w128d1p2          # the network digit_cnn
    chain 16s1 mb5e4w24d2s2 mb3e4w48d2s2 head128

``32s2``: a stem of 32 channels and stride 2. ``conv3w64d2p2``: two (``d2``) 3×3 convolutions of width 64 behind a
maximum pooling (``p2``); ``mb5e4w24d2s2``: two inverted bottlenecks with depthwise 5×5 and expansion 4, the first of
stride 2 (``s2``). ``head128``: a last 1×1 convolution to 128 features. Sandler et al., MobileNetV2, arXiv 1801.04381;
without squeeze-and-excitation and with ReLU, as EfficientNet-Lite is, so that all of it can be quantized.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from lbt.config import Section, load_yaml, parse
from lbt.errors import LbtError, told

if TYPE_CHECKING:
    from torch import nn

    from lbt.models._network import Network

_STEM = re.compile(r"(?P<width>\d{1,4})s(?P<stride>[12])", re.ASCII)
_STAGE = re.compile(r"(?P<block>conv|mb)(?P<kernel>\d)(e(?P<expansion>\d{1,2}))?w(?P<width>\d{1,4})"
                    r"d(?P<depth>\d{1,2})(?P<down>[sp]2)?", re.ASCII)  # fmt: skip
_HEAD = re.compile(r"head(?P<width>\d{1,4})", re.ASCII)
_BLOCKS = {"conv": "conv", "mb": "mbconv"}
_DOWN = {"": "none", "s2": "stride", "p2": "pool"}


class Stem(Section):
    """The first convolution, 3×3."""

    width: int = Field(ge=1, le=2048)
    """Channels."""
    stride: Literal[1, 2] = 1
    """2 halves the image."""


class Stage(Section):
    """Blocks of one kind and width, one after another."""

    block: Literal["conv", "mbconv"] = "mbconv"
    """``conv``: a convolution. ``mbconv``: an inverted bottleneck (1×1 up, depthwise, 1×1 down; a shortcut where the
    shapes allow it)."""
    kernel: Literal[1, 3, 5, 7] = 3
    """Height and width of the convolution, of an ``mbconv`` of the depthwise one."""
    expansion: int = Field(1, ge=1, le=16)
    """Of an ``mbconv``: channels of its depthwise convolution over those of its input."""
    width: int = Field(ge=1, le=2048)
    """Channels of each block's output."""
    depth: int = Field(1, ge=1, le=64)
    """Number of blocks."""
    down: Literal["none", "stride", "pool"] = "none"
    """Halving of the image at the stage's start: none, by the first block's stride, or by a maximum pooling."""

    @model_validator(mode="after")
    def _no_idle_choice(self) -> Stage:
        if self.block == "conv" and self.expansion != 1:
            raise ValueError(f"expansion: found {self.expansion}; of mbconv only, leave it out for conv")
        return self

    @property
    def text(self) -> str:
        """One word of :attr:`Chain.text`."""
        head = f"conv{self.kernel}" if self.block == "conv" else f"mb{self.kernel}e{self.expansion}"
        return f"{head}w{self.width}d{self.depth}" + {"none": "", "stride": "s2", "pool": "p2"}[self.down]


class Chain(Section):
    """The file network.yaml: a network as a chain of stages."""

    kind: Literal["chain"]
    """Kind of description."""
    stem: Stem
    """First convolution."""
    stages: list[Stage] = Field(max_length=64)
    """Stages, in order."""
    head: int | None = Field(None, ge=1, le=8192)
    """Features of a last 1×1 convolution. null: the last stage's width."""
    source: str = ""
    """The origin of the network, for people."""

    @property
    def text(self) -> str:
        """The description in one line; equal networks that are written alike have equal texts."""
        head = [] if self.head is None else [f"head{self.head}"]
        return " ".join(["chain", f"{self.stem.width}s{self.stem.stride}", *(s.text for s in self.stages), *head])


def is_described(name: str) -> bool:
    """True for the path of a ``network.yaml`` and for a description in one line."""
    return name.startswith("chain ") or is_file(name)


def is_file(name: str) -> bool:
    """True for the path of a YAML file."""
    return name.endswith((".yaml", ".yml"))


def load(name: str | Path) -> Chain:
    """The chain in the file ``name``, or that of a line.

    Raises:
        LbtError: no such file, an unknown key, a value out of range, or a line that is not of the notation.
    """
    return load_yaml(name, Chain) if is_file(str(name)) else _parse(str(name))


def _parse(text: str) -> Chain:
    _, stem, *words = text.split(" ")
    if (first := _STEM.fullmatch(stem)) is None:
        raise LbtError(f"{told(text)}: found {told(stem)}; accepted: a stem such as 32s2, width and stride")
    last = _HEAD.fullmatch(words[-1]) if words else None
    stages = []
    for word in words[:-1] if last else words:
        if (found := _STAGE.fullmatch(word)) is None or (found["block"] == "conv") != (found["expansion"] is None):
            raise LbtError(f"{told(text)}: found {told(word)}; accepted: a stage such as conv3w64d2p2 or mb3e4w24d2s2")
        numbers = {key: int(found[key]) for key in ("kernel", "expansion", "width", "depth") if found[key]}
        stages.append({"block": _BLOCKS[found["block"]], "down": _DOWN[found["down"] or ""], **numbers})
    held = {"stem": {key: int(value) for key, value in first.groupdict().items()}, "stages": stages}
    return parse(Chain, {"kind": "chain", **held, "head": int(last["width"]) if last else None}, told(text))


def build(chain: Chain, classes: int, channels: int) -> Network:
    """``channels`` × H × W to ``classes`` logits; its parts are called stem, stage1, stage2, …, head."""
    from collections import OrderedDict

    from torch import nn

    from lbt.models._network import Network, conv_bn_relu, pool_flatten

    width = chain.stem.width
    parts: OrderedDict[str, nn.Module] = OrderedDict(stem=conv_bn_relu(channels, width, stride=chain.stem.stride))
    for number, stage in enumerate(chain.stages, start=1):
        parts[f"stage{number}"] = _stage(stage, width)
        width = stage.width
    if chain.head is not None:
        parts["head"] = conv_bn_relu(width, chain.head, 1)
        width = chain.head
    parts |= dict(zip(("pool", "flatten"), pool_flatten(), strict=True))
    return Network(nn.Sequential(parts), width, classes)


def _stage(stage: Stage, inputs: int) -> nn.Sequential:
    from torch import nn

    from lbt.models._blocks import InvertedBottleneck
    from lbt.models._network import conv_bn_relu

    layers: list[nn.Module] = [nn.MaxPool2d(2)] if stage.down == "pool" else []
    for index in range(stage.depth):
        stride = 2 if stage.down == "stride" and index == 0 else 1
        if stage.block == "conv":
            layers.append(conv_bn_relu(inputs, stage.width, stage.kernel, stride))
        else:
            layers.append(InvertedBottleneck(inputs, stage.width, stage.kernel, stride, stage.expansion))
        inputs = stage.width
    return nn.Sequential(*layers)
