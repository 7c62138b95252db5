"""Unknown classes: how well a network's own doubt tells images of classes that it never learnt, before a label is seen.

    python benchmarks/open_set.py [--quick] [--json FILE]

The source is MNIST's digits 0 to 7, the target all ten of optdigits, with the images of 8 and 9 among those that are
adapted to. Training is short (300 steps, then 200), so that accuracies are below those of docs/adaptation.md. Rows:
``open/METHOD/…``: ``target_accuracy`` on known classes, ``unknown_share`` of the labelled test images, and
``entropy_auroc`` and ``margin_auroc`` (:mod:`lbt.adapt.openset`). n = 1 seed, FP32.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import adaptation

from lbt.adapt import stage as adapt
from lbt.params import Params, load_params

KNOWN = [str(digit) for digit in range(8)]
PAIR = "mnist-optdigits"
METHODS = ("source_only", "adabn", "mean_teacher")
STEPS = {"pretrain": 300, "adapt": 200}
QUICK = {"pretrain": 40, "adapt": 10}


def setting(quick: bool) -> Params:
    """Params of the run: the source lacks the last two digits."""
    params, steps = load_params("params/digits.yaml"), QUICK if quick else STEPS
    source = params.data.domains["mnist"].model_copy(update={"classes": KNOWN})
    data = params.data.model_copy(update={"domains": {**params.data.domains, "mnist": source}})
    changed = {name: getattr(params, name).model_copy(update={"steps": count}) for name, count in steps.items()}
    return params.model_copy(update={"data": data, **changed})


def run(params: Params, method: str, work: Path) -> dict[str, Any]:
    """The metrics of one adaptation."""
    job = params.adapt.job(PAIR, method, "fp32", 0)
    source, target = (adaptation.domain(params, name, work) for name in PAIR.split("-"))
    inputs = adapt.Inputs(model=adaptation.network(params, job, work), source=source, target=target)
    return adapt.run(job, inputs, adapt.Outputs(curve=work / "curve.parquet", student=work / "student.safetensors"))


def rows(method: str, metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Benchmark rows of one adaptation."""
    made = [("target_accuracy", metrics["target_accuracy"], "%"), ("unknown_share", metrics["unknown_share"], "")]
    made += [(f"{name}_auroc", metrics[f"unknown/{name}_auroc"], "") for name in ("entropy", "margin")]
    return [{"name": f"open/{method}/{name}", "value": value, "unit": unit, "n": 1} for name, value, unit in made]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="hardly trained: shows that it runs")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    params, found = setting(options.quick), []
    with tempfile.TemporaryDirectory() as folder:
        for method in METHODS:
            found += rows(method, run(params, method, Path(folder)))
            for row in found[-4:]:
                print(f"{row['name']:<40}{row['value']:8.3f} {row['unit']}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
