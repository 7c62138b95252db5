"""A tensor on its way into a product: quantized values, a factored-out scale, and a compact form to save for backward.

With one scale for the tensor the product runs on the integer-valued codes and the scales multiply its result. As long
as sums stay below 2^24 float32 then computes the very integers that the hardware would, in any order of summation: the
result does not depend on threads or on the convolution algorithm. Finer granularities put dequantized values in.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lbt.kernels import gpu as compiled
from lbt.kernels.buffers import buffer
from lbt.kernels.loops import dequantize_groups, quantize_fast
from lbt.kernels.quantize import QTensor
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec


@dataclass(slots=True)
class Saved:
    """What backward needs to make the values again: the codes (or a float tensor), and how they are laid out."""

    tensor: Tensor
    scale: Tensor | None = None
    quantized: QTensor | None = None

    def values(self, tensor: Tensor, slot: str) -> Tensor:
        """The operand's float32 values from the saved ``tensor``, possibly in the shared buffer ``slot``."""
        if self.quantized is not None:
            return _values(self.quantized, slot)
        return tensor if tensor.dtype == torch.float32 else decoded(tensor, slot)


@dataclass(slots=True)
class Operand:
    """value = values · scale.

    Attributes:
        scale: 1.0 where the scale is not a single number (it is inside ``values`` then); on a GPU a tensor without
            dimensions, which nobody has to wait for.
        saved: the compact form.
        codes: integer codes in the tensor's shape when ``scale`` is factored out, else None.
        slot: name of the shared buffer for values that are made from the codes; a new tensor when empty.
        made: the values, once there are any.
    """

    scale: float | Tensor
    saved: Saved
    codes: Tensor | None = None
    slot: str = ""
    made: Tensor | None = None

    @property
    def values(self) -> Tensor:
        """float32, in the tensor's shape; only valid until the next operand of the same slot."""
        if self.made is None:
            assert self.codes is not None
            self.made = decoded(self.codes, self.slot)
        return self.made


def decoded(codes: Tensor, slot: str) -> Tensor:
    """Integer ``codes`` as float32, on the CPU in the shared buffer ``slot`` if that has a name."""
    if not slot or codes.device.type != "cpu":
        return codes.float()
    return buffer(slot, codes.numel()).as_strided(codes.shape, codes.stride()).copy_(codes)


def operand(
    x: Tensor,
    spec: RoleSpec | None,
    key: Key,
    *,
    slot: str = "",
    keep: bool = True,
    offset: int = 0,
    running: Tensor | None = None,
    only_codes: bool = False,
) -> Operand:
    """Quantize ``x`` for a product.

    Args:
        x: float tensor.
        spec: how; None passes ``x`` on as it is.
        key: keys stochastic rounding.
        slot: name of the shared buffer for the values; a new tensor when empty.
        keep: whether backward (or an integer product) will want the codes.
        offset: index of the first element in the whole batch.
        running: the running limit of a range rule with memory.
        only_codes: the product works on codes; values are made when somebody asks for them after all.
    """
    if spec is None:
        x = x.detach().float()
        return Operand(1.0, Saved(x), made=x)
    out = buffer(slot, x.numel()) if slot and x.device.type == "cpu" and not only_codes else None
    fast = quantize_fast(
        x, spec, key, offset=offset, running=running, keep_codes=keep or only_codes, only_codes=only_codes, out=out
    )
    if fast is not None:
        q = fast.groups
        saved = Saved(fast.codes if fast.codes is not None else fast.values)
        # values that were not made can only be had from codes, and those of groups are always made
        values = None if only_codes and q is None else fast.values
        return Operand(fast.scale, saved if q is None else Saved(q.codes, q.scale, q), fast.codes, slot, values)
    q = spec.quantize(x, key, offset=offset, running=running)
    codes = q.layout.restore(q.codes) if one_scale(q) else None
    return Operand(_factor(q), Saved(q.codes, q.scale, q), codes, slot, _values(q))


def one_scale(q: QTensor) -> bool:
    """Whether the whole tensor has one scale, which a product can take out."""
    return q.scale.numel() == 1


def _factor(q: QTensor) -> float | Tensor:
    if not one_scale(q):
        return 1.0
    return float(q.scale) if q.scale.device.type == "cpu" else q.scale.view(())


def _values(q: QTensor, slot: str = "") -> Tensor:
    out = buffer(slot, q.codes.numel()) if slot and q.codes.device.type == "cpu" else None
    fast = dequantize_groups(q, out)
    if fast is not None:
        return fast
    scale = 1.0 if one_scale(q) else q.scale
    return q.layout.restore(compiled.decoder(q.form, q.codes)(q.codes, scale))
