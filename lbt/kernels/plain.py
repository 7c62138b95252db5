"""The definition of quantization in plain tensor code, for any format and device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lbt.kernels.quantized import integer_dtype
from lbt.numerics.rounding import Rounding, arguments, rounded

if TYPE_CHECKING:
    from lbt.kernels.backend import Want
    from lbt.kernels.groups import Groups
    from lbt.numerics.formats import FormatBase
    from lbt.numerics.granularity import Layout
    from lbt.numerics.ranges import RuleBase
    from lbt.numerics.rounding import Key

Function = Callable[..., Any]


def limits(matrix: Tensor, layout: Layout, rule: RuleBase, form: FormatBase, known: int | None) -> Tensor:
    """See :class:`lbt.kernels.backend.Backend`; ``known`` is not needed."""
    return rule.limit(matrix, layout.dim, form)


def encode(
    matrix: Tensor, groups: Groups, rounding: Rounding, key: Key, offset: int, want: Want, out: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """See :class:`lbt.kernels.backend.Backend`."""
    return applied(encoder(groups.form, rounding), decoder(groups.form), matrix, groups, arguments(key, offset), want)


def decode(codes: Tensor, groups: Groups, out: Tensor | None) -> Tensor:
    """See :class:`lbt.kernels.backend.Backend`; ``out`` is not used."""
    return decoder(groups.form)(codes, 1.0 if groups.single else groups.scale)  # type: ignore[no-any-return]


def applied(
    encoding: Function,
    decoding: Function,
    matrix: Tensor,
    groups: Groups,
    key: tuple[int, int, int],
    want: Want,
) -> tuple[Tensor, Tensor | None]:
    """:func:`encode` with the functions of :func:`encoder` and :func:`decoder`, or what was compiled of them."""
    codes = encoding(matrix, groups.scale.reciprocal(), groups.zero_point, *key)
    return codes, decoding(codes, groups.scale) if want == "dequantized" else None


def encoder(form: FormatBase, rounding: Rounding) -> Function:
    """``(matrix, inverse scale, zero point or None, first, second, offset) → codes``, an integer dtype.

    ``first``, ``second``: the words of the rounding key, signed. ``offset``: index of the first element, signed.
    """
    dtype = integer_dtype(form)

    def encode(matrix: Any, inverse: Any, zero_point: Any, first: Any, second: Any, offset: Any) -> Any:
        def to_integer(v: Any) -> Any:
            return rounded(v, rounding, first, second, offset)

        v = matrix * inverse
        if form.has_zero_point:
            return form.encode_shifted(v, zero_point, to_integer).to(dtype)
        return form.encode(v, to_integer).to(dtype)

    return encode


def decoder(form: FormatBase) -> Function:
    """``(codes, scale) → values``, float32."""

    def decode(codes: Any, scale: Any) -> Any:
        return form.decode(codes) * scale

    return decode
