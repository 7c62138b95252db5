"""A whole training run in integers: it learns, and its bits depend on nothing but the seed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lbt.errors import LbtError
from lbt.nn.integer.layers import BatchNorm, Conv
from lbt.nn.integer.network import IntegerNetwork
from lbt.nn.integer.softmax import cross_entropy_error, softmax
from lbt.nn.integer.update import IntegerSGD

HASH = "b41baad35cea1c39c6a4937dc0962614105c5851574813a5b51cbfc48d4ebe97"
"""Weights after ten steps of 64 digits from the start below."""


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    from sklearn.datasets import load_digits

    data = load_digits()
    images = torch.from_numpy(data.images).round().to(torch.int64) * 127 // 16
    return images.to(torch.int8)[:, None], torch.from_numpy(data.target).to(torch.int64)


def network(seed: int = 0) -> IntegerNetwork:
    # a start that is a function of integers alone: no library's random generator, no machine's libm
    def weights(*shape: int, scale: int) -> torch.Tensor:
        count = torch.Size(shape).numel()
        hashed = (torch.arange(1, count + 1) * 2654435761 + seed) % 2**32 // 2**16 % 2001 - 1000
        return (hashed.double() * scale / 2**16).view(shape).float()

    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(32 * 4, 10, bias=False),
    )  # fmt: skip
    with torch.no_grad():
        for layer, scale in ((model[0], 30), (model[3], 8), (model[8], 8)):
            layer.weight.copy_(weights(*layer.weight.shape, scale=scale))
    return IntegerNetwork(model, (1, 8, 8), IntegerSGD(lr=0.05, momentum=0.9), seed)


def train(steps: int, parts: int = 1, seed: int = 0) -> tuple[IntegerNetwork, int]:
    images, labels = digits()
    net, right = network(seed), 0
    for step in range(steps):
        batch = (torch.arange(64) + 64 * step) % 1500
        right = net.step(images[batch], labels[batch], parts)
    return net, right


@pytest.mark.slow
def test_it_learns() -> None:
    net, _ = train(120)
    images, labels = digits()
    accuracy = (net.logits(images[1500:]).codes.argmax(1) == labels[1500:]).double().mean()
    assert accuracy > 0.85


def test_the_published_hash() -> None:
    assert train(10)[0].fingerprint() == HASH


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_micro_batches_do_not_change_a_bit(parts: int) -> None:
    assert train(4, parts)[0].fingerprint() == train(4)[0].fingerprint()


def test_two_threads_do_not_change_a_bit() -> None:
    threads = torch.get_num_threads()
    try:
        hashes = []
        for count in (1, 2):
            torch.set_num_threads(count)
            hashes.append(train(4)[0].fingerprint())
    finally:
        torch.set_num_threads(threads)
    assert hashes[0] == hashes[1]


def test_the_seed_and_the_step_matter() -> None:
    hashes = {train(steps, seed=seed)[0].fingerprint() for steps, seed in ((3, 0), (4, 0), (3, 1))}
    assert len(hashes) == 3


def test_evaluation_does_not_change_training() -> None:
    images, _ = digits()
    net, _ = train(2)
    other, _ = train(2)
    net.logits(images[:100])
    batch = torch.arange(64)
    labels = digits()[1]
    net.step(images[batch], labels[batch])
    other.step(images[batch], labels[batch])
    assert net.fingerprint() == other.fingerprint()


def test_everything_that_is_multiplied_has_eight_bits() -> None:
    net, _ = train(2)
    for layer in net.layers:
        if isinstance(layer, Conv):
            assert layer.x.codes.dtype == layer.w.codes.dtype == torch.int8
            assert len(layer.w.codes.unique()) > 16
        if isinstance(layer, BatchNorm):
            assert layer.normal.abs().max() < 2**15


def test_softmax_is_near_the_exact_one() -> None:
    logits = torch.randint(-(2**20), 2**20, (200, 10), generator=torch.Generator().manual_seed(0))
    expected = (logits.double() * 2.0**-17).softmax(1)
    got = softmax(logits, -17).double() / 2**15
    assert ((got - expected).abs() <= 0.01 * expected + 2**-14).all()
    labels = torch.arange(200) % 10
    error = cross_entropy_error(logits, -17, labels)
    assert (error.gather(1, labels[:, None]) <= 0).all()
    assert error.sum(1).abs().max() <= 10


def test_a_layer_without_integer_form_is_named() -> None:
    with pytest.raises(LbtError, match="layer '0': GELU"):
        IntegerNetwork(nn.Sequential(nn.GELU()), (1, 8, 8))
