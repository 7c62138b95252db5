"""Refusing to quantize NaN and infinity: at once on a CPU, one step late on a GPU.

To look at a number on a GPU, the processor has to wait until everything before it is done; dozens of times a step, that
would leave the GPU idle most of the time. There the limits are kept, and looked at together when the next step begins
(:func:`lbt.nn.set_step`), or when many have come together.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from lbt.errors import LbtError

if TYPE_CHECKING:
    from torch import Tensor

    from lbt.numerics.rounding import Key

_MOST = 1024
_kept: list[tuple[Tensor, Key]] = []


def check(limit: float | Tensor, key: Key) -> None:
    """Refuse limits that come from NaN or infinity (a silent one would become a plausible code).

    Args:
        limit: a number, or float32 of any shape, not finite where the tensor to quantize was not.
        key: of the tensor; names layer, role and step.

    Raises:
        LbtError: on a CPU at once; on a GPU by :func:`settle`.
    """
    if isinstance(limit, float):
        if not math.isfinite(limit):
            raise refused(key)
        return
    if limit.device.type == "cpu":
        if not bool(torch.isfinite(limit).all()):
            raise refused(key)
        return
    _kept.append((limit.detach().amax(), key))  # limits are not negative, and amax passes NaN on
    if len(_kept) >= _MOST:
        settle()


def settle() -> None:
    """Look at the limits that :func:`check` kept.

    Raises:
        LbtError: one of the limits was not finite; names the layer, role and step of the first.
    """
    kept, _kept[:] = _kept[:], []
    for device in {limit.device for limit, _ in kept}:
        here = [(limit, key) for limit, key in kept if limit.device == device]
        finite = torch.isfinite(torch.stack([limit for limit, _ in here])).tolist()
        for fine, (_, key) in zip(finite, here, strict=True):
            if not fine:
                raise refused(key)


def refused(key: Key) -> LbtError:
    """The error for the tensor of ``key``."""
    return LbtError(
        f"{key.where()}: found NaN or infinity in the tensor to quantize (step {key.step}); "
        "lower the learning rate, or the loss scale"
    )
