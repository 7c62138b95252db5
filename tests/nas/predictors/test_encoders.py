"""Predictors: what GATES promises about graphs, batching, determinism, and learning at all."""

import numpy as np
import pytest
import torch

from lbt.errors import LbtError
from lbt.nas.predictors import ENCODERS
from lbt.nas.predictors.cells import cells
from lbt.nas.predictors.fit import Options, PredictorNetwork, fit
from lbt.nas.predictors.metrics import kendall_tau
from lbt.nas.space import SpaceSpec, build
from lbt.nas.spaces import nasbench201

EDGE = nasbench201.SPACE
NODE = build(SpaceSpec(name="n101", operations_on="node", nodes=5, operations=["c3", "c1", "pool"]))
CHAIN = build(
    SpaceSpec(name="chain", operations_on="node", nodes=9, operations=["a", "b"], choose_edges=False,
              edges=[(i, i + 1) for i in range(8)])
)  # fmt: skip
NEURAL = [name for name in ENCODERS.names() if hasattr(ENCODERS.load(name), "Encoder")]
SMALL = Options(width=16, hidden=(16,), epochs=30, members=2, batch=32)


def made_up(space, rows):
    """A value that a predictor can learn: how many of the first operation, and a bonus for the second at the front."""
    return (rows == 1).sum(1) + 0.5 * (rows[:, 0] == 2) - 0.3 * (rows[:, -1] == 0)


def network(name, space, members=2):
    options = Options(width=16, hidden=(16,), members=members)
    return PredictorNetwork(name, space, options, torch.Generator().manual_seed(0))


def embed(net, rows, members=2):
    with torch.no_grad():
        return net.encoder(cells(net.space, rows).expand(members))


@pytest.mark.parametrize("space", [EDGE, NODE, CHAIN], ids=lambda s: s.name)
@pytest.mark.parametrize("name", NEURAL)
def test_every_encoder_takes_every_space_and_batches_do_not_mix(name, space):
    net, rows = network(name, space), space.sample(12, 0)
    together = embed(net, rows)
    assert together.shape == (2, 12, net.encoder.output_size)
    assert torch.isfinite(together).all()
    assert not torch.allclose(together[0], together[1])  # members have parameters of their own
    alone = torch.cat([embed(net, row[None]) for row in rows], 1)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NEURAL)
def test_members_do_not_influence_each_other(name):
    net = network(name, EDGE)
    scores = net(cells(EDGE, EDGE.sample(6, 1)).expand(2))
    scores[0].sum().backward()
    touched = [p.grad for p in net.parameters() if p.grad is not None]
    assert any(g[0].abs().sum() > 0 for g in touched)
    assert all(g[1].abs().sum() == 0 for g in touched)


@pytest.mark.parametrize(("name", "space"), [("gates", EDGE), ("gates", NODE), ("flan", NODE), ("ta_gates", NODE)])
def test_isomorphic_cells_get_the_same_embedding(name, space):
    rows = space.sample(3000, 5)
    keys = space.keys(rows)
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    copies = np.flatnonzero((rows != rows[first[group]]).any(1))[:200]
    assert len(copies) > 50  # different rows, equal keys
    net = network(name, space)
    if name == "gates":
        torch.testing.assert_close(
            embed(net, rows[copies]), embed(net, rows[first[group[copies]]]), rtol=1e-4, atol=1e-5
        )
    else:  # exact only for renumbered nodes: dead ends still feed their attention
        swapped = [(space.parse("c3,c1,pool;0>1,0>2,1>3,2>3,3>4"), space.parse("c1,c3,pool;0>1,0>2,1>3,2>3,3>4"))]
        for a, b in swapped:
            torch.testing.assert_close(embed(net, a[None]), embed(net, b[None]), rtol=1e-4, atol=1e-5)


def test_gates_tells_cells_apart_that_differ():
    rows = EDGE.sample(400, 2)
    keys = EDGE.keys(rows)
    e = embed(network("gates", EDGE), rows)[0]
    close = torch.cdist(e.double(), e.double()) < 1e-6
    assert (close.numpy() == (keys[:, None] == keys[None])).mean() > 0.999


def test_a_none_edge_carries_nothing():
    """The output of a node that only ``none`` leads to does not matter."""
    a = EDGE.parse("|none~0|+|nor_conv_3x3~0|none~1|+|none~0|nor_conv_3x3~1|skip_connect~2|")
    b = EDGE.parse("|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|")
    c = EDGE.parse("|skip_connect~0|+|nor_conv_3x3~0|none~1|+|none~0|nor_conv_3x3~1|skip_connect~2|")
    ea, eb, ec = (embed(network("gates", EDGE), row[None]) for row in (a, b, c))
    assert torch.equal(ea, eb)
    assert not torch.allclose(ea, ec)


@pytest.mark.parametrize(("space", "nodes"), [(EDGE, 4), (NODE, 5)], ids=["edge", "node"])
def test_gates_against_a_slow_reference(space, nodes):
    """One cell at a time, one edge at a time, in float64."""
    net, rows = network("gates", space, members=1), space.sample(10, 3)
    encoder = net.encoder.double()
    with torch.no_grad():
        got = encoder(cells(space, rows).expand(1))[0].numpy()
    p = {name: value.detach().numpy()[0] for name, value in encoder.named_parameters()}
    for index, row in enumerate(rows):
        x, table = np.zeros((nodes, 16)), p["operation.weight"]
        x[0] = p["information"]
        for layer in range(len(encoder.mask)):
            gate = 1 / (1 + np.exp(-(table @ p[f"mask.{layer}.weight"] + p[f"mask.{layer}.bias"])))
            new = x @ p[f"move.{layer}.weight"]
            for i, j, operation in space.labelled_edges(row):
                masked = gate[operation] if operation < len(gate) else 1.0
                new[j] += masked * (x[i] @ p[f"move.{layer}.weight"])
            x = new
            if layer < len(encoder.refine):
                x = np.maximum(x, 0)
                table = table + np.maximum(table @ p[f"refine.{layer}.weight"] + p[f"refine.{layer}.bias"], 0)
        np.testing.assert_allclose(got[index], x[-1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("space", [EDGE, NODE], ids=lambda s: s.name)
@pytest.mark.parametrize("name", ["mlp", "gates", "paths_gp"])
def test_predictors_learn_and_repeat(name, space):
    rows = np.unique(space.sample(400, 0), axis=0)
    rows = np.random.default_rng(0).permutation(rows)
    values = made_up(space, rows)
    fitted = fit(name, space, rows[:150], values[:150], SMALL, seed=1)
    mean, deviation = fitted.predict(rows[150:])
    assert mean.shape == deviation.shape == (len(rows) - 150,)
    assert kendall_tau(mean, values[150:]) > 0.5
    assert (deviation > 0).any()
    again, _ = fit(name, space, rows[:150], values[:150], SMALL, seed=1).predict(rows[150:])
    assert (mean == again).all()


def test_validation_splits_are_folds_and_choose_from_training_cells_only():
    rows = EDGE.sample(100, 0)
    options = Options(width=8, hidden=(8,), epochs=3, members=5, validation=0.2)
    fitted = fit("mlp", EDGE, rows, made_up(EDGE, rows), options, seed=0)
    assert fitted.held.shape == (5, 20)
    assert sorted(fitted.held.ravel()) == list(range(100))


def test_bad_labels_are_named():
    rows = EDGE.sample(5, 0)
    with pytest.raises(LbtError, match="row 3"):
        fit("mlp", EDGE, rows, np.array([1, 2, 3, np.nan, 5.0]))
    with pytest.raises(LbtError, match="did you mean 'gates'"):
        fit("gate", EDGE, rows, np.arange(5.0))
    with pytest.raises(LbtError, match="two evaluated"):
        fit("mlp", EDGE, rows[:1], np.arange(1.0))
    with pytest.raises(LbtError, match="unknown loss 'hing'"):
        fit("mlp", EDGE, rows, np.arange(5.0), Options(loss="hing"))
