"""Pretraining shared by two processes: the run of one, up to the rounding of float sums. Also a script for one of them.

python test_processes.py FOLDER OUTPUT
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lbt.artifacts import Images, read_table, write_images
from lbt.distributed import share
from lbt.errors import LbtError
from lbt.pretrain.params import PretrainJob
from lbt.pretrain.stage import Inputs, Outputs, run

PARAMS = PretrainJob(steps=6, batch=17, size=16, channels=1, evaluate_every=3, augmentation="standard", lr=0.02)
KINDS = ("train", "validation", "test")


def write(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in KINDS:
        labels = np.arange(40) % 2
        pixels = rng.integers(0, 120, (40, 16, 16, 1)) + 100 * labels[:, None, None, None]
        write_images(folder / f"{kind}.parquet", Images(pixels.astype(np.uint8), labels, ("dark", "bright")))


def train(folder: Path, output: Path) -> dict[str, float | int | str]:
    output.mkdir(exist_ok=True)
    outputs = Outputs(model=output / "model.safetensors", curve=output / "curve.parquet")
    return run(PARAMS, Inputs(**{kind: folder / f"{kind}.parquet" for kind in KINDS}), outputs)


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    write(tmp_path)
    alone = train(tmp_path, tmp_path / "one")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    command += [sys.executable, __file__, str(tmp_path), str(tmp_path / "two")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    answers = [json.loads((tmp_path / "two" / f"answer{rank}.json").read_text()) for rank in (0, 1)]
    assert answers == [alone, alone]
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-3, atol=1e-4)
    losses = [read_table(tmp_path / name / "curve.parquet").to_pydict()["loss"] for name in ("one", "two")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_alone_there_is_nothing_to_share(monkeypatch: pytest.MonkeyPatch) -> None:
    assert share(5) == slice(0, 5)
    monkeypatch.setattr("lbt.distributed.world", lambda: (2, 3))
    assert share(8) == slice(6, 8)
    with pytest.raises(LbtError, match="a batch of 2 cannot be shared by 3 processes"):
        share(2)


if __name__ == "__main__":
    answer = json.dumps(train(Path(sys.argv[1]), Path(sys.argv[2])))
    (Path(sys.argv[2]) / f"answer{os.environ['RANK']}.json").write_text(answer)
