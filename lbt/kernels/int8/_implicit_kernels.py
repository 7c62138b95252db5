"""The Triton kernels of :mod:`lbt.kernels.int8.implicit`: implicit matrix products of int8 codes, summed in int32.

Importing this needs Triton; compilation happens at the first launch on a GPU. With ``TRITON_INTERPRET=1`` in the
environment they run on the processor, slowly, which is how the tests compare them.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def gather(
    x, w, y,
    rows, x_height, x_width, y_height, y_width, inner: tl.constexpr, outer,
    kernel_height: tl.constexpr, kernel_width: tl.constexpr,
    scale_y: tl.constexpr, scale_x: tl.constexpr, offset_y, offset_x, tap_y, tap_x,
    divide_y: tl.constexpr, divide_x: tl.constexpr,
    ROWS: tl.constexpr, INNER: tl.constexpr, OUTER: tl.constexpr,
):  # fmt: skip
    """y[n, i, j, o] = Σ over taps (k, m) and c of x[n, p, q, c] · w[k, m, c, o], without making columns.

    p = (scale_y · i + offset_y + tap_y · k) / divide_y where that is a whole number inside of the image, and q alike:
    with divide 1 this is a convolution, and with scale 1 its transpose. One program makes ROWS positions (n, i, j) of
    OUTER channels. x is NHWC, w is (KH, KW, inner, outer), both contiguous int8; y is int32 NHWC.
    """
    position = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * OUTER + tl.arange(0, OUTER)
    j = position % y_width
    i = position // y_width % y_height
    n = position // (y_width * y_height)
    total = tl.zeros((ROWS, OUTER), dtype=tl.int32)
    for k in range(kernel_height):
        for m in range(kernel_width):
            p = scale_y * i + offset_y + tap_y * k
            q = scale_x * j + offset_x + tap_x * m
            there = (position < rows) & (p >= 0) & (q >= 0) & (p % divide_y == 0) & (q % divide_x == 0)
            p = p // divide_y
            q = q // divide_x
            there = there & (p < x_height) & (q < x_width)
            start = ((n * x_height + p) * x_width + q).to(tl.int64) * inner
            for first in range(0, inner, INNER):
                c = first + tl.arange(0, INNER)
                a = tl.load(x + start[:, None] + c[None, :], mask=there[:, None] & (c < inner)[None, :], other=0)
                at = ((k * kernel_width + m) * inner + c)[:, None] * outer + channel[None, :]
                b = tl.load(w + at, mask=(c < inner)[:, None] & (channel < outer)[None, :], other=0)
                total = tl.dot(a, b, total, out_dtype=tl.int32)
    at = position.to(tl.int64)[:, None] * outer + channel[None, :]
    tl.store(y + at, total, mask=(position < rows)[:, None] & (channel < outer)[None, :])


@triton.jit
def correlate(
    x, dy, dw,
    rows, x_height, x_width, y_height, y_width, inner, outer, kernel_width,
    stride_y: tl.constexpr, stride_x: tl.constexpr, offset_y, offset_x, tap_y, tap_x,
    RUN: tl.constexpr,
    ROWS: tl.constexpr, INNER: tl.constexpr, OUTER: tl.constexpr,
):  # fmt: skip
    """dw[k, m, o, c] += Σ over RUN positions of dy[n, i, j, o] · x[n, stride · i + offset + tap · k, …, c].

    One program makes OUTER × INNER sums of one tap over one run of positions and adds them to dw, int64 (KH, KW, outer,
    inner), at once: sums of integers do not depend on the order. x and dy are NHWC int8.
    """
    tiles = tl.cdiv(inner, INNER)
    o = tl.program_id(0) // tiles * OUTER + tl.arange(0, OUTER)
    c = tl.program_id(0) % tiles * INNER + tl.arange(0, INNER)
    tap = tl.program_id(1)
    k = tap // kernel_width
    m = tap % kernel_width
    begin = tl.program_id(2) * RUN
    total = tl.zeros((OUTER, INNER), dtype=tl.int32)
    for first in range(0, RUN, ROWS):
        position = begin + first + tl.arange(0, ROWS)
        j = position % y_width
        i = position // y_width % y_height
        n = position // (y_width * y_height)
        p = stride_y * i + offset_y + tap_y * k
        q = stride_x * j + offset_x + tap_x * m
        inside = (position < rows) & (p >= 0) & (q >= 0) & (p < x_height) & (q < x_width)
        start = ((n * x_height + p) * x_width + q).to(tl.int64) * inner
        error = tl.load(
            dy + position.to(tl.int64)[None, :] * outer + o[:, None],
            mask=(position < rows)[None, :] & (o < outer)[:, None], other=0,
        )  # fmt: skip
        image = tl.load(x + start[:, None] + c[None, :], mask=inside[:, None] & (c < inner)[None, :], other=0)
        total = tl.dot(error, image, total, out_dtype=tl.int32)
    at = (tap * outer + o)[:, None] * inner + c[None, :]
    tl.atomic_add(dw + at, total.to(tl.int64), mask=(o < outer)[:, None] & (c < inner)[None, :])
