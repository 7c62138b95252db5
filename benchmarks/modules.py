"""Public architectures under lbt.quantize: nothing unnamed, no traceback, ONNX equal or refused.

    python benchmarks/modules.py [--quick] [--only TEXT] [--runs FILE] [--json FILE]

Some 30 networks of timm, transformers and torch with random weights (no download), four inputs each. Needs ``pip
install --no-deps timm transformers tokenizers huggingface_hub regex``; what is not installed is left out and said.
``--runs`` keeps each network's numbers as it ends, so that a killed run goes on where it was.

Rows, for each network: ``modules/NAME/weights`` (share of the elements of matrices that is quantized), ``…/macs`` (of
the multiply-accumulates of a forward pass), ``…/cosine/RECIPE`` (of the whole gradient with the float model's) and
``…/onnx`` (1: exported, and onnxruntime computes the same; 0: refused); ``note``: what stays float, and the reason.
Over all of them: ``modules/tracebacks`` (anything but an LbtError), ``modules/unnamed_share`` (largest share of matrix
weights without a row), ``modules/quantized_share/min``, ``modules/onnx_wrong`` (exported files that compute something
else), ``modules/fp32_differs`` (networks whose fp32 conversion is not bit-equal in output or gradient).
"""

from __future__ import annotations

import argparse
import copy
import gc
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import _runs
import torch
from _zoo import zoo
from modules_page import RECIPES
from torch import Tensor, nn

from lbt.errors import LbtError
from lbt.export import apart, expected_of, export_onnx, room
from lbt.nn import quantize
from lbt.nn.inputs import call, output_tensor
from lbt.nn.shares import shares
from lbt.recipe import Recipe

QUICK = ("torch/", "resnet18", "mobilenetv2", "vit_tiny", "gpt2", "bert")
Row = dict[str, Any]


def gradient(model: nn.Module, inputs: Any) -> tuple[Tensor, Tensor]:
    """Output and the gradient of all parameters together, of the cross-entropy with random labels.

    The model evaluates: batch norms have the statistics of these inputs as constants, since those of four images would
    make any change chaotic.
    """
    model.eval()
    model.zero_grad()
    logits = output_tensor(call(model, inputs), "modules")
    logits = logits.flatten(0, -2)
    torch.manual_seed(0)
    labels = torch.randint(0, logits.shape[-1], (len(logits),))
    nn.functional.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
    found = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    return logits.detach(), torch.cat([g.flatten() for g in found])


def measure(name: str, model: nn.Module, inputs: Any) -> Iterator[Row]:
    """The rows of one network."""

    def row(what: str, value: float, unit: str, note: str = "") -> Row:
        return {"name": f"modules/{name}/{what}", "value": round(value, 5), "unit": unit, "n": 1, "note": note}

    calibrate(model, inputs)
    total = sum(p.numel() for p in model.parameters() if p.dim() > 1)
    (share,) = shares(quantize(model, "int8"), inputs)
    kept = [f"{r.name} ({r.kind}, {100 * part:.0f} %)" for r in share.rows
            if r.now != "quantized" and (part := share.weights.get(r.name, 0) / total) > 0.005]  # fmt: skip
    all_macs = sum(share.macs.values()) or 1
    kept_macs = [f"{r.name} ({100 * part:.0f} %)" for r in share.rows
                 if r.now != "quantized" and (part := share.macs.get(r.name, 0) / all_macs) > 0.005]  # fmt: skip
    yield row("weights", share.weight_share, "share", ", ".join(kept))
    yield row("macs", share.mac_share or 0.0, "share", ", ".join(kept_macs))
    yield row("unnamed", 1 - share.named / total, "share")
    y, reference = gradient(copy.deepcopy(model), inputs)  # some keep tensors that cannot be copied
    again, same = gradient(quantize(model, "fp32"), inputs)
    yield row("fp32_differs", float(not (torch.equal(y, again) and torch.equal(reference, same))), "networks")
    for recipe in RECIPES:
        _, found = gradient(quantize(model, recipe), inputs)
        yield row(f"cosine/{recipe}", float(torch.cosine_similarity(found, reference, 0)), "cosine")
    yield row("onnx", *onnx(model, inputs))


def calibrate(model: nn.Module, inputs: Any) -> None:
    """Give all batch norms the statistics of ``inputs``."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        call(model.train(), inputs)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum


def onnx(model: nn.Module, inputs: Any) -> tuple[float, str, str]:
    """1 if the exported file computes the model, 0 if export refuses, -1 if the file computes something else."""
    converted = quantize(model, Recipe.model_validate({"A": "int8", "W": "int8"})).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        try:
            export_onnx(converted, path, inputs)
        except LbtError as error:
            return 0.0, "exported", str(error)
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (got,) = session.run(None, {"input": inputs.numpy()})
        (expected, *_), own = expected_of(converted, inputs)
        error = apart(torch.from_numpy(got), expected)
        return (1.0 if error < room(own) else -1.0), "exported", f"relative difference {error:.1e}"


def tried(name: str, make: Callable[[], tuple[nn.Module, Any]]) -> _runs.Result:
    """What one network gave: its rows, and the traceback or refusal that ended them."""
    start, rows, ended = time.perf_counter(), list[Row](), {"traceback": "", "refused": ""}
    try:
        torch.manual_seed(0)
        model, inputs = make()
        for row in measure(name, model, inputs):
            rows.append(row)
    except LbtError as error:
        ended["refused"] = str(error)
    except Exception:
        ended["traceback"] = traceback.format_exc()
    gc.collect()
    for word in filter(None, ended.values()):
        print(f"{name}: {word}", flush=True)
    for row in rows:
        print(f"  {row['name'].removeprefix(f'modules/{name}/')} {row['value']} {row['note'][:200]}")
    return {"rows": rows, **ended, "seconds": round(time.perf_counter() - start, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few networks")
    parser.add_argument("--only", default="", help="only names that contain this text")
    parser.add_argument("--runs", type=Path, help="a line for each network; those that it holds are not tried again")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    chosen = {n: make for n, make in zoo(options.only) if not options.quick or any(text in n for text in QUICK)}
    jobs = [(name, 0, partial(tried, name, make)) for name, make in chosen.items()]
    done = [result for result in _runs.run(jobs, options.runs) if result["job"] in chosen]
    rows = [row for result in done for row in result["rows"]]
    rows += totals(rows, sum(bool(result["traceback"]) for result in done))
    for row in rows[-5:]:
        print(f"{row['name']} {row['value']}")
    if options.json:
        _runs.write(options.json, rows)


def totals(rows: list[Row], tracebacks: int) -> list[Row]:
    """The rows over all networks."""

    def of(what: str) -> list[float]:
        return [row["value"] for row in rows if row["name"].endswith(f"/{what}")]

    networks = len(of("weights"))
    return [
        {"name": f"modules/{name}", "value": value, "unit": unit, "n": networks}
        for name, value, unit in (
            ("tracebacks", tracebacks, "networks"),
            ("unnamed_share", max(of("unnamed"), default=0.0), "share"),
            ("quantized_share/min", min(of("weights"), default=1.0), "share"),
            ("onnx_wrong", sum(value < 0 for value in of("onnx")), "networks"),
            ("fp32_differs", sum(of("fp32_differs")), "networks"),
        )
    ]


if __name__ == "__main__":
    main()
