"""Settings of the C library's allocator for a training process."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_TRIM = 2**31 - 1
_MMAP = (2**30, 2**25)  # older versions refuse more than the second


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for its next tensors, up to 2 GiB, instead of giving it back at once.

    A training step frees and asks for the same megabytes over and over; each time they come fresh from the system,
    every page of 4 KiB costs a fault when it is first written: a tenth of a step on ResNet-18's widths, nothing where
    tensors are small (docs/performance.md). It holds for the whole process and every library in it. ``lbt``'s own
    commands call this; call it first thing in a script that trains a larger network on the CPU.

    Returns:
        Whether the C library took it; False where it is another one than glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return any(mallopt(_MMAP_THRESHOLD, size) for size in _MMAP) and bool(mallopt(_TRIM_THRESHOLD, _TRIM))
