"""Two processes (DistributedDataParallel): with shared ranges each quantizes its half as one would the whole."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lbt.errors import LbtError
from lbt.nn import optimizer, quantize, scale_loss, set_step, share_ranges
from lbt.recipe import Recipe

STOCHASTIC: dict[str, Any] = {"format": "int8", "rounding": "stochastic"}
RECIPE = {"W": "int8", "A": STOCHASTIC, "E": STOCHASTIC, "update": {"counteract": {}, "loss_scale": 1024.0}}


def network() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 5))
    return quantize(model, Recipe.model_validate(RECIPE), seed=1)


def images() -> tuple[Tensor, Tensor]:
    x = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    return x * torch.linspace(0.5, 4, 8).view(-1, 1, 1, 1), torch.arange(8) % 5  # the halves have other ranges


def step(model: nn.Module, rows: slice, **options: Any) -> dict[str, Tensor]:
    """Logits, the gradients of one step, and the weights after it."""
    x, y = images()
    update = optimizer(model, lr=0.1)
    set_step(model, 0, **options)
    logits = model(x[rows])
    scale_loss(model, nn.functional.cross_entropy(logits, y[rows])).backward()
    gradients = {n.removeprefix("module."): p.grad / 1024 for n, p in model.named_parameters()}
    update.step()
    weights = {f"{n.removeprefix('module.')} after": p.detach().clone() for n, p in model.named_parameters()}
    return {"logits": logits.detach(), **gradients, **weights}


def worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    train(rank, folder)
    gc.collect()  # a DistributedDataParallel that outlives its group can wait for ever for the group's threads
    dist.barrier()
    dist.destroy_process_group()


def train(rank: int, folder: str) -> None:
    for name in ("alone", "shared"):
        model = network()
        wrapped = DistributedDataParallel(model)
        if name == "shared":
            share_ranges(wrapped)
        torch.save(step(wrapped, slice(4 * rank, 4 * rank + 4), first_sample=4 * rank), f"{folder}/{name}{rank}.pt")
    bad = DistributedDataParallel(network())
    update = optimizer(bad, lr=0.1)
    before = [p.detach().clone() for p in bad.parameters()]
    x, y = images()
    weight = float("inf") if rank else 1.0  # one process overflows; both leave the step out
    scale_loss(bad, nn.functional.cross_entropy(bad(x[:4]), y[:4]) * weight).backward()
    update.step()
    assert update.skipped == 1
    assert all(torch.equal(a, b) for a, b in zip(before, bad.parameters(), strict=True))


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    both = [subprocess.Popen([sys.executable, __file__, str(rank), str(tmp_path)]) for rank in (0, 1)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    whole = step(network(), slice(None))
    found = {name: [torch.load(tmp_path / f"{name}{rank}.pt", weights_only=True) for rank in (0, 1)]
             for name in ("alone", "shared")}  # fmt: skip
    assert torch.equal(torch.cat([part["logits"] for part in found["shared"]]), whole["logits"])
    assert not torch.equal(torch.cat([part["logits"] for part in found["alone"]]), whole["logits"])
    for name in set(whole) - {"logits"}:
        for pair in found.values():  # processes stay together, with and without
            assert torch.equal(pair[0][name], pair[1][name]), name
        if not name.endswith("after"):
            torch.testing.assert_close(found["shared"][0][name], whole[name], atol=1e-6, rtol=1e-5)


def test_it_needs_processes_and_a_converted_model() -> None:
    with pytest.raises(LbtError, match="init_process_group"):
        share_ranges(network())
    with pytest.raises(LbtError, match="not converted"):
        share_ranges(nn.Linear(2, 2))


if __name__ == "__main__":
    worker(int(sys.argv[1]), sys.argv[2])
