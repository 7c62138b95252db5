"""Adaptation shared by two processes: the run of one, up to the rounding of float sums. Also a script for one of them.

python test_processes.py FOLDER OUTPUT METHOD RECIPE
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from lbt.adapt.params import AdaptParams
from lbt.adapt.stage import Inputs, Outputs, SplitFiles, run
from lbt.artifacts import Images, write_images
from lbt.models import Architecture, build, write_model

KINDS, CLASSES, SIZE = ("train", "validation", "test"), ("dark", "bright", "grey"), 16


def write(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for domain, offset in (("source", 0), ("target", 40)):
        for kind in KINDS:
            labels = np.arange(48) % 3
            pixels = rng.integers(0, 90, (48, SIZE, SIZE, 1)) + offset + 60 * labels[:, None, None, None]
            images = Images(pixels.clip(0, 255).astype(np.uint8), labels, CLASSES)
            write_images(folder / domain / f"{kind}.parquet", images)
    model = build("digit_cnn", 3, 1, seed=0)
    write_model(folder / "model.safetensors", model, Architecture("digit_cnn", CLASSES, 1, SIZE))


def train(folder: Path, output: Path, method: str, recipe: str) -> dict[str, Any]:
    output.mkdir(exist_ok=True)
    # Few steps: once a float sum that was rounded otherwise has moved a code of int8, the two runs drift apart.
    small = {"steps": 2, "source_steps": 1, "batch": 9, "evaluate_every": 1, "checkpoint_every": 1, "lr": 0.01}
    job = AdaptParams.model_validate(small).job("source-target", method, recipe, 0)
    domains = {
        name: SplitFiles(**{kind: folder / name / f"{kind}.parquet" for kind in KINDS}) for name in ("source", "target")
    }
    files = {"curve": "curve.parquet", "student": "student.safetensors", "scratch": "scratch"}
    outputs = Outputs(**{role: output / name for role, name in files.items()})
    return run(job, Inputs(model=folder / "model.safetensors", **domains), outputs)


# In int8 a float sum that was rounded otherwise can move single codes; a wrong gradient would move them all.
SAME = {"fp32": 1e-3, "int8": 0.05}

CASES = [("mean_teacher", "int8"), ("mcd", "fp32"), ("shot", "int8"), ("dann", "fp32")]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "recipe"), CASES)
def test_two_processes_equal_one(tmp_path: Path, method: str, recipe: str) -> None:
    write(tmp_path)
    alone = train(tmp_path, tmp_path / "one", method, recipe)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    command += [sys.executable, __file__, str(tmp_path), str(tmp_path / "two"), method, recipe]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / "two" / f"answer{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert first.keys() == alone.keys()
    assert first["memory/total_bytes"] == alone["memory/total_bytes"]
    before = load_file(tmp_path / "model.safetensors")
    one, two = (load_file(tmp_path / name / "student.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        if not name.endswith("weight"):
            continue
        moved = (tensor - before[name]).norm()
        assert (two[name] - tensor).norm() <= SAME[recipe] * moved, name
        assert moved > 0 or name.startswith("classifier"), name  # shot keeps its classifier


if __name__ == "__main__":
    answer = json.dumps(train(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
    (Path(sys.argv[2]) / f"answer{os.environ['RANK']}.json").write_text(answer)
