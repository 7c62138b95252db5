"""The reproducible mode: float kernels that give the same bits on every x86-64 processor with AVX2.

Float sums depend on the order in which they are added, and PyTorch, oneDNN, MKL, OpenBLAS and NumPy each choose that
order by the processor's instructions and by the number of threads. :data:`SETTINGS` fixes both: one thread, and the
instructions of AVX2 at most. MKL needs its plainest code (``COMPATIBLE``): its AVX2 code differs between vendors. The
libraries read these variables when they are loaded, so that the mode is entered before NumPy or PyTorch is imported.

The pipeline's jobs run in it unless the params say ``reproducible: false``; the library leaves the choice to its user.
`lbt reproduce` compares a processor with emulated others.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import MutableMapping
from pathlib import Path

from lbt.errors import LbtError

SETTINGS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Haswell",
    # NumPy is on no hot path: its baseline suffices. Two generations of names; those that it does not know are ignored
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR AVX F16C FMA3 AVX2 AVX512F AVX512CD AVX512_SKX "
    "AVX512_CLX AVX512_CNL",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx2,+bmi,+bmi2,+f16c,+fma",
}
"""Environment variables of the mode."""

LIBRARIES = ("numpy", "torch", "scipy", "sklearn")
"""The libraries that read :data:`SETTINGS` when they are imported."""


def enter(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set :data:`SETTINGS` for this process and its children.

    Raises:
        LbtError: a library that would have to know them is loaded already, under other settings.
    """
    missing = [name for name, value in SETTINGS.items() if environment.get(name) != value]
    loaded = [name for name in LIBRARIES if name in sys.modules]
    if missing and loaded:
        raise LbtError(
            f"reproducible: {loaded[0]} is loaded already, without {missing[0]}={SETTINGS[missing[0]]}; "
            "call lbt.reproducible.enter() before any import of it, or run the job through the command `lbt`"
        )
    environment.update(SETTINGS)


def supported() -> str:
    """Why this machine's results cannot be compared with others'; an empty string where they can."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return f"the processor is {platform.machine()}, not x86-64"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("flags", 2)[1].split("\n")[0].split()
    except (OSError, IndexError):
        return ""  # another system than Linux does not say; its processors of the last ten years have both
    lacking = [name for name in ("avx2", "fma") if name not in flags]
    return f"the processor lacks {' and '.join(lacking)}" if lacking else ""
