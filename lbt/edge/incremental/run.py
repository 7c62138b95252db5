"""Runs of incremental learning in a folder; one that is done is not done again, one that was killed goes on.

The folder holds, for each method, recipe, seed and options, ``NAME.json`` (scores) and ``NAME.safetensors`` (the
network at the end, read back with :func:`lbt.edge.read_deployed`); ``start-SEED.safetensors``, the pretrained
networks; and ``incremental.parquet``, the scores of the last command.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from lbt.artifacts import read_json, write_json, write_table
from lbt.config import find_yaml, parse
from lbt.edge.account import trained_graph, work
from lbt.edge.incremental.account import memory
from lbt.edge.incremental.learner import Learner
from lbt.edge.incremental.loop import learn
from lbt.edge.incremental.metrics import scores
from lbt.edge.incremental.options import METHODS, Job, Options
from lbt.edge.incremental.start import start
from lbt.edge.incremental.tasks import Task, Tasks
from lbt.edge.online import Device
from lbt.models import Architecture, write_model
from lbt.recipe import Recipe

Row = dict[str, Any]
PRETRAINING = ("features", "model", "channels", "size", "pretrain_steps", "seed")


def options_of(method: str, given: dict[str, Any]) -> Options:
    """The options of a method.

    Raises:
        LbtError: unknown method, an option that it does not have, or a value that is not accepted.
    """
    kind: type[Options] = METHODS.load(METHODS.check(method, "--method")).Options
    return parse(kind, given, f"--set ({method})")


def run(jobs: Sequence[Job], tasks: list[Task], out: Path) -> Iterator[Row]:
    """Do the jobs; yields their scores as they are made, or found.

    Raises:
        LbtError: options that do not fit the network, or images that are too few to pretrain on.
    """
    data, rows = _digest_of(tasks), []
    for job in jobs:
        place = out / _name(job)
        identity = _identity(job, data)
        row = _known(place.with_suffix(".json"), identity)
        if row is None:
            row = one(job, tasks, place, identity, data)
        rows.append(row)
        yield row
    write_table(out / "incremental.parquet", [{k: v for k, v in row.items() if k != "matrix"} for row in rows])


def one(job: Job, tasks: list[Task], place: Path | None, identity: dict[str, str], data: str = "") -> Row:
    """One job.

    Args:
        job: method, recipe, seed, options.
        tasks: the stream.
        place: files of the job, without their suffix. None: nothing is written.
        identity: of the job.
        data: digest of the stream, for the pretrained network.

    Returns:
        The scores of :mod:`lbt.edge.incremental.metrics`, ``online_accuracy``, ``matrix``, bytes
        (:func:`lbt.edge.incremental.account.memory`), ``examples`` in the memory (None without one), ``milliseconds``
        and ``millijoules`` an image.
    """
    saved = None if place is None else place.parent / f"start-{job.seed}.safetensors"
    begun = start(job, tasks[0], saved, _start_identity(job, data))
    shape = (job.channels, job.size, job.size)
    method: type[Learner] = METHODS.load(job.method).Method
    learner = method(Device(job, Recipe.load(job.recipe), begun.deployed(job), None))
    learner.prepare(shape)
    stream = Tasks(tasks, job.batch, job.seed)
    record = learn(learner, stream, None if place is None else place, identity)
    found: Row = {
        "method": job.method, "recipe": job.recipe, "seed": job.seed, **scores(record.matrix),
        "online_accuracy": record.online(), "matrix": record.matrix,
        **{f"{name}_bytes": size for name, size in memory(begun.float_network(job), learner, shape).items()},
        "examples": learner.examples(),
        **work(learner, trained_graph(begun.float_network(job), learner, shape), sum(record.seen)),
    }  # fmt: skip
    if place is not None:
        architecture = Architecture(job.model, stream.classes, job.channels, job.size)
        network = place.with_suffix(".safetensors")
        write_model(network, learner.network, architecture, recipe=job.recipe, stream="incremental")
        if place.is_dir():
            place.rmdir()
        write_json(place.with_suffix(".json"), {**found, "identity": identity})
    return found


def _name(job: Job) -> str:
    """Name of a job's files: method, recipe, seed and a digest of all options."""
    digest = hashlib.sha256(job.model_dump_json().encode()).hexdigest()[:8]
    recipe = re.sub(r"[^A-Za-z0-9_-]+", "_", job.recipe)[-40:]
    return f"{job.method}-{recipe}-{job.seed}-{digest}"


def _identity(job: Job, data: str) -> dict[str, str]:
    recipe = find_yaml("recipes", job.recipe)
    held = hashlib.sha256(recipe.read_bytes()).hexdigest() if recipe.is_file() else ""
    return {"params": job.model_dump_json(), "torch": torch.__version__, "images": data, "recipe": held}


def _start_identity(job: Job, data: str) -> str:
    told = json.dumps([{name: getattr(job, name) for name in PRETRAINING}, torch.__version__, data])
    return hashlib.sha256(told.encode()).hexdigest()


def _digest_of(tasks: list[Task]) -> str:
    total = hashlib.sha256()
    for task in tasks:
        total.update(json.dumps([task.name, task.train.pixels.shape, task.train.classes]).encode())
        total.update(task.train.pixels.tobytes() + task.train.labels.tobytes())
        total.update(task.test.images.contiguous().numpy().tobytes() + task.test.labels.numpy().tobytes())
    return total.hexdigest()


def _known(path: Path, identity: dict[str, str]) -> Row | None:
    """The scores of a job that is done, if it is this one."""
    if not path.is_file():
        return None
    found: Row = read_json(path)
    return found if found.pop("identity", None) == identity else None
