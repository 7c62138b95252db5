"""Products of two activations, as in attention: both operands in A, the error in E, each gradient a product of its own.

Forward:  y = Q_A(x) · Q_A(w)ᵀ
Backward: dx = Q_E(dy) · Q_A(w);  dw = Q_E(dy)ᵀ · Q_A(x)

A form takes ``multiply`` and then what PyTorch's function takes; it returns None for arguments that it has no quantized
form of. Softmax, masks and dropout between two products are computed in float.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lbt.numerics.ranges import parse_rule
from lbt.recipe import Roles

WHOLE = parse_rule("max")
Multiply = Callable[[Tensor, Tensor, str, int], Tensor]
"""x (B, M, K), w (B, N, K), part of the function, matrices of a sample among the B (heads) → x · wᵀ (B, M, N)."""


def pair_roles(roles: Roles) -> Roles:
    """The formats of a product of two activations, whose second operand stands at the weight's place."""
    a, e = roles.A, roles.E
    if a is None or e is None:
        return Roles(A=a and a.unbound, W=a and a.unbound, E=e and e.unbound)
    again = a if a.rotate == e.rotate else a.model_copy(update={"rotate": e.rotate})
    copy = None if again == a else again
    return Roles(A=a, W=a, E=e, WE=copy, AG=copy).complete()


def part_roles(roles: Roles, part: str) -> Roles:
    """``roles`` for one product of a function; attention's weights are quantized over their whole range.

    Rules that clip are made for bell curves. They would cut a weight of 1 among many near 0.
    """
    if part != "values":
        return roles
    specs = {role: spec for role in ("A", "AG") if (spec := getattr(roles, role)) is not None}
    return roles.model_copy(update={role: s.model_copy(update={"range": WHOLE}) for role, s in specs.items()})


def matmul(multiply: Multiply, input: Tensor, other: Tensor) -> Tensor | None:
    """``torch.matmul`` of matrices, or batches of them: (…, M, K) by (…, K, N)."""
    if input.dim() < 2 or other.dim() < 2:
        return None
    return by_rows(multiply, input, other.mT)


def by_rows(multiply: Multiply, x: Tensor, w: Tensor, part: str = "") -> Tensor:
    """x (…, M, K) · wᵀ, w (…, N, K) → (…, M, N), leading dimensions broadcast."""
    if w.dim() == 2:  # one matrix for all: quantized once
        return multiply(x.reshape(1, -1, x.shape[-1]), w.unsqueeze(0), part, 1).reshape(*x.shape[:-1], len(w))
    lead = torch.broadcast_shapes(x.shape[:-2], w.shape[:-2])
    left, right = (t.expand(*lead, *t.shape[-2:]).reshape(-1, *t.shape[-2:]) for t in (x, w))
    return multiply(left, right, part, math.prod(lead[1:])).reshape(*lead, x.shape[-2], w.shape[-2])


def baddbmm(
    multiply: Multiply, input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor | None:
    """``torch.baddbmm``: β·input + α·(batch1 @ batch2)."""
    product = matmul(multiply, batch1, batch2)
    if product is None:
        return None
    product = product if alpha == 1 else product * alpha
    return product if beta == 0 else torch.add(product, input, alpha=beta)


def scaled_dot_product_attention(
    multiply: Multiply, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
    dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """``F.scaled_dot_product_attention``: scores and the sum of values are products, the softmax between is float."""
    if enable_gqa:
        key, value = (t.repeat_interleave(query.shape[-3] // t.shape[-3], -3) for t in (key, value))
    if is_causal:
        size = query.shape[-2], key.shape[-2]
        attn_mask = torch.ones(size, dtype=torch.bool, device=query.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill_(~attn_mask, -math.inf)
    return attend(multiply, query, key, value, attn_mask, dropout_p, scale)[0]


def attend(
    multiply: Multiply, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, dropout: float = 0.0,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(results (…, L, Ev), the weights that made them (…, L, S)) of query (…, L, E), key (…, S, E), value (…, S, Ev).

    ``mask`` is added to the scores; a query that it keeps from every key gets zeros, as in PyTorch's
    ``scaled_dot_product_attention``.
    """
    scores = by_rows(multiply, query, key, "scores") * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if mask is None:
        weights = scores.softmax(-1)
    else:
        scores = scores + mask.to(scores.dtype)
        lonely = scores.isneginf().all(-1, keepdim=True)
        weights = scores.masked_fill(lonely, 0.0).softmax(-1).masked_fill(lonely, 0.0)
    weights = functional.dropout(weights, dropout) if dropout else weights
    return by_rows(multiply, weights, value.mT, "values"), weights


def einsum(multiply: Multiply, equation: Any, *operands: Any) -> Tensor | None:
    """``torch.einsum`` of two operands in which every letter is of the batch, of a matrix's side, or summed over."""
    operands = tuple(operands[0]) if len(operands) == 1 and isinstance(operands[0], (tuple, list)) else operands
    if not isinstance(equation, str) or len(operands) != 2:
        return None
    x, w = operands
    letters = terms(equation, x.dim(), w.dim())
    if letters is None:
        return None
    left, right, out = letters
    batch, summed = [c for c in left if c in right and c in out], [c for c in left if c in right and c not in out]
    rows, columns = [c for c in left if c not in right], [c for c in right if c not in left]
    size = dict(zip(left + right, (*x.shape, *w.shape), strict=True))
    if any(size[c] != x.shape[left.index(c)] for c in batch + summed):
        return None  # a size of one stands for any
    shape = [math.prod(size[c] for c in part) for part in (batch, rows, columns, summed)]
    a = x.permute([left.index(c) for c in batch + rows + summed]).reshape(shape[0], shape[1], shape[3])
    b = w.permute([right.index(c) for c in batch + columns + summed]).reshape(shape[0], shape[2], shape[3])
    y = multiply(a, b, "", math.prod(size[c] for c in batch[1:])).reshape([size[c] for c in batch + rows + columns])
    found = batch + rows + columns
    return y.permute([found.index(c) for c in out])


def terms(equation: str, first: int, second: int) -> tuple[str, str, str] | None:
    """The letters of two operands of so many dimensions and of the result; None where it is no matrix product."""
    given, arrow, out = equation.replace(" ", "").partition("->")
    left, comma, right = given.partition(",")
    if not comma or not arrow or "," in right:
        return None
    for dims, part in ((first, left), (second, right)):
        if "..." in part and dims - len(part) + 3 != first - len(left) + 3:
            return None
    spare = [c for c in string.ascii_letters if c not in equation][: max(0, first - len(left) + 3)]
    left, right, out = (part.replace("...", "".join(spare)) for part in (left, right, out))
    known = all(part.isalpha() or not part for part in (left, right, out))
    if not known or len(left) != first or len(right) != second:
        return None
    once = all(len(set(part)) == len(part) for part in (left, right, out))
    summed = [c for c in left if c in right and c not in out]
    alone = [c for c in left + right if not (c in left and c in right) and c not in out]
    return (left, right, out) if once and summed and not alone and set(out) <= set(left + right) else None


FORMS: dict[str, Callable[..., Tensor | None]] = {
    "matmul": matmul,
    "bmm": matmul,
    "baddbmm": baddbmm,
    "einsum": einsum,
    "scaled_dot_product_attention": scaled_dot_product_attention,
}
"""By the function's word."""
SITES = frozenset(f"{word}()" for word in FORMS)
"""Names of the products of two activations in the conversion table."""
SECOND = " (second operand)"
"""After the name of a product, where its second operand has a range or scale of its own."""
