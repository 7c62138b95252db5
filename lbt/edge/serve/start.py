"""From the command's arguments to a running loop, and its end."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

from lbt.config import find_yaml, parse
from lbt.edge.deploy import deploy
from lbt.edge.online import Base, Device
from lbt.edge.params import METHODS, EdgeJob, EdgeParams
from lbt.edge.serve.server import Answer, Server
from lbt.edge.serve.sources import Folder, Frames, Source
from lbt.errors import LbtError
from lbt.models import read_model
from lbt.recipe import Recipe
from lbt.train.batches import read_examples
from lbt.train.checkpoints import identity
from lbt.train.threads import fixed_threads


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """A pretrained network, and where images come from.

    Attributes:
        model: weights file of lbt's.
        stream: folder, or ``-`` for frames on the standard input.
        source: Parquet image table of the source, for training before deployment and for what some methods measure
            there. None: neither.
        state: folder of the files from which a restart goes on.
    """

    model: Path
    stream: str
    source: Path | None
    state: Path


def params_of(method: str, recipe: str, batch: int, options: dict[str, Any]) -> EdgeJob:
    """The job that the params file's section ``edge`` with ``options`` would give.

    Raises:
        LbtError: an option is unknown, or a value is not accepted.
    """
    params = parse(EdgeParams, {"batch": batch, "source_steps": 0, **options}, "--set")
    return params.job("time", parse_method(method), recipe, 0)


def parse_method(name: str) -> str:
    """The name of a method that needs no label."""
    METHODS.check(name)
    if METHODS.load(name).Method.needs_labels:
        raise LbtError(f"--method: {name} needs labels, and a stream has none")
    return name


@fixed_threads()
def serve(params: EdgeJob, inputs: Inputs, once: bool, every: float, pipe: BinaryIO | None = None) -> Server:
    """Serve until the stream ends, or SIGTERM or SIGINT: the batch at hand is finished, and the state saved.

    Args:
        params: batch, method, recipe, checkpoints.
        inputs: network, stream, files.
        once: end when every file of the folder is answered.
        every: seconds between two looks into the folder.
        pipe: in place of the standard input.

    Raises:
        LbtError: see :class:`~lbt.edge.serve.server.Server` and :mod:`lbt.edge.serve.sources`.
    """
    model, architecture = read_model(inputs.model)
    source = None
    if inputs.source is not None:
        source = read_examples(inputs.source, architecture.channels, architecture.size, "source/train").labelled()
    recipe = Recipe.load(params.recipe)
    network = deploy(model, recipe, source, params)
    method: Base = METHODS.load(params.method).Method(Device(params, recipe, network, source))
    files = {"model": inputs.model, "recipe": find_yaml("recipes", params.recipe)}
    files |= {"source": inputs.source} if inputs.source else {}
    server = Server(method, architecture, inputs.state, identity(params, **files), params.checkpoint_every)
    stream: Source = (
        Frames(pipe, server.count) if inputs.stream == "-" else Folder(Path(inputs.stream), once=once, every=every)
    )
    with Interruptible() as running:
        for batch in stream.batches(params.batch, server.names):
            running.busy = True
            server.serve(batch, _print)
            running.busy = False
            if running.asked:
                break
    server.checkpoint()
    return server


class Interruptible:
    """A context that SIGTERM and SIGINT end: at once while it waits, else when it looks at :attr:`asked`."""

    def __init__(self) -> None:
        self.asked = self.busy = False

    def __enter__(self) -> Interruptible:
        self.before = {one: signal.signal(one, self._ask) for one in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        for one, handler in self.before.items():
            signal.signal(one, handler)
        return kind is _Stop

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if not self.busy:
            raise _Stop


class _Stop(BaseException):
    pass


def _print(answers: list[Answer]) -> None:
    sys.stdout.write("".join(json.dumps(answer) + "\n" for answer in answers))
    sys.stdout.flush()
