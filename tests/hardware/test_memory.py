"""Bytes that a training keeps: lifetimes of activations, and the account, by hand."""

from __future__ import annotations

from torch import nn

from lbt.hardware.lifetimes import activations
from lbt.hardware.masks import channels
from lbt.hardware.memory import Another, Kept, storage, twin
from lbt.hardware.precision import Number, Precision
from lbt.hardware.trace import trace

INT8 = Precision.uniform("int8")


def test_peak_memory_of_a_chain_by_hand() -> None:
    """Two convolutions and a ReLU between: the backward pass needs x, the mask, relu(x1), and the error in flight."""
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1))
    graph = trace(model, (1, 8, 8))
    precision = Precision("bytes", dict.fromkeys(INT8.roles, Number.integer(8)))
    x, h = 64, 256
    forward_end = x + h / 8 + h + h  # image, mask, saved input of the second layer, result
    backward = x + h / 8 + h + h + h  # result's error and the hidden error at once
    step = activations(graph, precision, channels(graph, {}), batch=1)
    assert (step.peak, step.saved) == (max(forward_end, backward), x + h / 8 + h)
    assert activations(graph, precision, channels(graph, {}), batch=1, training=False).peak == 2 * h


def test_storage() -> None:
    graph = trace(nn.Linear(10, 4), (10,))
    live = channels(graph, {})
    kept = Kept(target_images=5, networks=(twin(graph, live),))
    held = storage(graph, INT8, live, batch=1, kept=kept)
    assert (held.weights, held.master, held.gradients, held.optimizer) == (44, 88, 44, 88)
    assert (held.second_network, held.target_data) == (44 + 4 * 44, 50)
    assert held.total == sum(vars(held).values())


def test_batches_in_flight_wait_with_what_they_saved() -> None:
    graph = trace(nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1)), (1, 8, 8))
    live = channels(graph, {})
    step = activations(graph, INT8, live, batch=3)
    for flying in (1, 2, 5):
        found = storage(graph, INT8, live, batch=3, kept=Kept(batches_in_flight=flying))
        assert found.activations == step.peak + (flying - 1) * step.saved
    assert storage(graph, INT8, live, batch=0, kept=Kept(batches_in_flight=0)).activations == 0


def test_a_trained_second_network_by_hand() -> None:
    graph = trace(nn.Linear(10, 4), (10,))
    kept = Kept(networks=(Another(100, channels=3, trained=True),), domains=2, moments=2)
    held = storage(graph, INT8, channels(graph, {}), batch=1, kept=kept)
    assert held.second_network == 100 + 2 * 100 + 2 * 2 * 3 * 4  # int8 weights, 16-bit masters, two sets of statistics
    assert held.gradients == 44 + 100
    assert held.optimizer == 2 * 2 * (44 + 100)
