"""Freed memory is there again without page faults."""

import subprocess
import sys

from lbt.memory import keep_freed_memory

_COUNT = """
import resource, sys, torch
from lbt.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(20):  # until it has settled where such a tensor fits
    torch.ones(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", _COUNT, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_memory_is_kept() -> None:
    if keep_freed_memory():  # glibc
        assert 10 * faults("keep") < faults("give back")
