"""Bytes that a method keeps on the device, by the account of :mod:`lbt.hardware.memory`.

Preparation on the source happens before deployment and is not counted.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from math import ceil

import torch
from torch import nn

from lbt.adapt.method import Base
from lbt.hardware.masks import channels
from lbt.hardware.memory import Another, Kept, storage
from lbt.hardware.precision import of_recipe
from lbt.hardware.trace import PRODUCTS, Graph, trace
from lbt.nn.norms import norm_layers


def device_memory(method: Base) -> dict[str, int]:
    """Bytes by purpose and their sum, for training with the method's batch size."""
    task = method.task
    traced = trace(task.model, tuple(task.source.images.shape[1:]))
    trained = {id(p) for one in used_optimizers(method) for group in one.param_groups for p in group["params"]}
    graph = _only_trained(traced, method.student, trained)
    precision = of_recipe(task.recipe, [node.name for node in graph.nodes if node.kind in PRODUCTS])
    targets = len(task.target) if method.uses_target else len(method.labels or ())
    kept = Kept(
        source_images=len(task.source) if method.uses_source else 0,
        target_images=targets,
        predictions=method.balance.kept if "balance" in vars(method) else 0,
        networks=tuple(
            _another(network, trained, name in method.averaged)
            for name, network in method.networks.items()
            if name != "student"
        ),
        domains=len(method.statistics()),
        batches_in_flight=method.batches_in_flight,
        moments={"sgd": 1 if task.params.momentum else 0, "adam": 2}[task.params.optimizer],
    )
    batch = task.params.batch if method.steps else 0
    found = storage(graph, precision, channels(graph, {}), batch=batch, kept=kept)
    memory = {name: ceil(value) for name, value in asdict(found).items()}
    return {**memory, "total": sum(memory.values())}


def used_optimizers(method: Base) -> list[torch.optim.Optimizer]:
    """The optimizers of adaptation itself: a prepared method that has its own leaves the student's behind."""
    own = [one for name, one in method.optimizers.items() if name != "student"]
    return own if method.prepared and own else list(method.optimizers.values())


def _only_trained(graph: Graph, student: nn.Module, trained: set[int]) -> Graph:
    """``graph`` with those nodes trainable of which the student has a weight in ``trained`` (ids of parameters)."""
    names = {name.rpartition(".")[0] for name, parameter in student.named_parameters() if id(parameter) in trained}
    return replace(graph, nodes=tuple(replace(node, trainable=node.name in names) for node in graph.nodes))


def _another(network: nn.Module, trained: set[int], averaged: bool) -> Another:
    parameters = list(network.parameters())
    norms = sum(norm.num_features for norm in norm_layers(network))  # type: ignore[misc]
    return Another(
        sum(p.numel() for p in parameters), norms, any(id(p) in trained for p in parameters), averaged=averaged
    )
