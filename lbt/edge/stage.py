"""One job: a stream through a deployed network that adapts, or does not, while it predicts.

The source's images are used before deployment, for preparation and for what a method measures there; the stream's
labels for evaluation alone, but by the bound ``supervised``. The source's test split tells what was forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lbt.artifacts import UNKNOWN, write_table
from lbt.data.inputs import to_input
from lbt.edge.account import memory, trained_graph, work
from lbt.edge.deploy import deploy
from lbt.edge.loop import Answers, accuracy_of, go
from lbt.edge.online import Base, Device
from lbt.edge.params import METHODS, EdgeJob
from lbt.edge.stream import Stream, read_stream_images
from lbt.edge.streams import CLEAN
from lbt.errors import LbtError
from lbt.models import read_model, write_model
from lbt.recipe import Recipe
from lbt.train.batches import read_examples
from lbt.train.checkpoints import identity
from lbt.train.threads import fixed_threads

Metrics = dict[str, float | int | str | None]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The pretrained network, and Parquet image tables.

    Attributes:
        model: the network.
        source: training images of the source.
        source_test: test images of the source.
        stream: images of the stream.
    """

    model: Path
    source: Path
    source_test: Path
    stream: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Files to write.

    Attributes:
        answers: Parquet, a row per image of the stream, see :func:`answers`.
        network: safetensors, the network after the stream; read back with :func:`lbt.edge.read_deployed`.
        scratch: folder for the checkpoint of a running job. None: no checkpoints.
    """

    answers: Path
    network: Path
    scratch: Path | None = None


@fixed_threads()
def run(params: EdgeJob, inputs: Inputs, outputs: Outputs) -> Metrics:
    """Deploy, run the stream, measure, write.

    Returns:
        ``online_error``: share of wrong answers over the stream, in percent, and ``error/CORRUPTION`` (None without
        labels); ``source/before`` and ``source/after``: accuracy on the source's test images in percent, predicted as
        the method predicts and without adapting, and ``forgetting``, their difference; ``parameters_trained``;
        ``unknown_share`` of the labelled images, where some are of a class that the network does not know;
        ``memory/…_bytes`` (:func:`lbt.edge.account.memory`); ``milliseconds`` and ``millijoules`` per image.

    Raises:
        LbtError: files are unreadable, classes do not match, or the method or the stream does not accept them.
    """
    model, architecture = read_model(inputs.model)
    recipe = Recipe.load(params.recipe)
    source = read_examples(inputs.source, architecture.channels, architecture.size, "source/train").labelled()
    images = read_stream_images(inputs.stream, architecture, params.images, params.seed)
    stream = Stream(
        images, params.stream, params.corruption, params.severity,
        seed=params.seed, batch=params.batch, dirichlet=params.dirichlet, where=str(inputs.stream),
    )  # fmt: skip
    network = deploy(model, recipe, source, params)
    kind: type[Base] = METHODS.load(params.method).Method
    if kind.needs_labels and not (images.labels >= 0).any():
        raise LbtError(f"edge.method: {params.method} needs labels, and {inputs.stream} has none")
    method = kind(Device(params, recipe, network, source))
    test = read_stream_images(inputs.source_test, architecture, None, params.seed)
    held, labels = to_input(test.pixels), torch.from_numpy(test.labels)
    before = accuracy_of(method, held, labels, params.batch)
    seen = go(method, stream, outputs.scratch, identity(params, **vars(inputs)))
    after = accuracy_of(method, held, labels, params.batch)
    graph = trained_graph(model, method, (architecture.channels, architecture.size, architecture.size))
    table = answers(stream, seen)
    write_table(outputs.answers, table)
    write_model(
        outputs.network,
        method.answering,
        architecture,
        recipe=params.recipe,
        method=params.method,
        stream=params.stream,
    )
    strange = int((images.labels == UNKNOWN).sum())
    return {
        **errors(table),
        **({"unknown_share": strange / int((images.labels != -1).sum())} if strange else {}),
        "source/before": before,
        "source/after": after,
        "forgetting": None if before is None or after is None else before - after,
        "parameters_trained": sum(p.numel() for p in method.parameters()),
        **{f"memory/{name}_bytes": value for name, value in memory(method, graph).items()},
        **work(method, graph, len(stream.order.image)),
    }


def answers(stream: Stream, seen: Answers) -> dict[str, Any]:
    """Columns ``batch``, ``image`` (row of the stream's table), ``corruption`` (``clean`` for none), ``label``,
    ``predicted`` (class names; a label may be null) and ``confidence``; in the order of the stream.
    """
    order, classes = stream.order, stream.images.classes
    names = (*stream.corruptions, "clean")  # CLEAN is the last
    assert CLEAN == -1
    labels = stream.images.labels[order.image].tolist()
    return {
        "batch": (np.arange(len(order.image)) // stream.size).tolist(),
        "image": order.image.tolist(),
        "corruption": [names[number] for number in order.corruption],
        "label": [classes[label] if label >= 0 else None for label in labels],
        "predicted": [classes[label] for label in torch.cat(seen.predicted).tolist()],
        "confidence": torch.cat(seen.confidence).tolist(),
    }


def errors(table: dict[str, Any]) -> Metrics:
    """``online_error`` and ``error/CORRUPTION`` in percent of the labelled rows of :func:`answers`; None without."""
    rows = list(zip(table["corruption"], table["label"], table["predicted"], strict=True))
    wrong = {
        name: [t != p for c, t, p in rows if c == name and t is not None] for name in dict.fromkeys(table["corruption"])
    }
    every = [one for part in wrong.values() for one in part]
    return {
        "online_error": _percent(every),
        **{f"error/{name}": _percent(part) for name, part in wrong.items()},
    }


def _percent(wrong: list[bool]) -> float | None:
    return 100.0 * sum(wrong) / len(wrong) if wrong else None
