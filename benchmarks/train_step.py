"""One training step (forward, loss, backward; batch 64, 32×32): our engines against FP32, bfloat16 and other libraries.

    python benchmarks/train_step.py [--quick] [--json FILE] [--network resnet20|resnet18w] [--only NAME,ENGINE-RECIPE]

The configurations take turns in one process, so that a busy machine slows all of them alike. Rows:

``NETWORK/CONFIGURATION/milliseconds``, ``…/x_fp32_channels_last``
    median time of a step, and the median of its ratio to the FP32 step of the same round.
``…/levels_W``, ``_A``, ``_E``
    evidence of quantization: the most distinct values of any weight, activation and error that a convolution multiplies
    (layers but the first). Formats with many scales have more levels than codes.
``…/saved_x_fp32``
    bytes of the tensors that autograd keeps between forward and backward, over FP32's.
``…/live_x_fp32``
    the most bytes of tensors that a step holds at once besides parameters, gradients and images, over FP32's: PyTorch's
    own account, in a process in which buffers that live on between steps are made in that step.
``…/peak_x_fp32``
    growth of the process's memory over three steps, over FP32's: medians of five processes each (not with ``--quick``).
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from peers import PEERS
from torch import Tensor, nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from lbt.memory import keep_freed_memory
from lbt.models import build
from lbt.models._resnet import resnet
from lbt.nn import quantize, set_step
from lbt.nn.context import contexts_in

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet20": lambda: build("resnet20", 10, 3),
    # the widths of ResNet-18, one block each, at the resolution of CIFAR
    "resnet18w": lambda: resnet(10, 3, (64, 128, 256, 512), blocks=1, stem_stride=1),
}
OURS = (
    "emulate-int8", "integer-int8", "emulate-thesis", "emulate-fp8", "emulate-mx8", "emulate-int4", "emulate-w4a4e8",
    "emulate-luq4", "emulate-nvfp4", "emulate-int4-hadamard", "emulate-mx4", "emulate-mls-e2m1",
)  # fmt: skip
"""Engine and recipe; ``--only`` takes any of them."""
BASE = "fp32_channels_last"
NAMES = [BASE, "fp32", "bf16-autocast", "bf16-compile", *OURS, *PEERS]


class Step:
    """A configured network and its batch; call it to run one training step.

    Raises:
        ImportError: the library that the configuration needs is absent.
    """

    def __init__(self, network: str, name: str, device: str) -> None:
        torch.manual_seed(0)
        model = NETWORKS[network]().to(device)
        images = torch.randn(64, 3, 32, 32, device=device)
        if name != "fp32":
            model, images = model.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
        engine, _, recipe = name.partition("-")
        if engine in ("emulate", "integer"):
            model = quantize(model, recipe, engine=engine)  # type: ignore[arg-type]
        elif name in PEERS:
            model = PEERS[name](copy.deepcopy(model)).to(device)
        elif name == "bf16-compile":
            if device == "cpu":
                raise ImportError("for GPUs")
            model = torch.compile(model)  # type: ignore[assignment]
        self.model, self.images, self.device, self.count = model.train(), images, device, 0
        self.labels = torch.arange(64, device=device) % 10
        self.autocast = name.startswith("bf16")

    def __call__(self) -> None:
        self.backward(self.forward())

    def forward(self) -> Tensor:
        if contexts_in(self.model):
            set_step(self.model, self.count)
        self.count += 1
        with torch.autocast(self.device, torch.bfloat16) if self.autocast else nullcontext():
            return functional.cross_entropy(self.model(self.images).float(), self.labels)

    def backward(self, loss: Tensor) -> None:
        loss.backward()
        self.model.zero_grad()
        if self.device == "cuda":
            torch.cuda.synchronize()

    def milliseconds(self) -> float:
        start = time.perf_counter()
        self()
        return 1000 * (time.perf_counter() - start)


class Levels(TorchDispatchMode):
    """Counts the distinct values of what convolutions multiply."""

    def __init__(self) -> None:
        super().__init__()
        self.most = {"W": 0, "A": 0, "E": 0}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, operands = function.name().split("::")[-1].split(".")[0], {}
        if name in ("convolution", "convolution_overrideable"):
            operands = {"A": args[0], "W": args[1]}
        elif name == "convolution_backward":
            operands = {"E": args[0]}
        elif name == "qconv_prepack":
            operands = {"W": args[0]}
        elif name == "qconv2d_pointwise":  # also the error's product: both have eight bits
            operands = {"A": args[0]}
        elif name == "_int_mm":  # (error, columns) in the weight gradient
            operands = {"E": args[0], "A": args[1]}
        for role, tensor in operands.items():
            # images and the gradient of a placeholder are left out
            if tensor.dim() != 4 or tensor.shape[1] != 3:
                self.most[role] = max(self.most[role], len(tensor.unique()))
        return function(*args, **(kwargs or {}))


def levels(step: Step) -> dict[str, int]:
    with Levels() as found:
        step()
    return found.most


def saved_bytes(step: Step) -> int:
    """Bytes that autograd keeps for backward, each storage once; parameters are not counted."""
    own = {p.untyped_storage().data_ptr() for p in step.model.parameters()}
    kept: dict[int, tuple[int, Tensor]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor.detach())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = step.forward()
    total = sum(size for size, _ in kept.values())
    kept.clear()
    step.backward(loss)
    return total


def in_a_process(what: str, network: str, name: str) -> float:
    """A key of ``MEMORY``, in bytes, of a configuration in a fresh process."""
    command = [sys.executable, __file__, "--network", network, "--memory", what, "--only", name]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def warmed_up(network: str, name: str) -> Step:
    """A step that has compiled and loaded what there is to load, on two images, and now has its whole batch."""
    step = Step(network, name, "cpu")
    images, labels = step.images, step.labels
    step.images, step.labels = images[:2], labels[:2]
    step()
    step.images, step.labels = images, labels
    return step


def peak(step: Step) -> int:
    """Growth of the resident memory over three steps."""
    before = high_water()
    for _ in range(3):
        step()
    return high_water() - before


def live(step: Step) -> int:
    """The most bytes of tensors that were made since the step began and not freed yet."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    changes = sorted((event["ts"], event["args"]["Bytes"]) for event in events if event.get("name") == "[memory]")
    return max(accumulate(change for _, change in changes))


MEMORY = {"peak": peak, "live": live}


def high_water() -> int:
    """The largest resident memory of this process so far, in bytes (getrusage would count the parent's, too)."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(next(line for line in text.splitlines() if line.startswith("VmHWM")).split()[1])


def measure(network: str, names: list[str], device: str, quick: bool) -> list[dict[str, object]]:
    steps: dict[str, Step] = {}
    for name in names:
        try:
            step = Step(network, name, device)
            step()
            steps[name] = step
        except ImportError as error:
            print(f"{network}/{name}: skipped ({error})", flush=True)
    repeats = (5 if quick else 15) if network == "resnet20" else (3 if quick else 7)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            times[name].append(step.milliseconds())
    rows: list[dict[str, object]] = []

    def row(name: str, what: str, values: list[float], unit: str) -> None:
        std = statistics.stdev(values) if len(values) > 1 else 0.0
        rows.append({"name": f"{network}/{name}/{what}", "value": statistics.median(values), "unit": unit,
                     "n": len(values), "std": std})  # fmt: skip

    saved = {name: saved_bytes(step) for name, step in steps.items()}
    memory: dict[str, dict[str, list[float]]] = {}
    if not quick and BASE in steps and device == "cpu" and Path("/proc").is_dir():
        for what, times_each in (("live", 1), ("peak", 5)):
            memory[what] = {name: [in_a_process(what, network, name) for _ in range(times_each)] for name in steps}
    for name, step in steps.items():
        row(name, "milliseconds", times[name], "ms")
        if BASE in steps:
            row(name, f"x_{BASE}", [a / b for a, b in zip(times[name], times[BASE], strict=True)], "x")
            row(name, "saved_x_fp32", [saved[name] / saved[BASE]], "x")
            for what, found in memory.items():
                row(name, f"{what}_x_fp32", [value / statistics.median(found[BASE]) for value in found[name]], "x")
        for role, count in levels(step).items():
            row(name, f"levels_{role}", [count], "levels")
        print(
            "  ".join(f"{r['name']} {r['value']:.4g}" for r in rows if str(r["name"]).startswith(f"{network}/{name}/"))
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few repeats, no peak memory")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--network", choices=list(NETWORKS), help="one network instead of both")
    parser.add_argument("--only", help=f"comma-separated, of: {', '.join(NAMES)}; or any ENGINE-RECIPE")
    parser.add_argument("--memory", choices=list(MEMORY), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # for all configurations alike, as lbt's own commands do
    names = options.only.split(",") if options.only else NAMES
    if options.memory:
        return print(MEMORY[options.memory](warmed_up(options.network, names[0])))
    rows: list[dict[str, object]] = []
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        for network in [options.network] if options.network else list(NETWORKS):
            found = measure(network, names, device, options.quick)
            rows += [{**r, "name": f"{'' if device == 'cpu' else 'cuda/'}{r['name']}"} for r in found]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
