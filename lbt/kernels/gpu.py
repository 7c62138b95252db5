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
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from lbt.kernels import plain
from lbt.numerics.rounding import Rounding, arguments

if TYPE_CHECKING:
    from lbt.kernels.backend import Want
    from lbt.kernels.groups import Groups
    from lbt.numerics.formats import FormatBase
    from lbt.numerics.granularity import Layout
    from lbt.numerics.ranges import RuleBase
    from lbt.numerics.rounding import Index, Key


@functools.cache
def available() -> bool:
    """True if Triton is installed; warns once otherwise."""
    if importlib.util.find_spec("triton") is None:
        warnings.warn("triton is not installed: quantization gives the same bits, but more slowly", stacklevel=2)
        return False
    return True


def takes(x: Tensor) -> bool:
    """True if ``x`` is where compiled code is used."""
    return x.device.type == "cuda" and available()


def limits(matrix: Tensor, layout: Layout, rule: RuleBase, form: FormatBase, known: int | None) -> Tensor:
    """See :class:`lbt.kernels.backend.Backend`; ``known`` is not needed."""
    return _limiter(rule, layout.dim, form)(matrix)  # type: ignore[no-any-return]


def encode(
    matrix: Tensor, groups: Groups, rounding: Rounding, key: Key, index: Index, want: Want, out: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """See :class:`lbt.kernels.backend.Backend`."""
    encoding, decoding = _encoder(groups.form, rounding, index.gap > 0), _decoder(groups.form)
    return plain.applied(encoding, decoding, matrix, groups, arguments(key, index), want)


def decode(codes: Tensor, groups: Groups, out: Tensor | None) -> Tensor:
    """See :class:`lbt.kernels.backend.Backend`; ``out`` is not used."""
    return _decoder(groups.form)(codes, 1.0 if groups.single else groups.scale)  # type: ignore[no-any-return]


@functools.cache
def _encoder(form: FormatBase, rounding: Rounding, padded: bool) -> plain.Function:
    return compiled(plain.encoder(form, rounding, padded=padded))


@functools.cache
def _decoder(form: FormatBase) -> plain.Function:
    return compiled(plain.decoder(form))


@functools.cache
def _limiter(rule: RuleBase, dim: int, form: FormatBase) -> plain.Function:
    def limit(matrix: Any) -> Any:
        return rule.limit(matrix, dim, form)

    return compiled(limit)


def compiled(function: plain.Function) -> plain.Function:
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
