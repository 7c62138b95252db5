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
    from lbt.numerics.rounding import Index, Key

Function = Callable[..., Any]


def limits(matrix: Tensor, layout: Layout, rule: RuleBase, form: FormatBase, known: int | None) -> Tensor:
    """See :class:`lbt.kernels.backend.Backend`; ``known`` is not needed."""
    return rule.limit(matrix, layout.dim, form)


def encode(
    matrix: Tensor, groups: Groups, rounding: Rounding, key: Key, index: Index, want: Want, out: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """See :class:`lbt.kernels.backend.Backend`."""
    encoding = encoder(groups.form, rounding, padded=index.gap > 0)
    return applied(encoding, decoder(groups.form), matrix, groups, arguments(key, index), want)


def decode(codes: Tensor, groups: Groups, out: Tensor | None) -> Tensor:
    """See :class:`lbt.kernels.backend.Backend`; ``out`` is not used."""
    return decoder(groups.form)(codes, 1.0 if groups.single else groups.scale)  # type: ignore[no-any-return]


def applied(
    encoding: Function,
    decoding: Function,
    matrix: Tensor,
    groups: Groups,
    key: tuple[int, ...],
    want: Want,
) -> tuple[Tensor, Tensor | None]:
    """:func:`encode` with the functions of :func:`encoder` and :func:`decoder`, or what was compiled of them."""
    codes = encoding(matrix, groups.scale.reciprocal(), groups.zero_point, *key)
    return codes, decoding(codes, groups.scale) if want == "dequantized" else None


def encoder(form: FormatBase, rounding: Rounding, *, padded: bool = False) -> Function:
    """``(matrix, inverse scale, zero point or None, first, second, offset) → codes``, an integer dtype.

    ``first``, ``second``: the words of the rounding key, signed. ``offset``: index of the first element, signed. Where
    ``padded``, the index's run and gap follow.
    """
    dtype = integer_dtype(form)

    def coded(matrix: Any, inverse: Any, zero_point: Any, *key: Any) -> Any:
        def to_integer(v: Any) -> Any:
            return rounded(v, rounding, *key)

        v = matrix * inverse
        if form.has_zero_point:
            return form.encode_shifted(v, zero_point, to_integer).to(dtype)
        return form.encode(v, to_integer).to(dtype)

    # one function for each number of arguments: the tracer makes an input of an optional one
    def encode(matrix: Any, inverse: Any, zero_point: Any, first: Any, second: Any, offset: Any) -> Any:
        return coded(matrix, inverse, zero_point, first, second, offset)

    def encode_padded(
        matrix: Any, inverse: Any, zero_point: Any, first: Any, second: Any, offset: Any, run: Any, gap: Any
    ) -> Any:
        return coded(matrix, inverse, zero_point, first, second, offset, run, gap)

    return encode_padded if padded else encode


def decoder(form: FormatBase) -> Function:
    """``(codes, scale) → values``, float32."""

    def decode(codes: Any, scale: Any) -> Any:
        return form.decode(codes) * scale

    return decode
