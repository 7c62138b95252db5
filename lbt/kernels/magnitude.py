"""The largest magnitude of a tensor, kept by the loop that wrote it so that quantizing need not read it once more.

It is noted on the tensor object itself and holds for what the object held then: any change that PyTorch counts (its
version counter) and any other memory under it make it forgotten. Views and copies do not inherit it.
"""

from __future__ import annotations

from torch import Tensor

_NAME = "_lbt_magnitude"


def remember(x: Tensor, bits: int) -> None:
    """Note that the largest magnitude in ``x``, float32, has the bit pattern ``bits`` (without its sign)."""
    if not x.is_inference():  # whose changes are not counted
        setattr(x, _NAME, (bits, x._version, x.data_ptr(), x.numel()))


def recall(x: Tensor) -> int | None:
    """The bit pattern noted for ``x``; None if ``x`` was changed since, or nothing was noted."""
    noted: tuple[int, int, int, int] | None = getattr(x, _NAME, None)
    if noted is None or noted[1:] != (x._version, x.data_ptr(), x.numel()):
        return None
    return noted[0]
