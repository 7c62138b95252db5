"""The error of softmax and cross-entropy in fixed point: powers of two from a table of 256 entries."""

from __future__ import annotations

import torch
from torch import Tensor

from lbt.fixed.arithmetic import shift_exact

PROBABILITY = 15
"""Fraction bits of a probability."""
LOG2_E = 94_548
"""log2(e), 16 fraction bits."""
TABLE = tuple(round(2**15 * 2 ** (-i / 256)) for i in range(256))
"""2^(−i/256), 15 fraction bits."""


def softmax(logits: Tensor, exponent: int) -> Tensor:
    """Probabilities with 15 fraction bits, int64 (N, classes), within 1 % of the exact ones or 2^-14.

    Args:
        logits: int32 or int64 (N, classes), below 2^31; their unit is 2^exponent.
        exponent: −40 … 10.
    """
    below = logits.amax(1, keepdim=True).to(torch.int64) - logits.to(torch.int64)
    t = shift_exact((below * LOG2_E), exponent).clamp_(0, 31 << 16)  # 16 fraction bits
    table = torch.tensor(TABLE, device=logits.device)
    power = table[(t >> 8) & 255] >> (t >> 16)
    return torch.div(power << PROBABILITY, power.sum(1, keepdim=True), rounding_mode="floor")


def cross_entropy_error(logits: Tensor, exponent: int, labels: Tensor) -> Tensor:
    """Derivative of the cross-entropy (summed over samples) to the logits: p − 1[label], 15 fraction bits, int64."""
    error = softmax(logits, exponent)
    error[torch.arange(len(labels)), labels] -= 1 << PROBABILITY
    return error
