"""FSDP on the CPU, both APIs: two processes train to the weights that DistributedDataParallel finds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from lbt.errors import LbtError
from lbt.nn import optimizer, quantize, set_step


def network(recipe: str = "int4") -> nn.Module:
    torch.manual_seed(0)
    return quantize(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.Linear(16, 4)), recipe, seed=1)


def fully_sharded(model: nn.Module) -> nn.Module:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (2,))
    for layer in (model[0], model[2], model[3], model):
        fully_shard(layer, mesh=mesh)
    return model


def flat_sharded(model: nn.Module) -> nn.Module:
    from torch.distributed.fsdp import FullyShardedDataParallel

    return FullyShardedDataParallel(model, device_id=torch.device("cpu"), use_orig_params=True)


def train(model: nn.Module, rank: int) -> dict[str, torch.Tensor]:
    update = optimizer(model, lr=0.1)
    for step in range(2):
        set_step(model, step)
        update.zero_grad()
        x = torch.randn(3, 8, generator=torch.Generator().manual_seed(10 * step + rank))
        model(x).square().sum().backward()
        update.step()
    x = torch.randn(3, 8, generator=torch.Generator().manual_seed(99))
    return {"y": model.eval()(x).detach()}


def worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    expected = train(DistributedDataParallel(network()), rank)
    for shard in (fully_sharded, flat_sharded):
        found = train(shard(network()), rank)
        torch.testing.assert_close(found["y"], expected["y"], atol=1e-5, rtol=1e-4)
        with pytest.raises(LbtError, match="is sharded over processes"):
            optimizer(shard(network("wage")), lr=0.1)
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.slow
def test_sharded_training(tmp_path: Path) -> None:
    both = [subprocess.Popen([sys.executable, __file__, str(rank), str(tmp_path)]) for rank in (0, 1)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]


if __name__ == "__main__":
    worker(int(sys.argv[1]), sys.argv[2])
