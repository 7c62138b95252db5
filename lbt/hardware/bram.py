"""Block RAMs as words: the number of blocks that feed an array each cycle, and the bytes that fit into them.

A block RAM of 18 kbit is 512 words of 36 bits deep when one port writes while the other reads. Operands of w bits that
are read at the same address lie side by side, ⌊36/w⌋ in a word; what is left of a word is lost, and so is what data of
8 bits cannot use of the parity bits. An UltraRAM is 4,096 words of 72 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np

Words = TypeVar("Words", int, "int | np.ndarray")

PORT_BITS, DEPTH = 36, 512
"""Width and depth of a block RAM of 18 kbit as a simple dual port."""

URAM_BITS, URAM_DEPTH = 72, 4096
"""Width and depth of an UltraRAM."""


def banks(words: Words, width: int) -> Words:
    """Block RAMs from which ``words`` numbers of ``width`` bits are read each cycle."""
    if width > PORT_BITS:
        return words * -(-width // PORT_BITS)
    return -(-words // (PORT_BITS // width))


def filled(width: int, port: int) -> float:
    """Share of a port of ``port`` bits that numbers of ``width`` bits use, 0 to 1; wider ones span several ports."""
    ports = -(-width // port)
    return (ports * port // width) * width / (ports * port)


def capacity(bram18: int, uram: int, width: int) -> int:
    """Bytes of data in numbers of ``width`` bits that the blocks hold.

    Parity bits count only where a number is not a whole number of bytes.
    """
    usable = [8 * (bits // 9) if width % 8 == 0 else bits for bits in (PORT_BITS, URAM_BITS)]
    small, large = (bits * filled(width, bits) / 8 for bits in usable)
    return int(bram18 * DEPTH * small) + int(uram * URAM_DEPTH * large)
