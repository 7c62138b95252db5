"""The bound up to which float32 adds integer products exactly, so that an int8 kernel gives the bits of the float one.

As long as no partial sum reaches 2^24, float32 adds integers exactly and in any order, and so does int32. A sum is at
most 127 times the sum of the magnitudes of the weight's codes that are in it: known for every layer of up to 1,040
products, looked up in the weight's codes for longer ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

CODE = 127
EXACT = 2**24


def is_exact(codes: Tensor, dim: int) -> bool:
    """True if no sum over all but dimension ``dim`` of the weight's int8 codes can reach 2^24."""
    if codes.numel() // codes.shape[dim] * CODE**2 < EXACT:
        return True
    others = [d for d in range(codes.dim()) if d != dim]
    return bool(codes.abs().sum(others, dtype=torch.int32).amax() * CODE < EXACT)
