"""``nn.MultiheadAttention`` whose projections, scores and sums of values run on quantized operands."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from lbt.nn.layers.functions import multiplier, note, pair, product, site_roles
from lbt.nn.layers.pairs import attend
from lbt.nn.layers.weights import linear


class QMultiheadAttention(nn.MultiheadAttention):
    """``nn.MultiheadAttention`` with all products in low precision; softmax, masks and dropout stay float.

    Inputs and results are those of PyTorch's forward. ``bias_k``, ``bias_v`` and ``add_zero_attn`` are not known here.
    """

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """(L, N, E), (S, N, E), (S, N, E), or batch first, or without N → the same form as ``query``, and weights."""
        batched = query.dim() == 3
        q, k, v = self._projected(query, key, value)
        if not batched:
            q, k, v = q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0)
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        elif not self.batch_first:
            q, k, v = q.transpose(0, 1), k.transpose(0, 1), v.transpose(0, 1)
        n, length, source = len(q), q.shape[1], k.shape[1]
        q, k, v = (t.reshape(n, -1, self.num_heads, self.head_dim).transpose(1, 2) for t in (q, k, v))
        mask = self._mask(attn_mask, key_padding_mask, (n, length, source), q.dtype)
        rate = self.dropout if self.training else 0.0
        y, weights = self._attend(q, k, v, mask, rate, need_weights)
        y = self.out_proj(y.transpose(1, 2).reshape(n, length, self.embed_dim))
        if weights is not None and average_attn_weights:
            weights = weights.mean(1)
        if not batched:
            return y.squeeze(0), None if weights is None else weights.squeeze(0)
        return y if self.batch_first else y.transpose(0, 1), weights

    def _attend(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, rate: float, need_weights: bool
    ) -> tuple[Tensor, Tensor | None]:
        """q, k, v (N, heads, *, head_dim) → results like q, and weights (N, heads, L, S) if they are needed."""
        if need_weights:
            site = f"{self.__dict__['lbt_name']}.matmul()".lstrip(".")
            roles, why = site_roles(self.__dict__["lbt"], site)
            note(self, "matmul()", None, why, quantized=roles is not None)
            return attend(_float if roles is None else multiplier(self, site), q, k, v, mask, rate)
        options = {"attn_mask": mask, "dropout_p": rate}
        y = pair(self, "scaled_dot_product_attention", (q, k, v), options)
        return (functional.scaled_dot_product_attention(q, k, v, **options) if y is None else y), None  # type: ignore[arg-type]

    def _projected(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, (*, E) each; what is given twice is projected, and quantized, once."""
        if not self._qkv_same_embed_dim:
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
            biases = (None, None, None) if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
            names = ("q_proj", "k_proj", "v_proj")
            four = zip(names, (query, key, value), weights, biases, strict=True)
            q, k, v = (self._linear(name, x, w, b) for name, x, w, b in four)
            return q, k, v
        if query is key and key is value:
            q, k, v = self._linear("in_proj", query, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
            return q, k, v
        w, b = self.in_proj_weight, self.in_proj_bias
        sizes = [self.embed_dim, 2 * self.embed_dim]
        if key is value:
            (w_q, w_kv), (b_q, b_kv) = w.split(sizes), (None, None) if b is None else b.split(sizes)
            k, v = self._linear("kv_proj", key, w_kv, b_kv).chunk(2, -1)
            return self._linear("q_proj", query, w_q, b_q), k, v
        parts = zip(w.chunk(3), (None, None, None) if b is None else b.chunk(3), strict=True)
        names = ("q_proj", "k_proj", "v_proj")
        each = zip(names, (query, key, value), parts, strict=True)
        q, k, v = (self._linear(name, x, weight, bias) for name, x, (weight, bias) in each)
        return q, k, v

    def _linear(self, name: str, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        call = linear(x, weight, bias)
        assert call is not None
        result = product(self, name, call)
        return functional.linear(x, weight, bias) if result is None else result

    def _mask(
        self, attn: Tensor | None, padding: Tensor | None, sizes: tuple[int, int, int], dtype: torch.dtype
    ) -> Tensor | None:
        """Summand of the scores, broadcastable to (N, heads, L, S); None for nothing."""
        n, length, source = sizes
        parts = []
        if attn is not None:
            parts.append(_additive(attn, dtype).view(-1 if attn.dim() == 3 else 1, 1, length, source))
            if attn.dim() == 3:
                parts[0] = parts[0].view(n, self.num_heads, length, source)
        if padding is not None:
            parts.append(_additive(padding, dtype).view(n, 1, 1, source))
        return parts[0] + parts[1] if len(parts) == 2 else parts[0] if parts else None


def _float(x: Tensor, w: Tensor, part: str, rows: int) -> Tensor:
    return x @ w.mT


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Boolean masks (true: left out) as −∞ and 0."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, -math.inf)
