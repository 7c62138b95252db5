"""Domains that are too large for the memory are adapted to like others, to the same numbers."""

from __future__ import annotations

import pytest

from lbt import mapped
from lbt.train import batches


@pytest.mark.parametrize("method", ["adabn", "shot"])
def test_the_result_is_that_of_a_set_in_memory(bench, monkeypatch, method):
    expected = bench.run("in memory", method=method)
    monkeypatch.setattr(batches, "LARGE", 0)
    monkeypatch.setattr(mapped, "LARGE", 0)
    assert bench.run("on the disk", method=method) == expected
    files = [bench.outputs(name).student.read_bytes() for name in ("in memory", "on the disk")]
    assert files[0] == files[1]
