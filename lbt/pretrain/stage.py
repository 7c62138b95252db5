"""Pretraining: a float32 network learns the source domain, and the checkpoint that validates best is kept.

Under ``torchrun`` the processes share each batch: gradients and batch-norm statistics are those of the whole batch, the
result is that of one process up to the rounding of float sums, and the first process writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbt.artifacts import write_table
from lbt.distributed import joined, wait, world
from lbt.errors import LbtError
from lbt.models import Architecture, build_with, resolved, write_model
from lbt.nn.parallel import average_gradients, share_model, split
from lbt.pretrain.params import PretrainJob
from lbt.progress import track
from lbt.train.batches import Examples, draw, read_examples
from lbt.train.evaluation import accuracy, predict
from lbt.train.schedule import set_lr, warm_cosine
from lbt.train.threads import fixed_threads


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Parquet image tables of the source domain."""

    train: Path
    validation: Path
    test: Path


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Files to write: the weights (safetensors) and the training curve (Parquet)."""

    model: Path
    curve: Path


@fixed_threads()
@joined()
def run(params: PretrainJob, inputs: Inputs, outputs: Outputs) -> dict[str, float | int | str | None]:
    """Train, keep the checkpoint with the best validation accuracy (the latest among equals), test it once.

    Returns:
        Accuracies in percent on validation and test, the step that was kept, the number of parameters.

    Raises:
        LbtError: an input cannot be read, has no labelled image, weights do not fit, or the training diverged.
    """
    train, validation, test = (
        read_examples(path, params.channels, params.size, name).labelled()
        for path, name in ((inputs.train, "train"), (inputs.validation, "validation"), (inputs.test, "test"))
    )
    for path, labelled in ((inputs.train, train), (inputs.validation, validation)):
        if not len(labelled):
            raise LbtError(f"{path}: no image has a label, but pretraining is supervised")
    architecture = Architecture(resolved(params.model), train.classes, params.channels, params.size)
    model = build_with(architecture, Path(params.weights) if params.weights else None, seed=params.seed)
    model = model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    share_model(model)
    optimizer = torch.optim.SGD(
        model.parameters(), params.lr, momentum=0.9, nesterov=True, weight_decay=params.weight_decay
    )

    optimizer.param_groups[0]["peak"] = params.lr

    curve: list[dict[str, float | int]] = []
    start = _validated(model, validation) if params.weights else -1.0
    best, kept = {"accuracy": start, "step": 0}, _copied(model)
    for step in track(range(params.steps), "pretrain"):
        set_lr(optimizer, warm_cosine(step, params.steps, warm=0.2))
        (images,), labels = draw(train, params.batch, params.seed, step, params.augmentation)
        loss = F.cross_entropy(split(model, images, [model]), labels)
        optimizer.zero_grad()
        loss.backward()
        average_gradients(model.parameters())
        optimizer.step()
        if (step + 1) % params.evaluate_every == 0 or step + 1 == params.steps:
            if not loss.isfinite():
                found = f"the loss is {loss.item()} at step {step + 1}"
                raise LbtError(f"pretrain: {found}; try a smaller lr than {params.lr}")
            valid = _validated(model, validation)
            curve.append({"step": step + 1, "loss": loss.item(), "validation_accuracy": valid})
            if valid >= best["accuracy"]:
                best = {"accuracy": valid, "step": step + 1}
                kept = _copied(model)

    model.load_state_dict(kept)
    if world().rank == 0:
        write_model(outputs.model, model, architecture)
        columns = ("step", "loss", "validation_accuracy")
        write_table(outputs.curve, {name: [row[name] for row in curve] for name in columns})
    wait()  # the outputs are complete for every process afterwards
    return {
        "validation_accuracy": best["accuracy"],
        "test_accuracy": accuracy(predict(model, test), test.labels),
        "kept_step": int(best["step"]),
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def _validated(model: nn.Module, validation: Examples) -> float:
    """Accuracy on the validation split, in percent; it has labels."""
    found = accuracy(predict(model, validation), validation.labels)
    assert found is not None
    return found


def _copied(model: nn.Module) -> dict[str, Tensor]:
    """The model's tensors, which training does not change any more."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}
