"""Codes, policies and budgets of a memory."""

from __future__ import annotations

import pytest
import torch

from lbt.data.inputs import to_input
from lbt.edge.incremental.coding import Latents, Pixels
from lbt.edge.incremental.options import POLICIES
from lbt.edge.incremental.sizes import in_bytes
from lbt.edge.incremental.store import Store
from lbt.errors import LbtError
from lbt.train.batches import generator

from .conftest import bars


def test_pixels_are_kept_exactly():
    pixels = bars(9, 3).pixels
    images, code = to_input(pixels), Pixels((1, 12, 12))
    kept = code.encode(images)
    assert kept.shape == (9, 144)
    assert kept.dtype == torch.uint8
    assert torch.equal(kept.view(9, 12, 12, 1), torch.from_numpy(pixels))
    assert torch.equal(code.decode(kept), images)


@pytest.mark.parametrize("bits", [2, 3, 5, 8, 32])
def test_latents_are_within_half_a_step(bits):
    values = torch.randn(6, 3, 2, 2, generator=torch.Generator().manual_seed(bits)) * 5
    values[0] = 1.5  # a constant has no step
    code = Latents((3, 2, 2), bits)
    kept = code.encode(values)
    assert kept.shape == (6, code.size)
    assert code.size == (48 if bits == 32 else 8 + -(-12 * bits // 8))
    back = code.decode(kept)
    low, high = values.flatten(1).aminmax(dim=1)
    step = (0 if bits == 32 else 1) * (high - low) / (2 ** min(bits, 8) - 1)
    assert ((back - values).flatten(1).abs() <= step[:, None] / 2 * 1.001 + 1e-6 * (bits != 32)).all()
    assert torch.equal(back[0], values[0])


def filled(policy: str, labels: list[int], capacity: int, seed: int = 0) -> tuple[list[int], list[int]]:
    """Numbers in the stream and labels of what a memory keeps."""
    held: dict[str, torch.Tensor] = {}
    store = Store(capacity * 8 + 27, 4, 3, policy, held)
    assert store.capacity == capacity
    codes = torch.arange(len(labels), dtype=torch.int32)[:, None].view(torch.uint8)
    store.offer(codes, torch.tensor(labels), generator(seed, "test"))
    assert sum(t.numel() * t.element_size() for t in held.values()) <= capacity * 8 + 27
    return held["memory/codes"].view(torch.int32).flatten().tolist(), held["memory/labels"].tolist()


def test_a_reservoir_keeps_each_example_with_the_same_probability():
    kept = [n for seed in range(150) for n in filled("reservoir", [0] * 20, 5, seed)[0]]
    counts = torch.tensor(kept).bincount(minlength=20)
    assert counts.sum() == 150 * 5
    assert ((counts - 37.5).abs() < 5 * (150 * 0.25 * 0.75) ** 0.5).all()


def test_a_balanced_memory_keeps_rare_classes():
    labels = [0] * 60 + [1] * 30 + [2] * 4
    numbers, kept = filled("balanced", labels, 12)
    assert sorted(kept) == [0] * 4 + [1] * 4 + [2] * 4
    assert [labels[n] for n in numbers] == kept


def test_within_a_class_a_balanced_memory_is_a_reservoir():
    labels = [n % 2 for n in range(24)]
    kept = [n for seed in range(150) for n in filled("balanced", labels, 6, seed)[0]]
    counts = torch.tensor(kept).bincount(minlength=24)
    assert ((counts - 37.5).abs() < 5 * (150 * 0.25 * 0.75) ** 0.5).all()


def test_every_policy_respects_the_capacity_and_draws_without_repeats():
    for policy in POLICIES.names():
        held: dict[str, torch.Tensor] = {}
        store = Store(200, 4, 3, policy, held)
        store.offer(torch.zeros(50, 4, dtype=torch.uint8), torch.arange(50) % 3, generator(1))
        assert len(store) == store.capacity == 21
        codes, labels = store.draw(100, generator(2))
        assert len(codes) == 21
        assert sorted(labels.tolist()) == sorted(held["memory/labels"].tolist())


def test_a_budget_below_one_example_is_refused():
    with pytest.raises(LbtError, match="budget: found 30 bytes; accepted: 35 or more, 8 bytes an example"):
        Store(30, 4, 3, "reservoir", {})


@pytest.mark.parametrize(
    ("text", "size"), [("64kB", 64000), ("64KiB", 65536), ("1.5 MB", 1500000), ("7", 7), ("8b", 8)]
)
def test_sizes(text, size):
    assert in_bytes(text) == size


def test_a_size_of_no_unit_is_refused():
    with pytest.raises(ValueError, match=r"64 stones.*accepted: bytes, or a number with kB"):
        in_bytes("64 stones")
