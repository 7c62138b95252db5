"""Batches, augmentation, schedules and checkpoints are functions of the seed and the step."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lbt.adapt import checkpoint
from lbt.adapt.augment import augment, intensity, warp
from lbt.adapt.batches import generator, indices
from lbt.adapt.evaluate import collapsed
from lbt.adapt.losses import class_balance, reverse_gradient
from lbt.adapt.schedule import warm_cosine

KINDS = ["none", "minimal", "standard", "warp", "affine", "intensity"]


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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_augmentation(kind, channels):
    images = torch.rand(8, channels, 16, 16).mul(2).sub(1)
    before = images.clone()
    first, second = (augment(images, kind, generator(0, "test")) for _ in range(2))
    assert first.shape == images.shape
    assert torch.equal(first, second)
    assert torch.equal(images, before), "the data set itself was changed"
    assert (kind == "none") == torch.equal(first, images)


def test_a_shift_alone_moves_the_centre_by_at_most_two_pixels():
    images = torch.full((64, 1, 21, 21), 0.0)
    images[:, :, 10, 10] = 1
    moved = warp(images, 0.0, generator(1))
    rows, columns = torch.meshgrid(torch.arange(21.0), torch.arange(21.0), indexing="ij")
    centres = torch.stack([(moved[:, 0] * axis).sum((1, 2)) / moved[:, 0].sum((1, 2)) for axis in (rows, columns)])
    assert (centres - 10).abs().max() <= 2.001
    assert centres.std() > 0.5


def test_intensity_inverts_about_half_of_the_channels():
    ramp = torch.linspace(-1, 1, 16).expand(400, 3, 4, 16)
    rising = intensity(ramp, generator(2))
    share = (rising[..., -1] > rising[..., 0]).float().mean()
    assert 0.42 < share < 0.58


def test_schedule_rises_and_falls_to_zero():
    factors = [warm_cosine(step, 100, 0.1) for step in range(100)]
    assert max(factors) == pytest.approx(1.0)
    assert factors[:10] == sorted(factors[:10])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] == pytest.approx(0.0, abs=1e-9)
    assert warm_cosine(0, 1, 0.1) > 0


def test_checkpoints_keep_structure_and_bits(tmp_path):
    shared = torch.randn(3)
    numbers = {"c": torch.tensor([1, 2]), "e": torch.tensor(0.1)}
    state = {"a": {0: shared, 1: [shared, 2.5, None, True]}, "b": (1, "x"), **numbers}
    checkpoint.save(tmp_path / "c.safetensors", state)
    back = checkpoint.load(tmp_path / "c.safetensors")
    assert back["a"][0].equal(shared)
    assert back["a"][1][1:] == [2.5, None, True]
    assert back["b"] == (1, "x")
    assert back["c"].dtype == torch.int64
    assert back["e"].shape == ()


def test_collapse_is_seen_without_labels():
    healthy = torch.eye(10).repeat(20, 1)
    assert not collapsed(healthy)
    assert collapsed(torch.eye(10)[:3].repeat(20, 1))
    assert collapsed(torch.full((10, 10), float("nan")))


def test_class_balance_is_least_when_classes_are_equally_frequent():
    uniform, skewed = torch.full((8, 4), 0.25), torch.tensor([[0.97, 0.01, 0.01, 0.01]]).repeat(8, 1)
    assert class_balance(uniform) < class_balance(skewed)


def test_gradients_reverse():
    x = torch.ones(3, requires_grad=True)
    (reverse_gradient(x, 0.5) * 2).sum().backward()
    assert x.grad.tolist() == [-1.0, -1.0, -1.0]
