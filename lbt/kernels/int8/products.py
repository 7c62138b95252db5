"""The integer engine's kernels for quantized layers: int8 codes in, exact sums, multiplied by the scales once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lbt.errors import LbtError
from lbt.kernels.int8 import direct
from lbt.kernels.int8.conv import conv2d, conv2d_error, conv2d_weight
from lbt.kernels.int8.gemm import matmul
from lbt.kernels.int8.geometry import PLAIN, Geometry
from lbt.numerics.formats import Int

if TYPE_CHECKING:
    from torch import nn

    from lbt.kernels.operand import Operand
    from lbt.numerics.formats import FormatBase
    from lbt.numerics.spec import RoleSpec
    from lbt.recipe import Roles


def check(name: str, layer: nn.Module, roles: Roles) -> None:
    """Whether the integer engine can run the products of ``layer``, called ``name`` in the model, in these formats.

    A zero point is subtracted from the codes, which costs a bit: up to seven bits then.

    Raises:
        LbtError: W, A or E is in float, or has codes that do not fit 8 bits, or more than one scale; names layer, role,
            and the reason.
    """
    for role in ("W", "A", "E", "EG"):
        spec = getattr(roles, role)
        if spec is None and role == "EG":
            continue
        form = spec.format if spec is not None else None
        if not takes(spec):
            integer, reason = _fits_a_byte(form), ""
            if integer and role == "W":
                reason = " (the error's product sums over output channels, so their scales cannot be taken out of it)"
            elif integer:
                reason = " (the weight gradient sums over samples, so their scales cannot be taken out of it)"
            raise LbtError(
                f"layer {name!r} ({type(layer).__name__}), role {role}: found {spec or 'float32'}; the integer engine "
                f"accepts integers of 2 to 8 bits (with zero point 7) with one scale per tensor{reason}"
            )


def takes(spec: RoleSpec | None) -> bool:
    """Whether ``spec`` gives codes of one byte with one scale for the tensor."""
    return spec is not None and spec.granularity == "tensor" and _fits_a_byte(spec.format)


def _fits_a_byte(form: FormatBase | None) -> bool:
    return isinstance(form, Int) and 2 <= form.bits <= (8 if form.symmetric else 7)


def codes(x: Operand) -> Tensor:
    """The int8 codes of an operand."""
    if x.codes is None or x.codes.dtype != torch.int8:
        raise LbtError("integer engine: an operand has no int8 codes with a single scale")
    return x.codes


def scaled(total: Tensor, left: Operand, right: Operand) -> Tensor:
    """Exact sums times both scales, float32."""
    return total.to(torch.float32).mul_(left.scale * right.scale)


@dataclass(frozen=True, slots=True)
class IntegerConv:
    """1-D or 2-D convolution: x (N, C, *) with w (O, C/groups, *)."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    channel_first = True
    reads_codes = (True, True)

    @property
    def geometry(self) -> Geometry:
        """As of a 2-D convolution."""
        if len(self.stride) == 2:
            return Geometry(self.stride, self.padding, self.dilation, self.groups)  # type: ignore[arg-type]
        return Geometry((1, *self.stride), (0, *self.padding), (1, *self.dilation), self.groups)  # type: ignore[arg-type]

    def forward(self, a: Operand, w: Operand) -> Tensor:
        x, weight, geometry = self._wide(codes(a)), self._wide(codes(w)), self.geometry
        if geometry.groups == 1 and x.device.type == "cpu" and direct.pays(x.shape, weight.shape):
            return self._narrow(direct.convolve(x, weight, float(a.scale * w.scale), geometry))
        return scaled(self._narrow(conv2d(x, weight, geometry)), a, w)

    def gradients(
        self, e: Operand, a: Operand | None, w: Operand | None, a_shape: torch.Size, w_shape: torch.Size
    ) -> tuple[Tensor | None, Tensor | None]:
        dy, dx, dw, geometry = self._wide(codes(e)), None, None, self.geometry
        on_cpu = dy.device.type == "cpu"
        if w is not None:
            weight, size = self._wide(codes(w)), (a_shape[2:] if len(a_shape) == 4 else (1, *a_shape[2:]))
            if on_cpu and direct.reverses(geometry) and direct.pays(dy.shape, weight.shape):
                dx = self._narrow(direct.error(dy, weight, float(e.scale * w.scale), size, geometry))
            else:
                dx = scaled(self._narrow(conv2d_error(dy, weight, size, geometry)), e, w)
        if a is not None:
            x, kernel = self._wide(codes(a)), (w_shape[2:] if len(w_shape) == 4 else (1, *w_shape[2:]))
            plain = geometry._replace(padding=PLAIN.padding) == PLAIN
            if on_cpu and plain and direct.shifts_pay(x, dy, geometry.padding):
                total = direct.weight_gradient(x, dy, kernel, geometry.padding)
            else:
                total = conv2d_weight(x, dy, kernel, geometry)
            dw = scaled(self._narrow(total), e, a)
        return dx, dw

    def grad_bias(self, e: Operand) -> Tensor:
        dy = codes(e)
        return dy.sum([d for d in range(dy.dim()) if d != 1], dtype=torch.int64).float().mul_(e.scale)

    def _wide(self, x: Tensor) -> Tensor:
        return x.unsqueeze(2) if len(self.stride) == 1 else x

    def _narrow(self, x: Tensor) -> Tensor:
        return x.squeeze(2) if len(self.stride) == 1 else x


class IntegerLinear:
    """x (N, I) times w (O, I)."""

    reads_codes = (True, True)

    def forward(self, a: Operand, w: Operand) -> Tensor:
        return scaled(matmul(codes(a), codes(w).t()), a, w)

    def gradients(
        self, e: Operand, a: Operand | None, w: Operand | None, a_shape: torch.Size, w_shape: torch.Size
    ) -> tuple[Tensor | None, Tensor | None]:
        dx = None if w is None else scaled(matmul(codes(e), codes(w)), e, w)
        dw = None if a is None else scaled(matmul(codes(e).t(), codes(a)), e, a)
        return dx, dw

    def grad_bias(self, e: Operand) -> Tensor:
        return codes(e).sum(0, dtype=torch.int64).float().mul_(e.scale)
