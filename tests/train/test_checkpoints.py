"""Checkpoints keep structure and bits."""

from __future__ import annotations

import torch

from lbt.train import checkpoints


def test_checkpoints_keep_structure_and_bits(tmp_path):
    shared = torch.randn(3)
    numbers = {"c": torch.tensor([1, 2]), "e": torch.tensor(0.1)}
    state = {"a": {0: shared, 1: [shared, 2.5, None, True]}, "b": (1, "x"), **numbers}
    checkpoints.save(tmp_path / "c.safetensors", state)
    back = checkpoints.load(tmp_path / "c.safetensors")
    assert back["a"][0].equal(shared)
    assert back["a"][1][1:] == [2.5, None, True]
    assert back["b"] == (1, "x")
    assert back["c"].dtype == torch.int64
    assert back["e"].shape == ()
