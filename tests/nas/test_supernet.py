from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lbt.artifacts import Images, read_table, read_tensors, sha256, write_images
from lbt.errors import LbtError
from lbt.nas.spaces.nasbench201 import EDGES, OPERATIONS, SPACE, format, parse
from lbt.nas.supernet import Supernet, cell_network, predictions
from lbt.nas.supernet.network import prune
from lbt.nas.supernet.params import SupernetParams
from lbt.nas.supernet.stage import Inputs, Outputs, fit, run, sample

ROWS = np.concatenate([SPACE.sample(120, 0), np.zeros((1, 6), np.int64), np.ones((1, 6), np.int64)])
IMAGES = torch.rand(24, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def reaches(row: np.ndarray, start: int, end: int) -> bool:
    """True if some path of operations other than none leads from start to end: tried edge by edge."""
    if start == end:
        return True
    return any(o != 0 and i == start and reaches(row, j, end) for (i, j), o in zip(EDGES, row, strict=True))


def test_prune_keeps_exactly_the_edges_on_a_path() -> None:
    for row in ROWS:
        expected = [
            o if o and reaches(row, 0, i) and reaches(row, j, 3) else 0 for (i, j), o in zip(EDGES, row, strict=True)
        ]
        assert prune(row).tolist() == expected


@pytest.mark.parametrize("cells", [1, 2, 3])
def test_shared_scoring_is_the_loop_over_architectures(cells: int) -> None:
    supernet = Supernet(channels=4, classes=10, in_channels=3, cells=cells)
    with torch.inference_mode():
        loop = np.array([supernet(IMAGES, row).argmax(dim=1).numpy() for row in ROWS])
    shared = predictions(supernet, IMAGES, ROWS)
    assert shared.shape == (len(ROWS), len(IMAGES))
    # the sums are in another order: a tie within rounding may fall otherwise
    assert (shared == loop).mean() > 0.998
    assert len(np.unique(shared[:-2], axis=0)) > 60  # the architectures do differ


def test_scores_do_not_depend_on_the_order_of_the_architectures() -> None:
    supernet = Supernet(channels=4, classes=10, in_channels=3)
    order = np.random.default_rng(0).permutation(len(ROWS))
    assert np.array_equal(predictions(supernet, IMAGES, ROWS)[order], predictions(supernet, IMAGES, ROWS[order]))


@pytest.mark.parametrize("row", [ROWS[0], ROWS[1], ROWS[2], [3, 3, 3, 3, 3, 3], [1, 0, 4, 0, 0, 2], [0] * 6])
def test_extracted_network_computes_the_same(row: list[int]) -> None:
    supernet = Supernet(channels=6, classes=10, in_channels=3)
    network = supernet.extract(row).train()  # training mode: statistics of the batch, as in the supernet
    with torch.no_grad():
        torch.testing.assert_close(network(IMAGES), supernet(IMAGES, row), rtol=1e-4, atol=1e-4)


def test_a_step_changes_the_weights_of_its_path_only() -> None:
    supernet = Supernet(channels=4, classes=10, in_channels=3)
    row = parse("|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_3x3~2|")
    supernet(IMAGES, row).sum().backward()
    trained = {name for name, p in supernet.cells[0].weights.items() if p.grad is not None}
    assert trained == {"0_3", "2_2", "5_3"}


def test_cell_network_has_only_live_edges() -> None:
    network = cell_network("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|none~1|avg_pool_3x3~2|", 8, 10, cells=2)
    kinds = [type(m) for m in network.cells[0].modules()]
    assert kinds.count(nn.Conv2d) == 1  # the 3×3 convolution leads nowhere
    assert kinds.count(nn.AvgPool2d) == 1
    assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


def test_cell_network_is_a_function_of_the_seed() -> None:
    arch = format(ROWS[0])
    torch.manual_seed(5)
    first = cell_network(arch, 8, 10, seed=1).state_dict()
    drawn = torch.rand(1)
    second = cell_network(arch, 8, 10, seed=1).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))  # the caller's generator is left alone
    with pytest.raises(LbtError, match="did you mean 'skip_connect'"):
        cell_network(arch.replace(arch.split("~")[0][1:], "skip_conect", 1), 8, 10)


def test_sample_is_without_repeats() -> None:
    rows = sample(15625, 3)
    assert len(np.unique(rows, axis=0)) == 15625
    assert np.array_equal(sample(10, 3), rows[:10])
    assert not np.array_equal(sample(10, 4), rows[:10])
    assert rows.max() == len(OPERATIONS) - 1


def bars(count: int, seed: int) -> Images:
    """Two classes that any architecture with a path can tell apart: a bar at the top or at the bottom."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(2, size=count)
    pixels = generator.integers(0, 60, (count, 32, 32, 1), dtype=np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[20:26, 8:24] += np.uint8(150 * label)
        image[6:12, 8:24] += np.uint8(150 * (1 - label))
    return Images(pixels, labels, ("top", "bottom"))


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    write_images(tmp_path / "train.parquet", bars(200, 0))
    write_images(tmp_path / "validation.parquet", bars(60, 1))
    return Inputs(train=tmp_path / "train.parquet", validation=tmp_path / "validation.parquet")


PARAMS = SupernetParams(channels=4, steps=60, batch=16, architectures=40)


def outputs(folder: Path) -> Outputs:
    tables = {name: folder / f"{name}.parquet" for name in ("scores", "curve")}
    return Outputs(supernet=folder / "supernet.safetensors", **tables)


def test_stage_learns_scores_and_repeats(inputs: Inputs, tmp_path: Path) -> None:
    first, second = outputs(tmp_path / "a"), outputs(tmp_path / "b")
    metrics = run(PARAMS, inputs, first)
    assert metrics == run(PARAMS, inputs, second)
    for name in ("supernet", "scores", "curve"):
        assert sha256(getattr(first, name)) == sha256(getattr(second, name))

    scores = read_table(first.scores).to_pydict()
    assert len(set(scores["architecture"])) == metrics["architectures"] == 40
    assert max(scores["accuracy"]) == metrics["accuracy/best"] > 0.9  # it has learnt
    assert scores["architecture"][int(np.argmax(scores["accuracy"]))] == metrics["best_arch"]
    both = (np.array(scores["accuracy_even"]) + scores["accuracy_odd"]) / 2
    np.testing.assert_allclose(both, scores["accuracy"])
    assert -1 <= float(metrics["halves/kendall_tau"]) <= 1

    curve = read_table(first.curve).to_pydict()
    assert curve["step"][-1] == 60
    assert np.mean(curve["loss"][-10:]) < np.mean(curve["loss"][:10])

    tensors, extra = read_tensors(first.supernet)
    again = Supernet(extra["channels"], len(extra["classes"]), extra["in_channels"], extra["cells"])
    again.load_state_dict(tensors)


def test_training_is_a_function_of_the_seed() -> None:
    images = torch.rand(32, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(32) % 2
    nets = [Supernet(4, 2, seed=seed) for seed in (0, 0, 1)]
    for net, seed in zip(nets, (0, 0, 1), strict=True):
        fit(net, images, labels, PARAMS.model_copy(update={"steps": 5, "seed": seed}))
    one, two, other = ([p.detach() for p in net.parameters()] for net in nets)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert not torch.equal(one[0], other[0])


def test_unlabelled_or_mismatched_data(inputs: Inputs, tmp_path: Path) -> None:
    images = bars(20, 0)
    write_images(tmp_path / "none.parquet", Images(images.pixels, np.full(20, -1), images.classes))
    with pytest.raises(LbtError, match=r"none\.parquet: no labelled images"):
        run(PARAMS, replace(inputs, train=tmp_path / "none.parquet"), outputs(tmp_path / "c"))
    write_images(tmp_path / "other.parquet", Images(images.pixels, images.labels, ("top", "side")))
    with pytest.raises(LbtError, match="different classes"):
        run(PARAMS, replace(inputs, validation=tmp_path / "other.parquet"), outputs(tmp_path / "c"))
