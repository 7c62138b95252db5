"""The word for a rotation of a product's operands: ``hadamard(n)``, n a power of two.

Importing this does not import torch; :mod:`lbt.kernels.rotate` computes it.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

LARGEST = 1024


def _check(text: str) -> str:
    text = text.replace(" ", "")
    match = re.fullmatch(r"hadamard\(([1-9]\d{0,3})\)", text)
    size = int(match[1]) if match else 0
    if not 2 <= size <= LARGEST or size & (size - 1):
        raise ValueError(f"found {text!r}; accepted: hadamard(n), n a power of two, 2 to {LARGEST}")
    return text


Rotation = Annotated[str, AfterValidator(_check)]
"""``hadamard(n)``."""


def block_of(rotation: str) -> int:
    """The n of ``hadamard(n)``."""
    return int(rotation[9:-1])


def blocks(length: int, size: int) -> list[tuple[int, int]]:
    """(first element, size) of the blocks that cover ``length`` elements.

    Blocks of ``size`` as far as they go, then smaller powers of two: 50 elements are three blocks of 16 and one of 2.
    A smaller block is a Hadamard matrix too, so that the whole is orthogonal for any length.
    """
    found, start = [], 0
    while length - start:
        while size > length - start:
            size //= 2
        found.append((start, size))
        start += size
    return found
