"""Chains of stages for small images, as in MobileNet and EfficientNet: kernel, expansion, width, depth, halving.

A row holds the stem's width and stride, five choices for each of ``stages`` stages (block with its expansion, kernel,
width, depth, halving) and the head. A stage of depth 0 is not there, and an image is not halved below ``smallest``
pixels: the choices that are dead then count once in :meth:`ChainSpace.key`. The hand-made ``digit_cnn`` is in it.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from lbt.errors import LbtError
from lbt.models import Chain
from lbt.models._chain import Stage, Stem, load
from lbt.nas.space.rows import Row, RowSpace

STEMS = (8, 16, 24, 32)
BLOCKS = (("conv", 1), ("mbconv", 2), ("mbconv", 4))
"""Kind of block and expansion."""
KERNELS = (3, 5)
WIDTHS = (16, 24, 32, 48, 64, 96, 128)
DEPTHS = (0, 1, 2, 3)
DOWNS = ("none", "stride", "pool")
HEADS = (None, 128)
STAGE = (BLOCKS, KERNELS, WIDTHS, DEPTHS, DOWNS)
HAND_MADE = "chain 32s2 conv3w32d1 conv3w64d2p2 conv3w128d1p2"
"""The network ``digit_cnn``, bit by bit."""


class ChainSpace(RowSpace):
    """See the module's docstring.

    Args:
        size: height and width of the images in pixels.
        stages: most stages.
        smallest: height and width below which an image is not halved.
    """

    name = "chain"

    def __init__(self, size: int = 32, stages: int = 4, smallest: int = 4) -> None:
        self.image, self.stages, self.smallest = size, stages, smallest

    @cached_property
    def choices(self) -> np.ndarray:
        stage = [len(values) for values in STAGE]
        return np.array([len(STEMS), 2, *stage * self.stages, len(HEADS)], np.int64)

    def network(self, row: Row) -> Chain:
        """The description of a row without what is dead in it."""
        stem, stride, *rest, head = (int(value) for value in row)
        first = Stem(width=STEMS[stem], stride=2 if stride and self._halves(self.image) else 1)
        pixels = self.image // first.stride
        stages: list[Stage] = []
        for block, kernel, width, depth, down in np.reshape(rest, (self.stages, len(STAGE))).tolist():
            if not DEPTHS[depth]:
                continue
            kind, expansion = BLOCKS[block]
            halving = DOWNS[down] if self._halves(pixels) else "none"
            pixels //= 1 if halving == "none" else 2
            values: dict[str, Any] = {"block": kind, "expansion": expansion, "kernel": KERNELS[kernel]}
            stages.append(Stage(**values, width=WIDTHS[width], depth=DEPTHS[depth], down=halving))
        return Chain(kind="chain", stem=first, stages=_merged(stages), head=HEADS[head])

    def _halves(self, pixels: int) -> bool:
        return pixels // 2 >= self.smallest

    def key(self, row: Row) -> str:
        """The network's line (:attr:`lbt.models.Chain.text`)."""
        return self.network(row).text

    def format(self, row: Row) -> str:
        return self.key(row)

    def parse(self, text: str) -> np.ndarray:
        """A row of the network ``text``; its dead choices are 0.

        Raises:
            LbtError: the line is wrong, or the network is not in the space.
        """
        chain = load(text)
        stages = [part for stage in chain.stages for part in _parted(stage)]
        if len(stages) > self.stages:
            raise LbtError(
                f"{text!r}: {len(stages)} stages; accepted: at most {self.stages} of depth 1 to {DEPTHS[-1]}"
            )
        row = [_index(STEMS, chain.stem.width, "stem", text), chain.stem.stride - 1]
        for stage in stages:
            row += [
                _index(BLOCKS, (stage.block, stage.expansion), "block and expansion", text),
                _index(KERNELS, stage.kernel, "kernel", text),
                _index(WIDTHS, stage.width, "width", text),
                _index(DEPTHS, stage.depth, "depth", text),
                DOWNS.index(stage.down),
            ]
        row += [0] * (len(STAGE) * (self.stages - len(stages))) + [_index(HEADS, chain.head, "head", text)]
        if self.key(row) != chain.text:
            raise LbtError(f"{text!r}: halves an image of {self.image} pixels below {self.smallest}")
        return np.array(row, np.int64)

    def narrower(self, row: Row, places: int) -> np.ndarray:
        """``row`` with the stem's and each stage's width ``places`` choices smaller, as far as there are any."""
        widths = [0, *(2 + len(STAGE) * stage + STAGE.index(WIDTHS) for stage in range(self.stages))]
        found = np.array(row, np.int64)
        found[widths] = np.maximum(found[widths] - places, 0)
        return found

    def vector(self, rows: np.ndarray) -> np.ndarray:
        """Encoding for predictors that equal networks share, float64 (N, F), each column in about 0…1.

        Of each place of a stage: presence, kind, expansion, kernel, width, depth, halving; then the stem, the head, the
        number of layers, and the logarithms of parameters and products of the convolutions.
        """
        return np.array([self._features(self.network(row)) for row in np.atleast_2d(rows)])

    def _features(self, chain: Chain) -> list[float]:
        pixels, width = self.image // chain.stem.stride, chain.stem.width
        weights, products = 27.0 * width, 27.0 * width * pixels**2
        places: list[float] = []
        for stage in chain.stages:
            pixels //= 1 if stage.down == "none" else 2
            one = _stage_weights(stage, width)
            weights, products, width = weights + one, products + one * pixels**2, stage.width
            places += [1.0, float(stage.block == "mbconv"), stage.expansion / 4, stage.kernel / 5]
            places += [np.log2(stage.width) / 7, stage.depth / 3, DOWNS.index(stage.down) / 2]
        places += [0.0] * (7 * self.stages - len(places))
        stem = [
            np.log2(chain.stem.width) / 5,
            chain.stem.stride / 2,
            float(chain.head is not None),
            pixels / self.image,
        ]
        depth = sum(stage.depth for stage in chain.stages) / 8
        return [*places, *stem, depth, np.log10(weights) / 6, np.log10(products) / 8]


def _stage_weights(stage: Stage, inputs: int) -> float:
    """Weights of a stage's convolutions."""
    total, width = 0.0, inputs
    for _ in range(stage.depth):
        hidden = width * stage.expansion
        spatial = stage.kernel**2
        total += spatial * width * stage.width if stage.block == "conv" else hidden * (width + spatial + stage.width)
        width = stage.width
    return total


def _merged(stages: list[Stage]) -> list[Stage]:
    """Neighbours that are one stage, written in two, as one, as far as a depth of the space goes; the order is kept."""
    found: list[Stage] = []
    for stage in stages:
        last = found[-1] if found else None
        alike = (
            last and stage.down == "none" and stage == last.model_copy(update={"depth": stage.depth, "down": "none"})
        )
        if last and alike:
            found[-1] = last.model_copy(update={"depth": last.depth + stage.depth})
        else:
            found.append(stage)
    return found


def _parted(stage: Stage) -> list[Stage]:
    """The inverse of merging: stages of at most the space's largest depth."""
    ends = [*range(0, stage.depth, DEPTHS[-1]), stage.depth]
    return [
        stage.model_copy(update={"depth": b - a, **({"down": "none"} if a else {})}) for a, b in pairwise(ends)
    ]  # fmt: skip


def _index(values: tuple[Any, ...], found: object, what: str, text: str) -> int:
    if found not in values:
        raise LbtError(f"{text!r}: {what} {found}; accepted: {', '.join(map(str, values))}")
    return values.index(found)


SPACE = ChainSpace()
