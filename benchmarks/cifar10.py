"""Training on the CIFAR-10 images from scratch: every recipe against FP32, paired by seed.

    python benchmarks/cifar10.py --data inputs/cifar10 --runs docs/results/cifar10_runs.jsonl
        --json docs/results/cifar10.json [--work FOLDER] [--network NAME] [--only RECIPE …] [--seeds N …]

``--data`` is a folder or file that ``lbt look`` understands, with a split of its own; training takes all images that
are not its test split. 15 epochs of batches of 128, random crops (padding 4) and flips drawn for each image, a rate
that goes up over the first fifth and by a cosine to 0. ResNet-20 (0.27 M parameters): SGD with Nesterov momentum 0.9,
weight decay 5e-4, peak rate 0.2; a vision transformer (1.0 M, attention's products included): AdamW, weight decay 0.05,
peak rate 0.001. Settings of the literature for FP32, none chosen here, and the same for every recipe. The last epoch
counts. Seeds are paired: a recipe and FP32 start from the same weights and see the same batches.

Rows: ``cifar10/NETWORK/RECIPE/test_accuracy`` in percent and ``…/minus_fp32`` in points, mean and standard deviation
over seeds, with the half width of the paired 95 % interval as ``interval`` from two seeds on. Every run with its
curve (loss and test accuracy by epoch) is appended to ``--runs`` at once; one that is killed goes on from its last
epoch in ``--work``, where the networks of FP32 are kept (``edge.py --work`` takes them).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _runs
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lbt.data.inputs import to_input
from lbt.data.look import look
from lbt.memory import keep_freed_memory
from lbt.models import Architecture, build, write_model
from lbt.nn import optimizer, quantize, set_progress, set_step
from lbt.progress import track
from lbt.recipe import Recipe
from lbt.train import checkpoints
from lbt.train.batches import generator
from lbt.train.schedule import phased

EPOCHS, BATCH, WARM = 15, 128, 0.2
PADDING = 4
UPDATE: dict[str, dict[str, Any]] = {
    "resnet20": {"name": "sgd", "lr": 0.2, "weight_decay": 5e-4, "nesterov": True},
    "vit_small": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.05},
}
"""The optimizer of each network, with its peak rate."""
PLAN = (
    ("resnet20", ("fp32", "int8", "w4a4e8", "luq4", "nvfp4", "int4"), (0, 1, 2)),
    ("vit_small", ("fp32", "int8", "nvfp4"), (0,)),
    ("resnet20", ("thesis", "mx4", "mls-e2m1", "int4-hadamard", "unified-int8", "wage"), (0,)),
)
"""Network, recipes and seeds; what tells most first."""


class Images:
    """The images in memory: bytes (N, 32, 32, 3), labels (N,), for training and for the test."""

    def __init__(self, path: Path) -> None:
        splits = look(path).splits
        parts = (splits.train, splits.validation)
        self.pixels = torch.from_numpy(np.concatenate([part.pixels for part in parts]))
        self.labels = torch.from_numpy(np.concatenate([part.labels for part in parts]))
        self.test, self.test_labels = splits.test.pixels, torch.from_numpy(splits.test.labels)
        self.classes = splits.train.classes

    def batch(self, index: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Cropped and flipped images (B, C, H, W) in [-1, 1], and their labels."""
        size = self.pixels.shape[1]
        padded = functional.pad(self.pixels[index].permute(0, 3, 1, 2), [PADDING] * 4)
        top, left = torch.randint(0, 2 * PADDING + 1, (2, len(index)), generator=draw)
        columns = torch.arange(size) + left[:, None]
        flipped = torch.rand(len(index), generator=draw) < 0.5
        columns = torch.where(flipped[:, None], columns.flip(1), columns)
        rows = (torch.arange(size) + top[:, None])[:, None, :, None]
        moved = padded[torch.arange(len(index))[:, None, None, None], torch.arange(padded.shape[1])[:, None, None],
                       rows, columns[:, None, None, :]]  # fmt: skip
        return to_input(moved.permute(0, 2, 3, 1).numpy()), self.labels[index]


def train(data: Images, network: str, recipe: str, seed: int, epochs: int, work: Path | None) -> dict[str, Any]:
    """One run; ``curve`` has (loss, test accuracy in percent) by epoch."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = quantize(build(network, len(data.classes), 3), recipe, seed=seed)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    update, final = optimizer(model, **UPDATE[network]), Recipe.load(recipe).final
    saved = work / f"{network}-{recipe}-{seed}-{epochs}.safetensors" if work else None
    start, curve, seconds = 0, list[list[float]](), 0.0
    if saved is not None and saved.is_file():
        state = checkpoints.load(saved)
        model.load_state_dict(state["model"])
        update.load_state_dict(state["optimizer"])
        start, curve, seconds = state["epoch"], state["curve"], state["seconds"]
    each = len(data.labels) // BATCH
    for epoch in range(start, epochs):
        begin, losses = time.perf_counter(), list[Tensor]()
        draw = generator("cifar10", seed, epoch)
        order = torch.randperm(len(data.labels), generator=draw)
        model.train()
        for number in track(range(each), f"{recipe} {seed} epoch {epoch + 1}", each):
            step = epoch * each + number
            set_step(model, step)
            set_progress(model, step, epochs * each)
            for group in update.param_groups:
                group["lr"] = UPDATE[network]["lr"] * phased(step, epochs * each, WARM, final)
            images, labels = data.batch(order[number * BATCH : (number + 1) * BATCH], draw)
            loss = functional.cross_entropy(model(images), labels)
            update.zero_grad()
            loss.backward()
            update.step()
            losses.append(loss.detach())
        curve.append([round(torch.stack(losses).mean().item(), 4), accuracy(model, data)])
        seconds += time.perf_counter() - begin
        print(f"{network} {recipe} {seed}: epoch {epoch + 1}, loss {curve[-1][0]}, test {curve[-1][1]:.2f}", flush=True)
        if saved is not None:
            checkpoints.save(saved, {"model": model.state_dict(), "optimizer": update.state_dict(),
                                     "epoch": epoch + 1, "curve": curve, "seconds": seconds})  # fmt: skip
    if work is not None and saved is not None:
        if recipe == "fp32":
            write_model(work / f"{network}-{seed}.safetensors", model, Architecture(network, data.classes, 3, 32))
        saved.unlink(missing_ok=True)
    return {"test_accuracy": curve[-1][1], "seconds": round(seconds, 1), "epochs": epochs, "curve": curve}


def accuracy(model: nn.Module, data: Images) -> float:
    """Percent of the test images."""
    model.eval()
    with torch.inference_mode():
        parts = [model(to_input(data.test[i : i + 500])).argmax(1) for i in range(0, len(data.test), 500)]
    return round(100 * (torch.cat(parts) == data.test_labels).double().mean().item(), 3)


def rows_of(results: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Two rows for each network and recipe."""
    found: dict[str, dict[int, float]] = {}
    for result in results:
        found.setdefault(result["job"], {})[result["seed"]] = result["test_accuracy"]
    for name, by_seed in found.items():
        reference = found.get(f"{name.partition('/')[0]}/fp32", {})
        minus = [value - reference[seed] for seed, value in by_seed.items() if seed in reference]
        yield _rounded(_runs.row(f"cifar10/{name}/test_accuracy", list(by_seed.values()), "%"))
        if minus and not name.endswith("/fp32"):
            yield _rounded(_runs.paired(f"cifar10/{name}/minus_fp32", minus))


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="CIFAR-10, as `lbt look` reads it; without it nothing is run")
    parser.add_argument("--runs", type=Path, help="append every run to this JSON-lines file, and resume from it")
    parser.add_argument("--work", type=Path, help="folder for the checkpoint of a running job")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--network", choices=sorted(UPDATE), help="this network alone")
    parser.add_argument("--only", nargs="+", help="these recipes alone")
    parser.add_argument("--seeds", nargs="+", type=int, help="these seeds alone")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    results = _runs.read(options.runs) if options.runs else []
    if options.data is not None:
        data = Images(options.data)

        def job(network: str, recipe: str, seed: int) -> _runs.Job:
            return f"{network}/{recipe}", seed, lambda: train(data, network, recipe, seed, options.epochs, options.work)

        jobs = [
            job(network, recipe, seed)
            for network, recipes, seeds in PLAN
            for seed in seeds
            for recipe in recipes
            if options.network in (None, network)
            and (not options.only or recipe in options.only)
            and (not options.seeds or seed in options.seeds)
        ]
        results = _runs.run(jobs, options.runs)
    rows = list(rows_of(results))
    for row in rows:
        print(f"{row['name']:<44}{row['value']:+8.2f} {row['unit']} ± {row['std']:.2f} (n {row['n']})")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
