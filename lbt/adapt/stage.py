"""One adaptation job: (source → target, method, recipe, seed) from the pretrained network to metrics and weights.

The target's labels are used for evaluation only, except by the methods whose name says that they have some. The test
splits are read once, at the end; nothing is chosen by them. The target's other images, without their labels, decide if
the adapted network is deployed (:mod:`lbt.adapt.guard`).

Under ``torchrun`` the processes share each batch (:mod:`lbt.nn.parallel`): the result is that of one process up to the
rounding of float sums, and the first process writes it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from lbt.adapt.evidence import unlabelled_evidence
from lbt.adapt.explained import table
from lbt.adapt.guard import guard
from lbt.adapt.levels import weight_levels
from lbt.adapt.loop import TrainingLog, train
from lbt.adapt.memory import device_memory
from lbt.adapt.method import Base, Task
from lbt.adapt.openset import class_sets
from lbt.adapt.params import METHODS, AdaptJob
from lbt.adapt.predictions import write_confidence_sheet, write_predictions
from lbt.artifacts import numbered, read_images, write_table
from lbt.distributed import joined, wait, world
from lbt.errors import LbtError
from lbt.models import Architecture, read_model, write_model
from lbt.recipe import Recipe
from lbt.train.batches import Examples, read_examples
from lbt.train.checkpoints import identity
from lbt.train.evaluation import accuracy, collapsed, interval, predict
from lbt.train.threads import fixed_threads

Metrics = dict[str, float | int | str | None]


@dataclass(frozen=True, kw_only=True)
class SplitFiles:
    """Parquet image tables of one domain."""

    train: Path
    validation: Path
    test: Path


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The pretrained network of the source domain, and the data."""

    model: Path
    source: SplitFiles
    target: SplitFiles


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Files to write.

    Attributes:
        curve: Parquet, a row per evaluation; for its columns see :class:`lbt.adapt.loop.TrainingLog`.
        student: safetensors; read back with :func:`lbt.adapt.read_adapted`.
        explain: Parquet, the rows of :func:`lbt.nn.explain` at four points of the training; without rows for a recipe
            that quantizes nothing. None: not written.
        teacher: the same for the teacher; a method without one writes its student here too. None: not written.
        predictions: CSV, the prediction for each test image of the target (:mod:`lbt.adapt.predictions`). None: not
            written.
        sheet: PNG, the surest and the least sure of them by predicted class. None: not written.
        scratch: folder for the checkpoint of a running job, removed when it ends. None: no checkpoints.
    """

    curve: Path
    student: Path
    explain: Path | None = None
    teacher: Path | None = None
    predictions: Path | None = None
    sheet: Path | None = None
    scratch: Path | None = None


@fixed_threads()
@joined()
def run(params: AdaptJob, inputs: Inputs, outputs: Outputs) -> Metrics:
    """Adapt, evaluate, write.

    Args:
        params: one job of the grid (:meth:`lbt.adapt.params.AdaptParams.job`).
        inputs: the target has some of the network's classes, in any order, and perhaps others; it may have no label.
        outputs: files to write.

    Returns:
        Accuracies in percent on both domains' test splits (None where no test image has a label; then the metrics of
        :func:`lbt.adapt.evidence.unlabelled_evidence` are there too): ``before/…`` of the pretrained float network,
        ``student/…`` and ``teacher/…`` after, and ``target_accuracy``/``source_accuracy`` of the network that would be
        deployed: the teacher if there is one, the start if the guard refused it (``rolled_back`` 1; see
        :func:`lbt.adapt.guard.guard`). ``target_accuracy_low`` and ``…_high``: ends of its 95 % interval, from
        ``labelled_test_images``. ``collapsed`` 0 or 1, judged without labels; ``confident_share``: share of the
        target's training images whose largest probability exceeds 0.9; ``weight_levels``: distinct weight values in a
        product, see :func:`lbt.adapt.levels.weight_levels`; ``memory/…``: bytes on the device. Where the target's
        classes are not the network's, also the metrics of :func:`lbt.adapt.openset.class_sets`; accuracies are those on
        known classes.

    Raises:
        LbtError: files are unreadable, or no class of the target is one of the network's.
    """
    model, architecture = read_model(inputs.model)
    source = _in_order(_read(inputs.source, architecture, "source"), architecture.classes, inputs.source)
    target = _read(inputs.target, architecture, "target")
    own_classes = target["test"].classes
    target = _in_order(target, architecture.classes, inputs.target)
    kind = METHODS.load(params.method).Method
    _check_labels(kind, params, target["train"])

    recipe = Recipe.load(params.recipe)
    task = Task(params, recipe, model, source["train"].labelled(), target["train"])
    method: Base = kind(task)
    files = {"model": inputs.model, "source": inputs.source.train, "target": inputs.target.train}
    log = train(method, target["validation"], outputs.scratch, identity(params, **files))

    deployed, judged = _deployed(method), dict[str, float | int | None](rolled_back=0)
    with method.on(method.networks[deployed], "target"):
        trained = predict(method.networks[deployed], target["train"])
    if params.guard and kind.guarded():
        judged, trained = guard(method, deployed, trained, target["validation"], target["test"])

    tests = {"source": source["test"], "target": target["test"]}
    tested = {
        domain: {"before": predict(model, test), **_tested(method, domain, test)} for domain, test in tests.items()
    }
    metrics: Metrics = {
        f"{name}/{domain}_accuracy": accuracy(found, tests[domain].labels)
        for domain, networks in tested.items()
        for name, found in networks.items()
    }
    after, before = tested["target"][deployed], tested["target"]["before"]
    low, high = interval(after, target["test"].labels)
    finite = all(math.isfinite(value) for row in log.curve for value in row.values() if value is not None)
    metrics |= {
        "source_accuracy": metrics[f"{deployed}/source_accuracy"],
        "target_accuracy": metrics[f"{deployed}/target_accuracy"],
        "target_accuracy_low": low,
        "target_accuracy_high": high,
        "labelled_test_images": int((target["test"].labels >= 0).sum()),
        **class_sets(after, target["test"].labels, architecture.classes, own_classes),
        **judged,
        "collapsed": int(collapsed(trained, task.before) or not finite),
        "confident_share": (trained.amax(1) > 0.9).double().mean().item(),
        "weight_levels": weight_levels(method.student, task.target.images[:2]),
        **{f"memory/{name}_bytes": value for name, value in device_memory(method).items()},
    }

    if metrics["target_accuracy"] is None:
        metrics |= unlabelled_evidence(after, before, architecture.classes)

    if world().rank == 0:
        _write(outputs, log, method, architecture)
        _show(outputs, inputs.target.test, architecture.classes, after, before)
    wait()  # whoever looks at the outputs afterwards, in any process, finds them
    return metrics


def _tested(method: Base, domain: str, test: Examples) -> dict[str, Tensor]:
    """Class probabilities (N, classes) of the networks that predict."""
    found = {}
    for name, network in method.evaluated().items():
        with method.on(network, domain):
            found[name] = predict(network, test)
    return found


def _deployed(method: Base) -> str:
    """The name of the network that would go on the device."""
    return "teacher" if "teacher" in method.networks else "student"


def _write(outputs: Outputs, log: TrainingLog, method: Base, architecture: Architecture) -> None:
    params = method.params
    columns = sorted({name for row in log.curve for name in row} - {"step"})
    write_table(outputs.curve, {name: [row.get(name) for row in log.curve] for name in ("step", *columns)})
    if outputs.explain is not None:
        write_table(outputs.explain, table(log.explained))
    extra = {"method": params.method, "recipe": params.recipe, "domains": method.statistics()}
    write_model(outputs.student, method.student, architecture, **extra)
    if outputs.teacher is not None:
        write_model(outputs.teacher, method.networks[_deployed(method)], architecture, **extra)


def _show(outputs: Outputs, test: Path, classes: tuple[str, ...], after: Tensor, before: Tensor) -> None:
    """Write the predictions by image, and the sheet of the surest and least sure."""
    if outputs.predictions is None and outputs.sheet is None:
        return
    images = read_images(test)
    if outputs.predictions is not None:
        write_predictions(outputs.predictions, images, classes, after, before)
    if outputs.sheet is not None:
        write_confidence_sheet(outputs.sheet, images, classes, after)


def _read(splits: SplitFiles, architecture: Architecture, name: str) -> dict[str, Examples]:
    channels, size = architecture.channels, architecture.size
    return {kind: read_examples(path, channels, size, f"{name}/{kind}") for kind, path in vars(splits).items()}


def _in_order(splits: dict[str, Examples], classes: tuple[str, ...], paths: SplitFiles) -> dict[str, Examples]:
    """``splits`` with their labels numbered as the network's logits are."""
    found = {}
    for kind, split in splits.items():
        labels = numbered(split.labels.numpy(), split.classes, classes, getattr(paths, kind))
        found[kind] = replace(split, labels=torch.from_numpy(labels), classes=classes)
    return found


def _check_labels(kind: type[Base], params: AdaptJob, train: Examples) -> None:
    """Refuse a method that needs labels of the target where there are none."""
    if kind.needs_labels and not (train.labels >= 0).any():
        domain = params.pair.partition("-")[2]
        raise LbtError(f"adapt.method: {params.method} needs labels of the target, and domain {domain} has none")
