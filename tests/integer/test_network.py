"""A whole training run in integers: it learns, and its bits depend on nothing but the seed."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from lbt.errors import LbtError
from lbt.fixed.softmax import cross_entropy_error, softmax
from lbt.integer.layers import BatchNorm, Conv
from lbt.integer.network import IntegerNetwork

SCRIPT = Path(__file__).with_name("_train_integer.py")
HASHES = {
    "plain": "b41baad35cea1c39c6a4937dc0962614105c5851574813a5b51cbfc48d4ebe97",
    "pooled": "7a921a5a96e8fbc8a5f98004e1a3bb04ae2b4067ec4b24303adec308f36eaedf",
    "pooled-frozen": "6a6d84137ba8c20a5bebf8066ecdf05c532e5f54fa9bcd63e39d31235b598990",
}
"""Weights after ten steps of 64 digits."""


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_train_integer", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = load()
digits, train = script.digits, script.train


def processes(count: int, *arguments: object) -> list[list[str]]:
    """The output of each of ``count`` processes that share the batches: their number, right answers, hash."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    running = [
        subprocess.Popen(command, env={**shared, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
        for rank in range(count)
    ]
    return [process.communicate(timeout=120)[0].split() for process in running]


@pytest.mark.slow
def test_it_learns() -> None:
    net, _ = train(120)
    images, labels = digits()
    accuracy = (net.logits(images[1500:]).codes.argmax(1) == labels[1500:]).double().mean()
    assert accuracy > 0.85


@pytest.mark.parametrize("name", list(HASHES))
def test_the_published_hash(name: str) -> None:
    assert train(10, name=name)[0].fingerprint() == HASHES[name]


@pytest.mark.parametrize("parts", [2, 3, 8])
@pytest.mark.parametrize("name", list(HASHES))
def test_micro_batches_do_not_change_a_bit(name: str, parts: int) -> None:
    assert train(3, parts, name=name)[0].fingerprint() == train(3, name=name)[0].fingerprint()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "parts"), [("plain", 1), ("pooled-frozen", 2)])
def test_two_processes_do_not_change_a_bit(name: str, parts: int) -> None:
    right = train(10, name=name)[1]
    assert processes(2, name, 10, parts) == [["2", str(right), HASHES[name]]] * 2


@pytest.mark.slow
def test_three_processes_with_shares_of_different_size() -> None:
    assert {result[2] for result in processes(3, "plain", 10, 1)} == {HASHES["plain"]}


def test_frozen_statistics_stay() -> None:
    first, later = (train(steps, name="pooled-frozen")[0] for steps in (1, 4))
    moving = train(4, name="pooled")[0]
    for a, b, c in zip(first.layers, later.layers, moving.layers, strict=True):
        if isinstance(a, BatchNorm):
            assert torch.equal(a.mean, b.mean)
            assert torch.equal(a.variance, b.variance)
            assert not torch.equal(a.mean, c.mean)


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
