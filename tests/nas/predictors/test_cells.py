"""Equal subgraphs have equal numbers, and GATES embeds isomorphic cells equally in every kind of space."""

import numpy as np
import pytest
import torch

from lbt.nas.predictors.cells import DEAD, cells
from lbt.nas.predictors.encoders._merged import merge
from lbt.nas.predictors.fit import Options, PredictorNetwork
from lbt.nas.space import SpaceSpec, build
from lbt.nas.spaces import nasbench201

FIVE = build(SpaceSpec(name="five", operations_on="edge", nodes=5, operations=["n", "a", "b", "c"], none="n"))
NODE = build(SpaceSpec(name="n101", operations_on="node", nodes=6, operations=["c3", "c1", "pool"]))
SPACES = [nasbench201.SPACE, FIVE, NODE]


def unfolded(space, row):
    """The inputs of each node, written out as a tree: slow, and without a hash."""
    labelled = space.labelled_edges(row)
    ahead, back = {0}, {space.nodes - 1}
    for i, j, _ in sorted(labelled, key=lambda e: e[1]):
        ahead |= {j} if i in ahead else set()
    for i, j, _ in sorted(labelled, key=lambda e: -e[0]):
        back |= {i} if j in back else set()
    trees = {0: "in"} if 0 in back else {}
    for node in range(1, space.nodes):
        if node in ahead & back:
            into = sorted(f"{o}{trees[i]}" for i, j, o in labelled if j == node and i in trees)
            trees[node] = f"({','.join(into)})"
    return [trees.get(node, "dead") for node in range(space.nodes)]


def renumbered(space, row, generator):
    """The same cell with its inner nodes in another order that edges still follow."""
    links = {(i, j): o for i, j, o in space.labelled_edges(row)}
    order, left = [0], list(range(1, space.nodes - 1))
    while left:
        free = [n for n in left if not any((m, n) in links for m in left)]
        order.append(free[generator.integers(len(free))])
        left.remove(order[-1])
    place = {old: new for new, old in enumerate([*order, space.nodes - 1])}
    moved = {(place[i], place[j]): o for (i, j), o in links.items()}
    if space.spec.operations_on == "edge":
        return np.array([moved.get(edge, space.none) for edge in space.edges])
    operations = [row[order[new] - 1] for new in range(1, space.nodes - 1)]
    return np.array(operations + [int(edge in moved) for edge in space.edges])


@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)
def test_states_are_equal_exactly_when_the_unfolded_subgraphs_are(space):
    rows = space.sample(600, 0)
    states = cells(space, rows).states.numpy()[:, 1:].ravel()
    trees = np.array([unfolded(space, row)[1:] for row in rows]).ravel()
    assert (states[trees == "dead"] == DEAD).all()
    assert len(set(states)) == len(set(trees)) == len(set(zip(states, trees, strict=True)))
    assert len(set(states)) > 100


@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)
def test_gates_embeds_renumbered_cells_equally(space):
    generator = np.random.default_rng(0)
    rows = space.sample(1000, 1)
    others = np.stack([renumbered(space, row, generator) for row in rows])
    assert (rows != others).any(1).sum() > 50
    network = PredictorNetwork("gates", space, Options(width=16, hidden=(16,)), torch.Generator().manual_seed(0))
    with torch.no_grad():
        together = network.encoder(cells(space, np.concatenate([rows, others])).expand(1))[0]
        alone = network.encoder(cells(space, others).expand(1))[0]
    assert torch.equal(together[: len(rows)], together[len(rows) :])  # the same state, bit for bit
    torch.testing.assert_close(together[len(rows) :], alone, rtol=1e-4, atol=1e-5)
    assert together.std(0).min() > 0  # and cells do differ


def test_the_inner_nodes_of_all_benchmark_cells_have_few_states():
    table = cells(nasbench201.SPACE, nasbench201.SPACE.all())
    flow = merge(table.expand(2), len(nasbench201.OPERATIONS) + 1)
    assert flow.inner < 131  # 1 + 5 + 125, less those that carry nothing
    assert flow.output.shape == (2, 15625)
    assert flow.members * (flow.inner + flow.outer) < 2 * 15625 * 0.6
    assert (flow.source < 2 * flow.inner).all()


def test_a_cell_without_a_path_is_embedded_as_nothing():
    empty = np.zeros((2, 6), np.int64)
    network = PredictorNetwork(
        "gates", nasbench201.SPACE, Options(width=8, hidden=(8,)), torch.Generator().manual_seed(0)
    )
    assert not network.encoder(cells(nasbench201.SPACE, empty).expand(1)).any()
