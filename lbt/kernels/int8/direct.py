"""int8 convolutions without columns: the processor's own kernel, and a weight gradient from shifted views.

``onednn::qconv2d_pointwise`` multiplies unsigned bytes by signed ones in int32 and writes the sums, times a scale, as
float32: with codes moved by their zero point 128 that is the integer engine's product, three to four times faster than
a float convolution. The weight gradient has no such kernel. But in a padded image whose rows follow each other, a tap
(i, j) of the kernel *is* an offset of i · row + j positions; so the gradient of one kernel row is one matrix product of
the error with the image read from that offset on, and columns for a row only are all that is copied.

The operator is an internal one of PyTorch: it is tried once per process, at full scale, against the definition; where
it is missing or wrong, the products are done with columns (:mod:`lbt.kernels.int8.columns`) to the same bits.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from lbt.kernels.buffers import buffer
from lbt.kernels.geometry import PLAIN, Geometry
from lbt.kernels.int8.gemm import LONGEST, matmul

_COLUMNS = 4 * 2**20  # bytes of columns made at a time
_ALIGN = 64  # the int8 product is several times slower when its reduction is not a multiple of this


@functools.cache
def works() -> bool:
    """True if the quantized convolution is there and exact: full-scale codes, padding and stride included."""
    g = torch.Generator().manual_seed(0)
    x = torch.randint(0, 2, (2, 40, 5, 6), dtype=torch.int8, generator=g) * 127 * 2 - 127
    w = torch.randint(0, 2, (24, 40, 3, 3), dtype=torch.int8, generator=g) * 127 * 2 - 127
    w[0], x[0] = 127, -127
    try:
        y = convolve(x, w, 0.5, Geometry((2, 1), (1, 2)))
    except (AttributeError, RuntimeError):
        return False
    expected = torch.nn.functional.conv2d(x.double(), w.double(), stride=(2, 1), padding=(1, 2))
    return torch.equal(y.double(), expected * 0.5)


def pays(image: Sequence[int], weight: Sequence[int], result: Sequence[int]) -> bool:
    """True if the kernel takes these shapes, packing the weight costs less than it saves, and no sum can leave int32.

    With a side of one pixel the two memory formats look alike. The kernel mistakes one for the other in an image; in a
    result its AMX form gives wrong sums (stride (1, 2), a result one pixel wide: oneDNN of torch 2.13).

    Args:
        image: (N, C, H, W) of the convolved tensor: the input, or the error.
        weight: (O, C, KH, KW) of the forward product, in both cases.
        result: (H, W) of the output, or of the input's error.
    """
    if min(*image[2:], *result) < 2 or math.prod(image) < math.prod(weight):
        return False
    return math.prod(weight) // min(weight[:2]) <= LONGEST // 2 and works()


def reverses(geometry: Geometry) -> bool:
    """True if :func:`error` takes a convolution: without groups, and without a stride and dilation at once."""
    return geometry.groups == 1 and (1, 1) in (geometry.stride, geometry.dilation)


def convolve(x: Tensor, weight: Tensor, scale: float, geometry: Geometry = PLAIN) -> Tensor:
    """float32(exact sums) · scale, without groups.

    Args:
        x: int8 (N, C, H, W).
        weight: int8 (O, C, KH, KW).
        scale: float32 number.
        geometry: stride, padding, dilation.

    Returns:
        float32 (N, O, OH, OW), channels_last in memory.
    """
    # the operator does not write what a window wholly in the padding gives: such padding is made part of the image
    stride, padding, dilation, _ = geometry
    within = [min(padding[i], dilation[i] * (weight.shape[2 + i] - 1)) for i in (0, 1)]
    if tuple(within) != tuple(padding):
        rows, columns = padding[0] - within[0], padding[1] - within[1]
        x = functional.pad(x, (columns, columns, rows, rows))
    x = x.contiguous(memory_format=torch.channels_last)
    moved = buffer("moved", x.numel(), torch.int8).as_strided(x.shape, x.stride())
    torch.bitwise_xor(x, -128, out=moved)  # the bit pattern of code + 128 in an unsigned byte
    # beyond float32's range the scale is infinite, as where a product is scaled afterwards, and no error of torch.full
    scales, zeros = torch.tensor([scale], dtype=torch.float64).float(), torch.zeros(1, dtype=torch.int64)
    how = (list(stride), within, list(dilation), 1)
    packed = torch.ops.onednn.qconv_prepack(weight, scales, 1.0, 128, *how, list(x.shape))
    y: Tensor = torch.ops.onednn.qconv2d_pointwise(
        moved.view(torch.uint8), 1.0, 128, packed, scales, zeros, None, *how, 1.0, 0, torch.float32, "none", [], ""
    )
    return y


def error(dy: Tensor, weight: Tensor, scale: float, size: tuple[int, ...], geometry: Geometry = PLAIN) -> Tensor:
    """Error of the input of a convolution without groups (dilation only with stride 1), as float32(exact sums) · scale.

    With a stride (s, t), the rows i ≡ a (mod s) of the input meet only every s-th tap of the kernel: each of the s · t
    phases of the input is a small convolution of its own, and nothing is multiplied by zeros.

    Args:
        dy: int8 (N, O, OH, OW).
        weight: int8 (O, C, KH, KW).
        scale: float32 number.
        size: H, W of the input.
        geometry: stride, padding, dilation of the forward product.
    """
    stride, padding, dilation, _ = geometry
    kernel, turned = weight.shape[2:], weight.transpose(0, 1)
    rest = [dilation[i] * (kernel[i] - 1) - padding[i] for i in (0, 1)]
    if stride == (1, 1):
        around = Geometry(padding=(max(0, rest[0]), max(0, rest[1])), dilation=dilation)
        whole = convolve(dy, turned.flip(2, 3).contiguous(), scale, around)
        top, left = max(0, -rest[0]), max(0, -rest[1])
        return whole[:, :, top : top + size[0], left : left + size[1]]
    (n, _, *inner), c = dy.shape, weight.shape[1]
    phases = [
        [_phase(a, stride[i], padding[i], kernel[i], size[i], inner[i]) for a in range(stride[i])] for i in (0, 1)
    ]
    top, left = (max(0, *(p[3] for p in phases[i]), *(p[4] for p in phases[i])) for i in (0, 1))
    everywhere = all(taps for side in phases for _, taps, *_ in side)
    dx = (torch.empty if everywhere else torch.zeros)(n, *size, c).permute(0, 3, 1, 2)
    for a, (tap_a, taps_a, count_a, before_a, _) in enumerate(phases[0]):
        for b, (tap_b, taps_b, count_b, before_b, _) in enumerate(phases[1]):
            if not (taps_a and taps_b and count_a and count_b):
                continue
            w = turned[:, :, tap_a :: stride[0], tap_b :: stride[1]].flip(2, 3).contiguous()
            part = convolve(dy, w, scale, Geometry(padding=(top, left)))
            i, j = top - before_a, left - before_b
            dx[:, :, a :: stride[0], b :: stride[1]] = part[:, :, i : i + count_a, j : j + count_b]
    return dx


def _phase(a: int, stride: int, padding: int, kernel: int, size: int, inner: int) -> tuple[int, int, int, int, int]:
    """For the input's positions a, a + stride, …: the first tap that they meet, how many taps, how many positions, and
    by how many positions the window reaches out of dy before and behind."""
    quotient, tap = divmod(a + padding, stride)
    taps = len(range(tap, kernel, stride))
    count = len(range(a, size, stride))
    return tap, taps, count, taps - 1 - quotient, count - 1 + quotient - (inner - 1)


def weight_gradient(x: Tensor, dy: Tensor, kernel: tuple[int, ...], padding: tuple[int, ...]) -> Tensor:
    """Gradient of the weight of a convolution with stride 1, no dilation, no groups: exact sums.

    Args:
        x: int8 (N, C, H, W).
        dy: int8 (N, O, OH, OW).
        kernel: KH, KW.
        padding: of the forward product.

    Returns:
        (O, C, KH, KW), channels_last in memory: int32, or int64 where there are over 131,071 positions, the padding's
        included.
    """
    (n, c, h, w), o, (kh, kw), (ph, pw) = x.shape, dy.shape[1], kernel, padding
    rows, row = h + 2 * ph, w + 2 * pw
    count = -(-n * rows * row // _ALIGN) * _ALIGN
    reach = (kh - 1) * row + kw - 1
    image = _framed(x, (rows, row), (ph, pw), buffer("image", (count + reach) * c, torch.int8))
    # zeros where the window would leave the image, so that what it reads there does not count
    left = _framed(dy, (rows, row), (0, 0), buffer("errors", count * o, torch.int8)).view(count, o).t()
    total = torch.zeros(o, kh, kw * c, dtype=torch.int32 if count <= LONGEST else torch.int64)
    step = max(1, _COLUMNS // (kw * c * _ALIGN)) * _ALIGN
    for first in range(0, count, step):
        part = left[:, first : first + step]
        lines = part.shape[1] + (kh - 1) * row
        taps = buffer("taps", lines * kw * c, torch.int8).view(lines, kw * c)
        taps.copy_(image.as_strided((lines, kw * c), (c, 1), first * c))
        for i in range(kh):
            total[:, i] += matmul(part, taps[i * row : i * row + part.shape[1]])
    return total.view(o, kh, kw, c).permute(0, 3, 1, 2)


def _framed(x: Tensor, frame: tuple[int, ...], at: tuple[int, ...], into: Tensor) -> Tensor:
    """``into``, filled with the NHWC images of ``x`` (N, C, H, W), each in a frame of zeros, and zeros behind."""
    (n, c, h, w), (rows, row), (top, left) = x.shape, frame, at
    images = into[: n * rows * row * c].view(n, rows, row, c)
    images[:, :top] = 0
    images[:, top + h :] = 0
    within = images[:, top : top + h]
    within[:, :, :left] = 0
    within[:, :, left + w :] = 0
    within[:, :, left : left + w] = x.permute(0, 2, 3, 1)
    into[images.numel() :] = 0
    return into


def shifts_pay(image: Sequence[int], size: Sequence[int], padding: Sequence[int]) -> bool:
    """True unless the padded image is so much larger than dy that columns are cheaper.

    Args:
        image: (N, C, H, W) of the input.
        size: (OH, OW) of the error.
        padding: of the forward product.
    """
    n, _, h, w = image
    positions = (h + 2 * padding[0]) * (w + 2 * padding[1])
    return positions <= 1.4 * size[0] * size[1] and n * positions <= 8 * LONGEST
