"""The one place that chooses the kernel of a product: float32, int8 where that gives the same bits, or integer.

| engine, device | forward and error | weight gradient |
|---|---|---|
| ``emulate`` | float32; int8 ``direct`` on the CPU where it gives the same bits, and pays | float32 |
| ``integer``, CPU | int8 ``direct`` where it pays, else by columns | shifted views where they pay, else by columns |
| ``integer``, GPU | int8 in Triton (``implicit``) without groups, else by columns | the same |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from lbt.errors import LbtError
from lbt.kernels import floats
from lbt.kernels.geometry import PLAIN, Geometry
from lbt.kernels.int8 import columns, direct, implicit, products
from lbt.kernels.int8.exact import is_exact
from lbt.kernels.kernel import Kernel, places
from lbt.kernels.quantized import Quantized
from lbt.numerics.formats import FormatBase
from lbt.numerics.formats.int import Int
from lbt.numerics.spec import RoleSpec
from lbt.recipe import COPIES, Roles


def linear(engine: str) -> Kernel:
    """The kernel of x (N, I) times w (O, I) for ``engine``, emulate or integer."""
    return products.linear() if engine == "integer" else floats.linear()


def convolution(engine: str, geometry: Geometry, roles: Roles, x: Tensor, weight: Tensor) -> Kernel:
    """The kernel of a 1-D or 2-D convolution of x (N, C, *) with weight (O, C / groups, *)."""
    if engine == "integer":
        return integer_convolution(geometry, x, weight.shape)
    if int8_emulates(geometry, roles, x, weight):
        return exact_convolution(geometry, x, weight.shape)
    return floats.convolution(geometry, x.shape, weight.shape)


def integer_convolution(geometry: Geometry, x: Tensor, weight: torch.Size) -> Kernel:
    """All three products on int8 codes, exact for any operands."""
    flat, image, kernel = geometry.wide, _wide(x.shape), _wide(weight)
    size, cpu = flat.output(image[2:], kernel[2:]), x.device.type == "cpu"
    forward: Callable[..., Tensor] = partial(products.forward, int8_sums)
    error: Callable[..., Tensor] = partial(products.error, int8_error_sums)
    gradient: products.SizedWay = int8_weight_sums
    if cpu and flat.groups == 1 and direct.pays(image, kernel, size):
        forward = products.forward_direct
    if cpu and direct.reverses(flat) and direct.pays((image[0], kernel[0], *size), kernel, image[2:]):
        error = products.error_direct
    if cpu and flat._replace(padding=PLAIN.padding) == PLAIN and direct.shifts_pay(image, size, flat.padding):
        gradient = products.shifted_views
    return Kernel(
        forward=partial(forward, geometry),
        error=partial(error, geometry, image[2:]),
        weight_gradient=partial(products.weight_gradient, gradient, geometry, kernel[2:]),
        bias_gradient=products.bias_gradient,
        plain=partial(floats.convolve_plain, geometry),
        channel=1,
        reads_codes=(True, True),
        places=places(geometry.groups),
    )


def exact_convolution(geometry: Geometry, x: Tensor, weight: torch.Size) -> Kernel:
    """Forward and error on the int8 kernel where the weight's codes keep every sum exact, else in float32."""
    plain = floats.convolution(geometry, x.shape, weight)

    def forward(a: Quantized, w: Quantized) -> Tensor:
        exact = is_exact(products.codes(w), 0)
        return products.forward_direct(geometry, a, w) if exact else plain.forward(a, w)

    def error(e: Quantized, w: Quantized) -> Tensor:
        exact = is_exact(products.codes(w), 1)
        return products.error_direct(geometry, x.shape[2:], e, w) if exact else plain.error(e, w)

    return replace(plain, forward=forward, error=error, reads_codes=(True, False))


def int8_emulates(geometry: Geometry, roles: Roles, x: Tensor, weight: Tensor) -> bool:
    """True if formats, shapes and processor let :func:`exact_convolution` be tried, and it pays."""
    if x.dim() != 4 or x.device.type != "cpu" or not direct.reverses(geometry):
        return False
    if not all(takes(roles.operand(role)) for role in ("A", "W", "E", "WE")):
        return False
    size = geometry.output(x.shape[2:], weight.shape[2:])
    error_pays = direct.pays((len(x), weight.shape[0], *size), weight.shape, x.shape[2:])
    return error_pays and direct.pays(x.shape, weight.shape, size)


def int8_sums(x: Tensor, weight: Tensor, geometry: Geometry = PLAIN) -> Tensor:
    """Exact sums of the forward product; see :func:`lbt.kernels.int8.columns.conv2d`."""
    way = implicit.convolve if implicit.pays(x, weight[0].numel(), geometry.groups) else columns.conv2d
    return way(x, weight, geometry)


def int8_error_sums(dy: Tensor, weight: Tensor, size: tuple[int, ...], geometry: Geometry = PLAIN) -> Tensor:
    """Exact sums of the input's error; see :func:`lbt.kernels.int8.columns.conv2d_error`."""
    way = implicit.error if implicit.pays(dy, weight[:, 0].numel(), geometry.groups) else columns.conv2d_error
    return way(dy, weight, size, geometry)


def int8_weight_sums(x: Tensor, dy: Tensor, kernel: tuple[int, ...], geometry: Geometry = PLAIN) -> Tensor:
    """Exact sums of the weight's gradient; see :func:`lbt.kernels.int8.columns.conv2d_weight`."""
    way = implicit.weight_gradient if implicit.pays(x, implicit.RUN, geometry.groups) else columns.conv2d_weight
    return way(x, dy, kernel, geometry)


def check(name: str, layer: nn.Module, roles: Roles) -> None:
    """Refuse formats in which the integer engine cannot run the products of ``layer``, called ``name`` in the model.

    A zero point is subtracted from the codes, which costs a bit: up to seven bits then.

    Raises:
        LbtError: W, A or E is in float, or has codes that do not fit 8 bits, or more than one scale; names layer, role,
            and the reason.
    """
    for role in ("W", "A", "E", *COPIES):
        spec = roles.operand(role)
        if not takes(spec):
            integer, reason = _fits_a_byte(spec.format if spec is not None else None), ""
            if integer and role[0] == "W":
                reason = " (the error's product sums over output channels, so their scales cannot be taken out of it)"
            elif integer:
                reason = " (the weight gradient sums over samples, so their scales cannot be taken out of it)"
            raise LbtError(
                f"layer {name!r} ({type(layer).__name__}), role {role}: found {spec or 'float32'}; the integer engine "
                f"accepts integers of 2 to 8 bits (with zero point 7) with one scale per tensor{reason}"
            )


def takes(spec: RoleSpec | None) -> bool:
    """True if ``spec`` gives codes of one byte with one scale for the tensor."""
    return spec is not None and spec.granularity == "tensor" and _fits_a_byte(spec.format)


def _fits_a_byte(form: FormatBase | None) -> bool:
    return isinstance(form, Int) and form.bits >= 2 and form.code_bits <= 8


def _wide(shape: torch.Size) -> tuple[int, ...]:
    return (*shape[:2], 1, shape[2]) if len(shape) == 3 else tuple(shape)
