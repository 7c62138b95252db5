"""Weights that are kept in bfloat16 alone: an update in float32, rounded stochastically.

Zamirai et al., "Revisiting BFloat16 Training" (arXiv 2010.06192), section 4. Of bfloat16's 8 bits of significand an
update of less than 2^-9 of a weight leaves nothing when it is rounded to nearest; rounded stochastically it arrives on
average, so that no float32 copy of the weights is needed. A parameter may be float32 and hold numbers of bfloat16, or
be of that type.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from lbt.kernels.quantize import fake_quantize
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec

_NEAREST = RoleSpec.model_validate({"format": "bf16"})
_STOCHASTIC = RoleSpec.model_validate({"format": "bf16", "rounding": "stochastic"})


def rounded(p: Tensor, key: Key, *, first: bool = False) -> None:
    """Round ``p`` in place to bfloat16's numbers: stochastically, or to nearest before the ``first`` update."""
    p.data.copy_(fake_quantize(p.detach(), _NEAREST if first else _STOCHASTIC, key))


@contextlib.contextmanager
def widened(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Within it those of ``parameters`` that are bfloat16, and their gradients, are float32.

    They must hold numbers of bfloat16 again at the end.
    """
    narrow = [(p, p.grad) for p in parameters if p.dtype == torch.bfloat16 and p.grad is not None]
    for p, grad in narrow:
        p.grad = None
        p.data, p.grad = p.data.float(), grad.float()
    try:
        yield
    finally:
        for p, grad in narrow:
            p.grad = None
            p.data, p.grad = p.data.to(torch.bfloat16), grad


def keep_wide_state(
    made: torch.optim.Optimizer, state_dict: dict[str, Any], parameters: Sequence[nn.Parameter]
) -> None:
    """Put the float32 state of bfloat16 ``parameters`` back as it was saved: PyTorch gives it the parameter's type."""
    names = chain.from_iterable(group["params"] for group in state_dict["param_groups"])
    own = chain.from_iterable(group["params"] for group in made.param_groups)
    wanted = {id(p) for p in parameters if p.dtype == torch.bfloat16}
    for name, p in zip(names, own, strict=True):
        for entry, value in state_dict["state"].get(name, {}).items() if id(p) in wanted else ():
            if isinstance(value, Tensor) and value.shape == p.shape:
                made.state[p][entry] = value.to(p.device, copy=True)
