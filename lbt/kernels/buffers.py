"""Buffers that live on between calls: a fresh one of megabytes costs more in page faults than in work."""

from __future__ import annotations

import threading

import torch
from torch import Tensor


class _Buffers(threading.local):
    def __init__(self) -> None:
        self.kept: dict[str, Tensor] = {}


_buffers = _Buffers()


def buffer(slot: str, count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """A one-dimensional CPU tensor of ``count`` elements; its content is whatever was there.

    Valid until the next call with the same ``slot`` in this thread.
    """
    found = _buffers.kept.get(slot)
    if found is None or found.numel() < count or found.dtype != dtype:
        with torch.inference_mode(False):  # a buffer made in inference mode could not be written to in training
            found = _buffers.kept[slot] = torch.empty(count, dtype=dtype)
    return found[:count]
