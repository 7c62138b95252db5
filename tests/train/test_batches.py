"""Batches are functions of the seed and the step."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from lbt.train.batches import indices


@given(count=st.integers(1, 40), batch=st.integers(1, 60))
def test_an_epoch_sees_every_image_once(count, batch):
    steps = -(-3 * count // batch)
    seen = torch.cat([indices(count, batch, 0, "x", step) for step in range(steps)])
    assert len(seen) == steps * batch
    for epoch in range(3):
        assert seen[epoch * count : (epoch + 1) * count].sort().values.tolist() == list(range(count))


def test_streams_are_independent():
    assert not torch.equal(indices(100, 50, 0, "source", 0), indices(100, 50, 0, "target", 0))
    assert not torch.equal(indices(100, 50, 0, "source", 0), indices(100, 50, 1, "source", 0))
    assert torch.equal(indices(100, 50, 0, "source", 7), indices(100, 50, 0, "source", 7))
