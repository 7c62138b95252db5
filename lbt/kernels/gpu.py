"""The plain definition on a GPU: traced once for each format and rounding, and fused by ``torch.compile``.

Step by step the definition of a stochastic minifloat takes some thirty kernels, each of which reads and writes the
whole tensor; compiled it is one for the limits, one for codes and one for values. There is no second definition: what
is compiled is :meth:`FormatBase.encode`, ``decode`` and :meth:`RuleBase.limit` themselves, as ``torch.fx`` sees them.
Shapes, steps and keys are inputs of the compiled code, so that nothing is compiled twice. Scales are a handful of
numbers and are found without it, with divisions that are rounded as on a CPU.

Where Triton is missing the definition runs as it is: the same bits, slower, and one warning.
"""

from __future__ import annotations

import functools
import importlib.util
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from lbt.numerics.rounding import Rounding, rounded

if TYPE_CHECKING:
    from lbt.numerics.formats import FormatBase
    from lbt.numerics.ranges import RuleBase

Function = Callable[..., Any]


@functools.cache
def available() -> bool:
    """Whether there is what a GPU needs to compile for (said once if not)."""
    if importlib.util.find_spec("triton") is None:
        warnings.warn("triton is not installed: quantization gives the same bits, but more slowly", stacklevel=2)
        return False
    return True


def wanted(x: Tensor) -> bool:
    """Whether ``x`` is where compiled code is used."""
    return x.device.type == "cuda" and available()


def encoder(form: FormatBase, rounding: Rounding, like: Tensor) -> Function:
    """``(matrix, inverse scale, zero point or None, first, second, offset) → codes``, an integer dtype.

    ``first``, ``second``: the words of the rounding key, signed. ``offset``: index of the first element, signed.
    """
    return _encoder(form, rounding) if wanted(like) else _encode(form, rounding)


def decoder(form: FormatBase, like: Tensor) -> Function:
    """``(codes, scale) → values``, float32."""
    return _decoder(form) if wanted(like) else _decode(form)


def limiter(rule: RuleBase, dim: int, form: FormatBase, like: Tensor) -> Function:
    """``matrix → limit`` of each group; see :meth:`RuleBase.limit`."""
    return _limiter(rule, dim, form) if wanted(like) else functools.partial(rule.limit, dim=dim, form=form)


def _encode(form: FormatBase, rounding: Rounding) -> Function:
    from lbt.kernels.quantize import code_type

    dtype, steps = code_type(form), None if getattr(form, "symmetric", True) else form.steps  # type: ignore[attr-defined]

    def encode(matrix: Any, inverse: Any, zero_point: Any, first: Any, second: Any, offset: Any) -> Any:
        def to_integer(v: Any) -> Any:
            return rounded(v, rounding, first, second, offset)

        v = matrix * inverse
        if steps is None:
            return form.encode(v, to_integer).to(dtype)
        return to_integer(v.clamp(-zero_point, steps - zero_point)).to(dtype)

    return encode


def _decode(form: FormatBase) -> Function:
    shifted = not getattr(form, "symmetric", True)  # its codes have the zero point subtracted already

    def decode(codes: Any, scale: Any) -> Any:
        return (codes.float() if shifted else form.decode(codes)) * scale

    return decode


@functools.cache
def _encoder(form: FormatBase, rounding: Rounding) -> Function:
    return compiled(_encode(form, rounding))


@functools.cache
def _decoder(form: FormatBase) -> Function:
    return compiled(_decode(form))


@functools.cache
def _limiter(rule: RuleBase, dim: int, form: FormatBase) -> Function:
    def limit(matrix: Any) -> Any:
        return rule.limit(matrix, dim, form)

    return compiled(limit)


def compiled(function: Function) -> Function:
    """``function`` of tensors and numbers, traced and compiled for any shape; itself where tracing it does not work.

    A rule that looks at the data to decide what to do next (a sweep of candidates) cannot be traced.
    """
    try:
        graph = fx.symbolic_trace(function)
    except (TypeError, fx.proxy.TraceError):
        return function
    fused = torch.compile(graph, dynamic=True, fullgraph=True)

    def call(*arguments: Any) -> Any:
        # without .data a view would be compiled for anew, depending on the shape of what it is a view of
        return fused(*(a.data if isinstance(a, Tensor) else a for a in arguments))

    return call
