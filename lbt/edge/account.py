"""Bytes, milliseconds and joules of a method on its device, by the accounts of :mod:`lbt.hardware`."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

from lbt.edge.online import Base
from lbt.hardware.boards import Board
from lbt.hardware.estimate import cost_of_graph
from lbt.hardware.masks import channels
from lbt.hardware.memory import Another, Kept, storage
from lbt.hardware.params import HardwareParams
from lbt.hardware.precision import Precision, of_recipe
from lbt.hardware.trace import PRODUCTS, Graph, trace
from lbt.models._network import Network
from lbt.nn.norms import norm_layers


def trained_graph(model: Network, method: Base, shape: tuple[int, ...]) -> Graph:
    """``model`` as a graph whose trainable nodes are those of which the method trains a weight."""
    graph = trace(model, shape)
    names = {name.rpartition(".")[0] for name in method.named_parameters()}
    return replace(graph, nodes=tuple(replace(node, trainable=node.name in names) for node in graph.nodes))


def numbers_of(method: Base, graph: Graph) -> Precision:
    """The formats of the method's recipe for each product of the graph."""
    return of_recipe(method.device.recipe, [node.name for node in graph.nodes if node.kind in PRODUCTS])


def memory(method: Base, graph: Graph) -> dict[str, int]:
    """Bytes by purpose.

    Returns:
        The purposes of :class:`lbt.hardware.memory.Storage`; ``method``, the float32 values that the method keeps for
        itself; ``kept``, all that stays between two batches; and ``peak``, with the activations of a step and the
        copies that it makes.
    """
    trained = sum(p.numel() for p in method.parameters())
    width = sum(norm.num_features for norm in norm_layers(method.network))
    # A further network shares what is never trained; where nothing but norms moves, it is a set of norms.
    others = [Another(trained, width, averaged=name == "teacher") for name in method.networks if name != "network"]
    training = method.training
    moments = 0 if training is None else 2 if training.optimizer == "adam" else int(training.momentum > 0)
    kept = Kept(
        target_images=method.images_kept,
        networks=tuple(others),
        batches_in_flight=method.in_flight if training is not None else 0,
        moments=moments,
    )
    batch = max(method.images_kept, method.device.params.batch)
    found = asdict(storage(graph, numbers_of(method, graph), channels(graph, {}), batch=batch, kept=kept))
    found["method"] = 4.0 * sum(tensor.numel() for name, tensor in method.extra.items() if name != "images")
    counted = {name: math.ceil(value) for name, value in found.items()}
    stays = sum(counted.values()) - counted["activations"]
    return {**counted, "kept": stays, "peak": stays + counted["activations"] + 4 * method.spare * trained}


def work(method: Base, graph: Graph, images: int) -> dict[str, float | None]:
    """``milliseconds`` and ``millijoules`` for each of the ``images`` of the stream; None where nothing fits the board.

    A forward pass costs an inference and a trained batch a training step, each as often as the method made it. Not
    counted: statistics of a batch during inference, averages of weights, and the arithmetic on predictions.
    """
    params = method.device.params
    options = HardwareParams(board=params.board, batch=params.batch, teacher=False, images=method.images_kept)
    board, precision = Board.load(params.board), numbers_of(method, graph)
    seconds = joules = 0.0
    for training, count in ((False, method.inferred), (True, method.trained)):
        if count:
            one = cost_of_graph(graph, precision, board, params.board, options, training=training)
            seconds += count * one.seconds / params.batch
            joules += count * one.joules_per_image
    found = {"milliseconds": 1e3 * seconds / images, "millijoules": 1e3 * joules / images}
    return {name: value if math.isfinite(value) else None for name, value in found.items()}
