"""Scratch files that are damaged cost a second run, not an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbt.pipeline.job import RECORD, HashCache, Job, freshness, read_record

DAMAGED = ["", "[]", "1", "null", "{", '{"outputs": []}', '{"outputs": 1, "fingerprint": "f"}', "[" * 100_000, "\0"]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_record_is_no_record(tmp_path, text):
    (tmp_path / RECORD).write_text(text)
    assert read_record(tmp_path) == {}
    assert freshness(Job("data", "a", {}, ("a",)), tmp_path, "f", lambda _: "0") == "not made yet"


@pytest.mark.parametrize("known", ["1", "[]", "[1, 2]", "{}", "null", "[[1], 2]", "[[1, 2, 3]]"])
def test_a_damaged_hash_is_computed_again(tmp_path, known):
    file, cache = tmp_path / "file", tmp_path / "hashes.json"
    file.write_text("x")
    cache.write_text(f'{{"{file.as_posix()}": {known}}}')
    assert HashCache(cache)(file) == HashCache(Path("none"))(file)
    for text in DAMAGED:
        cache.write_text(text)
        assert HashCache(cache)(file) == HashCache(Path("none"))(file)
