"""Bytes that an incremental method keeps on its device, by the account of :mod:`lbt.hardware`."""

from __future__ import annotations

import math
from dataclasses import asdict

from lbt.edge.account import numbers_of, trained_graph
from lbt.edge.incremental.learner import Learner
from lbt.hardware.masks import channels
from lbt.hardware.memory import Kept, storage, twin
from lbt.models._network import Network


def memory(model: Network, learner: Learner, shape: tuple[int, ...]) -> dict[str, int]:
    """Bytes by purpose, as they are after the stream.

    Args:
        model: the float network.
        learner: its method, which has learnt.
        shape: of an image, (C, H, W).

    Returns:
        ``method``: memory, Fisher information and whatever else the method keeps for itself, and further networks;
        ``kept``: that and the network with its masters, optimizer, gradients and statistics; ``peak``: that and the
        activations of an update.
    """
    graph = trained_graph(model, learner, shape)
    live = channels(graph, {})
    others = tuple(twin(graph, live, averaged=False) for name in learner.networks if name != "network")
    moments = 2 if learner.learning.optimizer == "adam" else int(learner.learning.momentum > 0)
    kept = Kept(networks=others, moments=moments)
    found = asdict(storage(graph, numbers_of(learner, graph), live, batch=learner.images_of_step, kept=kept))
    method = learner.held_bytes() + math.ceil(found["second_network"])
    peak = learner.held_bytes() + math.ceil(sum(found.values()))
    return {"method": method, "kept": peak - math.ceil(found["activations"]), "peak": peak}
