"""A quantized tensor: codes, scales, zero point and layout; its values when they are asked for.

With one scale for the tensor a product runs on the grid numbers, and the scales multiply its result. As long as sums
stay below 2^24, float32 then computes the very integers that the hardware would, in any order of summation: the result
depends neither on threads nor on the convolution's algorithm. Finer granularities put dequantized values in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lbt.kernels.buffers import buffer

if TYPE_CHECKING:
    from lbt.kernels.backend import Backend
    from lbt.kernels.groups import Groups
    from lbt.numerics.formats import FormatBase
    from lbt.numerics.granularity import Layout


@dataclass(slots=True)
class Quantized:
    """value = values · factor.

    Attributes:
        groups: format, scales and zero points; None for a tensor that stays float32.
        layout: the way from the matrix of groups back to the tensor's shape; None for a tensor that stays float32.
        backend: computes the values from the codes; None for a tensor that stays float32.
        kept: the codes, if they were wanted.
        slot: name of the shared buffer (:mod:`lbt.kernels.buffers`) for values made from the codes; a new tensor when
            empty.
        made: the values, once there are any.
    """

    groups: Groups | None
    layout: Layout | None
    backend: Backend | None
    kept: Tensor | None
    slot: str = ""
    made: Tensor | None = None

    @property
    def form(self) -> FormatBase:
        """The number format."""
        assert self.groups is not None
        return self.groups.form

    @property
    def codes(self) -> Tensor:
        """Matrix of groups (see :mod:`lbt.numerics.granularity`), int8 where every code fits, else int16 or int32.

        Codes of a format with zero point are stored with it subtracted, so that 0 means 0.0.
        """
        assert self.kept is not None, "only values were wanted"
        return self.kept

    @property
    def scale(self) -> Tensor:
        """float32, positive; one for each group, (rows, 1), (1, columns) or (1, 1)."""
        assert self.groups is not None
        return self.groups.scale

    @property
    def zero_point(self) -> Tensor | None:
        """int32 like ``scale`` for a format with zero point, else None."""
        return None if self.groups is None or self.groups.zero_point is None else self.groups.zero_point.int()

    @property
    def factor(self) -> float | Tensor:
        """The scale where the tensor has a single one; on a GPU a 0-d tensor, to avoid a synchronisation. Else 1.0."""
        return 1.0 if self.groups is None else self.groups.factor

    def in_shape(self, matrix: Tensor) -> Tensor:
        """``matrix``, laid out like the codes, in the tensor's shape."""
        assert self.layout is not None
        return self.layout.restore(matrix)

    @property
    def fits_a_byte(self) -> bool:
        """True if there are int8 codes with a single scale."""
        return (
            self.kept is not None and self.kept.dtype == torch.int8 and self.groups is not None and self.groups.single
        )

    @property
    def values(self) -> Tensor:
        """float32 in the tensor's shape; valid until the next tensor of the same slot."""
        if self.made is None:
            assert self.groups is not None
            assert self.layout is not None
            assert self.backend is not None
            on_cpu = self.codes.device.type == "cpu"
            out = buffer(self.slot, self.codes.numel()) if self.slot and on_cpu else None
            self.made = self.layout.restore(self.backend.decode(self.codes, self.groups, out))
        return self.made

    def dequantize(self) -> Tensor:
        """float32 of the tensor's shape, scales applied; a new tensor where there is a scale to apply."""
        factor = self.factor
        return self.values if isinstance(factor, float) and factor == 1.0 else self.values * factor

    @property
    def stored(self) -> Tensor:
        """The tensor to keep between forward and backward: the codes, or the float32 tensor."""
        return self.kept if self.kept is not None else self.values

    def without_tensor(self) -> Quantized:
        """All but :attr:`stored`; autograd owns that, and frees it after backward."""
        return replace(self, kept=None, made=None)

    def with_tensor(self, stored: Tensor) -> Quantized:
        """The tensor again, from :meth:`without_tensor` and :attr:`stored`."""
        return replace(self, made=stored) if self.groups is None else replace(self, kept=stored)


def unquantized(x: Tensor) -> Quantized:
    """``x`` as it is, in float32."""
    return Quantized(None, None, None, None, made=x.detach().float())


def integer_dtype(form: FormatBase) -> torch.dtype:
    """The integer dtype that holds codes of ``form``."""
    bits = form.code_bits
    return torch.int8 if bits <= 8 else torch.int16 if bits <= 16 else torch.int32
