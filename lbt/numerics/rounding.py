"""Rounding to whole numbers: nearest (ties to even), floor, and stochastic from a counter.

Stochastic rounding takes ``floor(v)`` or ``floor(v) + 1`` with a probability that makes the mean equal ``v``. Its
random number is a hash of (key, element index), not the next number of a stream: it does not depend on threads,
device, order of evaluation, or how a batch is split, and a resumed run sees the same numbers as one that was never
stopped.

The hash is two rounds of multiply and xor-shift (constants of Wellons' ``lowbias32`` search) in wrapping 32-bit
arithmetic around a 64-bit key; it repeats after 2^32 elements of one tensor. Uniforms have 24 bits, so the bias is
below 2^-24.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

Rounding = Literal["nearest", "stochastic", "floor"]

_MIX_1 = 0x7FEB352D
_MIX_2 = 0x846CA68B - (1 << 32)  # as a signed 32-bit integer


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a stochastic rounding.

    Attributes:
        seed: the run's seed.
        step: training step.
        layer: the layer's name in the model; also named in error messages.
        role: W, A, E, G or U (``EG`` for the copy of the error that multiplies the activation).
        call: counts the forward passes of one step (source, target, ...).
        stream: of a copy of the model, which must not draw what the model draws (:mod:`lbt.nn.copies`); else empty.
    """

    seed: int = 0
    step: int = 0
    layer: str = ""
    role: str = "A"
    call: int = 0
    stream: str = ""

    def words(self) -> tuple[int, int]:
        """The key as two unsigned 32-bit words."""
        text = f"{self.seed}|{self.step}|{self.layer}|{self.role}|{self.call}"
        text += f"|{self.stream}" if self.stream else ""
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")

    def where(self) -> str:
        """For messages: ``layer 'conv1', role E``."""
        return f"layer {self.layer!r}, role {self.role}"


class Index(NamedTuple):
    """The element indices that key the draws of a matrix, whose rows may end in padding.

    Element i of the matrix (row-major) has index offset + i − (i // run)·gap: that of the tensor without padding.

    Attributes:
        offset: index of the first element, where the tensor is a part of a larger one.
        run: elements from one position to the next, padding included.
        gap: elements of padding among them.
    """

    offset: int = 0
    run: int = 1
    gap: int = 0


def _signed(word: int) -> int:
    return word - (1 << 32) if word >= 1 << 31 else word


def hash32(index: Tensor, key: Key) -> Tensor:
    """The int32 hash of each int32 element index (wrapping) under ``key``. Plain tensor code; any device."""
    first, second, _ = arguments(key)
    return _hashed(index, first, second)


def _hashed(index: Tensor, first: int, second: int) -> Tensor:
    h = index + first
    h.bitwise_xor_((h >> 16).bitwise_and_(0xFFFF)).mul_(_MIX_1).bitwise_xor_(second)
    h.bitwise_xor_((h >> 15).bitwise_and_(0x1FFFF)).mul_(_MIX_2)
    return h.bitwise_xor_((h >> 16).bitwise_and_(0xFFFF))


def arguments(key: Key, index: Index = Index()) -> tuple[int, ...]:  # noqa: B008
    """The arguments of :func:`rounded`: the key's words and the first element's index, as signed 32-bit numbers.

    ``run`` and ``gap`` of the index follow where there is padding.
    """
    first, second = key.words()
    words = _signed(first), _signed(second), _signed(index.offset & 0xFFFFFFFF)
    return (*words, index.run, index.gap) if index.gap else words


def uniform(like: Tensor, first: int, second: int, offset: int, run: int | None = None, gap: int = 0) -> Tensor:
    """float32 in [0, 1) with 24 bits, of the shape and on the device of ``like``.

    Element i (row-major) has the index that :class:`Index` says, without padding offset + i; the other arguments are
    those of :func:`arguments`.
    """
    import torch

    index = torch.arange(like.numel(), dtype=torch.int32, device=like.device)
    if run is not None:
        index = index - index.div(run, rounding_mode="floor").mul(gap)
    index = index.add_(offset)  # wraps
    bits = _hashed(index, first, second).bitwise_right_shift_(8).bitwise_and_(0xFFFFFF)
    return bits.to(torch.float32).mul_(2.0**-24).reshape(like.shape)


def round_to_integer(v: Tensor, rounding: Rounding, key: Key, *, offset: int = 0) -> Tensor:
    """``v`` rounded to whole numbers (same dtype).

    Args:
        v: float tensor.
        rounding: ``nearest`` (ties to even), ``stochastic`` or ``floor``.
        key: keys the stochastic rounding.
        offset: index of the first element of ``v`` in the whole tensor of which it is a part.
    """
    return rounded(v, rounding, *arguments(key, Index(offset)))


def rounded(v: Tensor, rounding: Rounding, first: int, second: int, offset: int, *padding: int) -> Tensor:
    """:func:`round_to_integer` with its key and offset as :func:`arguments` gives them: numbers and tensors only."""
    if rounding == "nearest":
        return v.round()
    low = v.floor()
    if rounding == "floor":
        return low
    return low.add_(uniform(v, first, second, offset, *padding) < v - low)
