"""A set that is kept as bytes gives the batches of one that is in memory as floats, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lbt.artifacts import Images, write_images
from lbt.data import to_input
from lbt.train import batches


@pytest.mark.parametrize(("depth", "channels", "size"), [(1, 1, 8), (1, 3, 8), (3, 1, 8), (3, 3, 12), (3, 3, 6)])
def test_batches_of_a_large_set_are_those_of_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: int, channels: int, size: int
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 8, 8, depth), dtype=np.uint8)
    path = tmp_path / "t.parquet"
    write_images(path, Images(pixels, np.arange(50) % 3 - 1, ("a", "b")))
    whole = batches.read_examples(path, channels, size, "t")
    monkeypatch.setattr(batches, "LARGE", 0)
    parts = batches.read_examples(path, channels, size, "t")
    assert not isinstance(parts.images, torch.Tensor)
    assert parts.images.shape == whole.images.shape
    for a, b in ((parts, whole), (parts.labelled(), whole.labelled())):
        assert len(a) == len(b)
        assert torch.equal(a.labels, b.labels)
        assert torch.equal(a.images[3:9], b.images[3:9])
        assert torch.equal(torch.cat(list(a.images.split(7))), b.images)
        assert torch.equal(a.whole, b.images)
        for step in (0, 9):
            (one, two), (three, four) = (batches.draw(s, 16, 0, step, "none", "affine")[0] for s in (a, b))
            assert torch.equal(one, three)
            assert torch.equal(two, four)
            assert one.stride() == three.stride()
    assert torch.equal(to_input(pixels[:1], channels, size), whole.images[:1])
