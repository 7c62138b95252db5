"""The GPU's kernels in Triton's interpreter, on the processor. Also a script: python test_implicit.py"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from lbt.kernels.geometry import Geometry
from lbt.kernels.int8 import columns, implicit

CASES = [  # N, C, O, size, kernel, geometry: channels and rows that fill a tile, and that do not
    (2, 3, 5, (7, 6), (3, 3), Geometry((1, 1), (1, 1))),
    (1, 70, 65, (5, 5), (1, 1), Geometry()),
    (2, 4, 70, (9, 8), (3, 2), Geometry((2, 3), (1, 0), (2, 1))),
    (3, 1, 1, (12, 11), (2, 3), Geometry((3, 1), (0, 2), (1, 2))),
]


def compare() -> None:
    g = torch.Generator().manual_seed(0)
    for n, c, o, size, kernel, geometry in CASES:
        codes = lambda *shape: torch.randint(-128, 128, shape, dtype=torch.int8, generator=g)  # noqa: E731
        x, w = codes(n, c, *size), codes(o, c, *kernel)
        y = columns.conv2d(x, w, geometry)
        dy = codes(*y.shape)
        assert torch.equal(implicit.convolve(x, w, geometry), y)
        assert torch.equal(implicit.error(dy, w, size, geometry), columns.conv2d_error(dy, w, size, geometry))
        gradient = implicit.weight_gradient(x, dy, kernel, geometry)
        assert torch.equal(gradient, columns.conv2d_weight(x, dy, kernel, geometry).long())
    print("equal")


@pytest.mark.slow
def test_the_kernels_return_what_the_columns_do() -> None:
    pytest.importorskip("triton", reason="the extra 'gpu' is not installed")
    done = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, "TRITON_INTERPRET": "1"},  # read when Triton is imported
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.stdout == "equal\n", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90])
def test_they_compile_to_int8_tensor_core_instructions(capability: int) -> None:
    """For a GPU that is not here: the compiler alone."""
    triton = pytest.importorskip("triton", reason="the extra 'gpu' is not installed")
    compiler, backends = pytest.importorskip("triton.compiler"), pytest.importorskip("triton.backends.compiler")
    from lbt.kernels.int8 import _implicit_kernels as kernels

    tile = {"ROWS": 64, "INNER": 64, "OUTER": 64}
    fixed = {
        kernels.gather: {"inner": 64, "kernel_height": 3, "kernel_width": 3, "scale_y": 1, "scale_x": 1, "divide_y": 1,
                         "divide_x": 1, **tile, "ROWS": implicit._ROWS},
        kernels.correlate: {"stride_y": 1, "stride_x": 1, "RUN": implicit.RUN, **tile},
    }  # fmt: skip
    pointers = {"x": "*i8", "w": "*i8", "dy": "*i8", "y": "*i32", "dw": "*i64"}
    for kernel, constants in fixed.items():
        names = kernel.arg_names
        signature = {n: "constexpr" if n in constants else pointers.get(n, "i32") for n in names}
        source = compiler.ASTSource(kernel, signature, {(names.index(n),): value for n, value in constants.items()})
        made = triton.compile(source, target=backends.GPUTarget("cuda", capability, 32))
        assert ("wgmma.mma_async.sync.aligned" if capability == 90 else "mma.sync.aligned") in made.asm["ptx"]
        assert ".s32.s8.s8" in made.asm["ptx"]
        assert made.metadata.shared <= 48 * 1024  # what a GPU gives to a block without asking


def test_they_are_for_a_gpu_and_for_sums_that_fit() -> None:
    assert not implicit.pays(torch.zeros(1, 1, 4, 4, dtype=torch.int8), 9, 1)


if __name__ == "__main__":
    compare()
