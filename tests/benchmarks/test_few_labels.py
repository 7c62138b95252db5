"""Experiments run end to end at a tiny size, and their second losses do what they say."""

import math
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from lbt.nas import tables
from lbt.nas.predictors.fit import Options, PredictorNetwork, train
from lbt.nas.spaces import nasbench201

pytestmark = pytest.mark.float
FOLDER = Path(__file__).parents[2] / "benchmarks/few_labels"
NAMES = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
TINY = {
    "COUNTS": (20,), "UNLABELLED": 60, "EPOCHS": 4, "SCORED": 90, "LABELS": 60, "STRENGTHS": (1.0,), "STEPS": 25,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def importable():
    """The folder of the benchmarks among those that are imported from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER.parent))
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] == FOLDER.name]:
        sys.modules.pop(name)


def experiment(name: str) -> ModuleType:
    return import_module(f"few_labels.{name}")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "cells.parquet"
    tables.write_nasbench201(path)
    return tables.read(path, "nasbench201")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_gives_finite_numbers_under_stable_names(name, table, monkeypatch):
    for module in (experiment(name), experiment("_labels")):
        for constant, value in TINY.items():
            if hasattr(module, constant):
                monkeypatch.setattr(module, constant, value)
    found = experiment(name).run(table, "fp", seed=0)
    assert len(found) >= 2
    assert all(isinstance(value, float) and math.isfinite(value) for value in found.values())
    taus = [value for key, value in found.items() if key.endswith("kendall_tau")]
    assert all(-1 <= tau <= 1 for tau in taus)
    assert any(tau > 0.15 for tau in taus) or name == "calibration"  # something was learnt


def network():
    return PredictorNetwork("gates", nasbench201.SPACE, OPTIONS, torch.Generator().manual_seed(0))


OPTIONS = Options(width=16, hidden=(16,), epochs=120, batch=10)
ROWS = nasbench201.sample(200, 0)


@pytest.mark.parametrize("make", [
    lambda: experiment("reconstruction").Reconstruction(nasbench201.SPACE, ROWS, 16, torch.Generator().manual_seed(0)),
    lambda: experiment("contrast").Contrast(nasbench201.SPACE, ROWS, 16, 0),
], ids=["reconstruction", "contrast"])  # fmt: skip
def test_a_second_loss_is_learnt_beside_the_first(make):
    auxiliary, net = make(), network()
    net.requires_grad_(False)

    def judged():
        return np.mean([float(auxiliary(net, torch.Generator().manual_seed(s)).detach()) for s in range(20)])

    judged()  # the queue of the contrast fills
    before = judged()
    net.requires_grad_(True)
    train(net, ROWS[:20], (ROWS[:20] == 3).sum(1) * 1.0, OPTIONS, 0, auxiliary)
    assert judged() < 0.97 * before


def test_isomorphic_cells_are_decoded_into_one_cell():
    decoder = experiment("reconstruction").Reconstruction(
        nasbench201.SPACE, nasbench201.SPACE.all(), 16, torch.Generator().manual_seed(0)
    )
    states = decoder.cells.states[:, -1]
    assert len(torch.unique(torch.cat([decoder.operations, states[:, None]], 1), dim=0)) == len(states.unique())


def test_the_momentum_encoder_follows_slowly_and_is_not_trained():
    net = network()
    contrast = experiment("contrast").Contrast(nasbench201.SPACE, ROWS, 16, 0)
    contrast(net, torch.Generator().manual_seed(0))
    slow, fast = contrast.slow[0][0].information, net.encoder.information
    assert all(p is not q for p in contrast.parameters() for q in contrast.slow[0].parameters())
    start = slow.clone()
    with torch.no_grad():
        fast += 1.0
    contrast(net, torch.Generator().manual_seed(0))
    torch.testing.assert_close(slow, start + 0.01)
    assert not slow.grad
    assert len(contrast.queue) == 256


def test_the_most_different_cells_are_found_one_after_the_other():
    points = np.array([[0.0], [1.0], [5.0], [9.0], [10.0]])
    assert experiment("active")._farthest(points, [0], np.arange(1, 5), 2).tolist() == [4, 2]
