"""Small measurements that docs/numerics.md states: draws, saturating MX blocks, the sigma rule, Range BN's chunks.

    python benchmarks/numerics.py [--quick] [--runs FILE.jsonl] [--json FILE] [--only TEXT]

``draws``: pairs of uniforms of one tensor, LAGS elements apart, 2^20 of them: the largest |r|, and by how many standard
deviations χ² of a 64 × 64 histogram lies above its expectation, at most. One key a seed.

``mx/ELEMENT/saturating_blocks``: share of blocks of 32 normal values in which an element saturates under OCP's scale.

``sigma/RULE/cosine``: of the whole gradient of a ResNet-18 (1,000 classes, random weights, four random images, norms'
statistics as constants) with the float model's, errors alone being quantized, in int8 with RULE; ``…/first``: of its
first layer, whose error comes through a maximum pooling; ``…/thesis``: under the recipe thesis with RULE for errors.

``range_bn/CHUNKS/accuracy``: percent on the task ``blended`` of benchmarks/recipes.py under its ``uniform(8)``;
``range_bn/float`` is the same with a float batch norm.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import _runs
import numpy as np
import torch
from modules import calibrate, gradient
from torch import Tensor, nn

from lbt.nn import quantize
from lbt.numerics.formats import parse_format
from lbt.numerics.rounding import Key, arguments, uniform
from lbt.recipe import Recipe

LAGS = (1, 2, 3, 4, 8, 9, 16, 27, 32, 64, 128, 256, 1024)
ELEMENTS = ("e2m1", "e2m3", "e3m2", "e4m3", "e5m2", "int8")
RULES: dict[str, Any] = {
    "all": {"rule": "sigma", "k": 8},
    "nonzero": {"rule": "sigma", "k": 8, "of": "nonzero"},
    "percentile": {"rule": "percentile", "share": 0.999},
    "max": "max",
}


def draws(seed: int) -> dict[str, float]:
    """Correlation and χ² of pairs within one tensor."""
    count, bins = 1 << 20, 64
    found = uniform(torch.empty(count + max(LAGS)), *arguments(Key(seed, 1, "conv1", "E"))).double().numpy()
    worst_r = worst_chi = 0.0
    for lag in LAGS:
        a, b = found[:count], found[lag : lag + count]
        worst_r = max(worst_r, abs(float(np.corrcoef(a, b)[0, 1])))
        cells = np.bincount((a * bins).astype(int) * bins + (b * bins).astype(int), minlength=bins * bins)
        chi = float(((cells - count / bins**2) ** 2).sum() / (count / bins**2))
        freedom = bins * bins - 1
        worst_chi = max(worst_chi, (chi - freedom) / (2 * freedom) ** 0.5)
    return {"largest_r": worst_r, "chi2_sigmas": worst_chi}


def saturating(element: str, seed: int) -> dict[str, float]:
    """Share of blocks in which the largest magnitude is beyond the largest element."""
    blocks = torch.randn(100_000, 32, generator=torch.Generator().manual_seed(seed)).abs()
    form, top = parse_format(f"mx{element}"), blocks.amax(1, keepdim=True)
    return {"saturating_blocks": float((top / form.scale_for(top) > form.largest).float().mean())}


class Block(nn.Module):
    """Two convolutions and a sum (He et al., arXiv 1512.03385)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip
        short = [nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)]
        self.short = nn.Sequential(*(short if stride > 1 or inputs != outputs else []))

    def forward(self, x: Tensor) -> Tensor:
        return (self.body(x) + self.short(x)).relu()


def resnet18(seed: int) -> nn.Module:
    """ResNet-18 with a maximum pooling behind its first convolution, random weights."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    for inputs, outputs in ((64, 64), (64, 128), (128, 256), (256, 512)):
        layers += [Block(inputs, outputs, 1 + (inputs != outputs)), Block(outputs, outputs, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


def cosines(rule: Any, seed: int) -> dict[str, float]:
    """Cosines of the gradient with the float model's: of all, of the first layer, and of all under thesis."""
    model = resnet18(seed)
    images = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    calibrate(model, images)
    first = next(model.parameters()).numel()
    reference = gradient(copy.deepcopy(model), images)[1].double()
    thesis = Recipe.load("thesis")
    assert thesis.E is not None
    error = {**thesis.E.model_dump(), "range": rule}
    alone = gradient(quantize(model, Recipe.model_validate({"E": error}), seed=seed), images)[1].double()
    whole = Recipe.model_validate({**thesis.model_dump(), "E": error})
    every = gradient(quantize(model, whole, seed=seed), images)[1].double()

    def cosine(found: Tensor, count: int) -> float:
        return float(torch.cosine_similarity(found[:count], reference[:count], 0))

    return {"cosine": cosine(alone, len(alone)), "first": cosine(alone, first), "thesis": cosine(every, len(every))}


def chunked(norm: Any, seed: int, steps: int) -> dict[str, float]:
    """Accuracy in percent after ``steps`` steps with ``norm`` and plain 8-bit operands."""
    import recipes

    return {"accuracy": recipes.accuracy(recipes.uniform(8, norm=norm), recipes.Task("mnistm"), seed, steps)}


def jobs(quick: bool) -> Iterator[_runs.Job]:
    """Name, seed and computation of each measurement."""
    several = range(1 if quick else 3)

    def job(name: str, seed: int, compute: Callable[..., dict[str, float]], *given: Any) -> _runs.Job:
        return name, seed, lambda: compute(*given)

    for seed in range(2 if quick else 10):
        yield job("draws", seed, draws, seed)
    for element in ELEMENTS:
        yield job(f"mx/{element}", 0, saturating, element, 0)
    for seed in several:
        for name, rule in RULES.items():
            yield job(f"sigma/{name}", seed, cosines, rule, seed)
    for seed in several:
        for name, norm in (
            ("float", "float_bn"),
            *((str(m), {"name": "range_bn", "options": {"chunks": m}}) for m in (1, 16)),
        ):
            yield job(f"range_bn/{name}", seed, chunked, norm, seed, 60 if quick else 500)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer seeds, short trainings")
    parser.add_argument(
        "--runs", type=Path, help="append every measurement to this JSON-lines file, and resume from it"
    )
    parser.add_argument("--only", default="", help="only names that contain this text")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = list(_runs.summary(_runs.run((j for j in jobs(options.quick) if options.only in j[0]), options.runs)))
    for row in rows:
        print(f"{row['name']:<36}{row['value']:10.4f} ± {row['std']:.4f} (n {row['n']})")
    if options.json:
        _runs.write(options.json, rows)


if __name__ == "__main__":
    main()
