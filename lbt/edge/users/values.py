"""Numbers of a package as it stores them: float32, integer codes with their scales, or two factors of a low rank.

Codes are what the recipe's W reads; they are kept where its format is a symmetric integer of up to 8 bits with a scale
for the tensor or for a channel. Biases, norms and statistics under such a recipe are float16. All else is float32.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from lbt.errors import LbtError
from lbt.kernels.quantize import quantize
from lbt.numerics.formats.int import Int
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec

FLOAT, HALF = 32, 16
"""In the place of a code's bits: the values are float32, float16."""


def code_bits(spec: RoleSpec | None) -> int:
    """Bits of a value's code in a package, :data:`FLOAT` where there is none."""
    form = None if spec is None else spec.format
    if spec is None or not isinstance(form, Int) or not form.symmetric or not 2 <= form.bits <= 8:
        return FLOAT
    plain = spec.granularity in ("tensor", "channel") and spec.rotate is None and not spec.range.learned
    return form.bits if plain else FLOAT


@dataclass
class Writer:
    """The blobs of a package while it is made.

    Attributes:
        floats: float32 values and scales.
        codes: streams of bytes.
        half: store vectors without a format in float16, where that holds them.
    """

    floats: list[Tensor] = field(default_factory=list)
    codes: list[np.ndarray] = field(default_factory=list)
    half: bool = False

    def put(self, values: Tensor, spec: RoleSpec | None, name: str) -> tuple[int, int]:
        """Store ``values`` as the role ``spec`` reads them; gives (bits, number of scales), for :meth:`Reader.take`."""
        values = values.detach()
        bits = code_bits(spec)
        if spec is None and self.half and values.dim() == 1 and values.abs().max() <= torch.finfo(torch.float16).max:
            self.codes.append(values.half().contiguous().numpy().view(np.uint8))
            return HALF, 0
        if bits == FLOAT:
            self.floats.append(values.float().flatten())
            return FLOAT, 0
        assert spec is not None
        found = quantize(values, spec, Key(layer=name, role="W"), want="codes")
        self.floats.append(found.scale.flatten())
        self.codes.append(packed(found.in_shape(found.codes).flatten().to(torch.int8).numpy(), bits))
        return bits, found.scale.numel()

    def blobs(self) -> dict[str, Tensor]:
        """The tensors to write."""
        codes = np.concatenate(self.codes) if self.codes else np.zeros(0, np.uint8)
        return {"floats": torch.cat([*self.floats, torch.zeros(0)]), "codes": torch.from_numpy(codes)}


@dataclass
class Reader:
    """The blobs of a package while it is read, from the front.

    Attributes:
        floats: float32 (F,).
        codes: uint8 (B,).
        where: name of the file, for errors.
    """

    floats: Tensor
    codes: Tensor
    where: str

    def take(self, shape: torch.Size, bits: int, scales: int) -> Tensor:
        """The next values, float32 of ``shape``."""
        count = shape.numel()
        if bits == FLOAT:
            return self._floats(count).view(shape).clone()
        if bits == HALF:
            return self._bytes(2 * count).view(torch.float16).view(shape).float()
        if not 2 <= bits <= 8:
            raise LbtError(f"{self.where}: damaged package: values of {bits} bits")
        if scales not in (1, shape[0]):
            raise LbtError(f"{self.where}: damaged package: {scales} scales for a tensor of shape {tuple(shape)}")
        scale = self._floats(scales).view(-1, *(1,) * (len(shape) - 1))
        taken = self._bytes(-(-count * bits // 8))
        return torch.from_numpy(unpacked(taken.numpy(), bits, count)).view(shape).float() * scale

    def _floats(self, count: int) -> Tensor:
        if count > len(self.floats):
            raise LbtError(f"{self.where}: damaged package: {len(self.floats)} values left, {count} expected")
        taken, self.floats = self.floats[:count], self.floats[count:]
        return taken

    def _bytes(self, size: int) -> Tensor:
        if size > len(self.codes):
            raise LbtError(f"{self.where}: damaged package: {len(self.codes)} bytes of codes left, {size} expected")
        taken, self.codes = self.codes[:size], self.codes[size:]
        return taken.clone()

    def finish(self) -> None:
        """Refuse what nobody took."""
        if len(self.floats) or len(self.codes):
            raise LbtError(
                f"{self.where}: damaged package: {len(self.floats)} values and {len(self.codes)} bytes too many"
            )


def packed(codes: np.ndarray, bits: int) -> np.ndarray:
    """Signed codes (N,) int8 of ``bits`` bits, two's complement, as a stream of bits: uint8 (⌈N·bits/8⌉,)."""
    if bits == 8:
        return codes.view(np.uint8)
    single = (codes.view(np.uint8)[:, None] >> np.arange(bits, dtype=np.uint8)) & np.uint8(1)
    return np.packbits(single.ravel(), bitorder="little")


def unpacked(stream: np.ndarray, bits: int, count: int) -> np.ndarray:
    """The inverse of :func:`packed`: int8 (count,)."""
    if bits == 8:
        return stream.view(np.int8).copy()
    single = np.unpackbits(stream, count=count * bits, bitorder="little").reshape(count, bits).astype(np.int16)
    value = (single << np.arange(bits, dtype=np.int16)).sum(1)
    return np.where(value >= 1 << (bits - 1), value - (1 << bits), value).astype(np.int8)
