"""Search spaces: strings, rows, neighbours and the canonical key."""

from itertools import pairwise, permutations

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lbt.errors import LbtError
from lbt.nas.space import SPACES, CellSpace, SpaceSpec, build, load
from lbt.nas.spaces import nasbench201

NODE = build(SpaceSpec(name="n101", operations_on="node", nodes=5, operations=["c3", "c1", "pool"]))
CHAIN = build(
    SpaceSpec(name="chain", operations_on="node", nodes=5, operations=["a", "b"], choose_edges=False,
              edges=[(0, 1), (1, 2), (2, 3), (3, 4)])
)  # fmt: skip


def spaces():
    found = [getattr(SPACES.load(name), "SPACE", None) for name in SPACES.names()]
    return [*(space for space in found if isinstance(space, CellSpace)), NODE, CHAIN]


@pytest.mark.parametrize("space", spaces(), ids=lambda s: s.name)
def test_strings_and_rows_are_inverse(space):
    rows = space.sample(200, 3)
    texts = [space.format(row) for row in rows]
    assert len(set(texts)) > 5
    assert (space.encode(texts) == rows).all()
    assert (space.sample(200, 3) == rows).all()


@pytest.mark.parametrize("space", spaces(), ids=lambda s: s.name)
def test_all_lists_every_row_once_in_index_order(space):
    rows = space.all()
    assert len(rows) == space.size == len(np.unique(rows, axis=0))
    assert (space.index(rows) == np.arange(space.size)).all()


@pytest.mark.parametrize("space", spaces(), ids=lambda s: s.name)
def test_neighbours_differ_in_one_place_and_a_mutation_is_one(space):
    row = space.sample(1, 0)[0]
    near = space.neighbours(row)
    assert ((near != row).sum(1) == 1).all()
    assert len(near) == (space.choices - 1).sum()
    generator = np.random.default_rng(0)
    drawn = {space.mutate(row, generator).tobytes() for _ in range(2000)}
    assert drawn == {other.tobytes() for other in near}


def test_the_benchmarks_own_notation():
    text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    assert nasbench201.parse(text).tolist() == [3, 0, 1, 4, 2, 3]
    assert nasbench201.format([3, 0, 1, 4, 2, 3]) == text


@given(st.integers(0, 15624), st.permutations([1, 2]))
def test_renumbering_inner_nodes_keeps_the_key(index, order):
    """Swap the nodes 1 and 2 where the edge between them carries nothing: the same network, another row."""
    row = np.array(np.unravel_index(index, [5] * 6))
    row[2] = 0
    swapped = row[[1, 0, 2, 3, 5, 4]] if order == [2, 1] else row
    assert nasbench201.key(row) == nasbench201.key(swapped)


def _reachable(row):
    """The live labelled edges by brute force over the four paths."""
    edges = dict(zip(nasbench201.EDGES, row, strict=True))
    live = set()
    for path in ([0, 3], [0, 1, 3], [0, 2, 3], [0, 1, 2, 3]):
        links = list(pairwise(path))
        if all(edges[link] for link in links):
            live |= {(*link, edges[link]) for link in links}
    return live


def _equal(a, b):
    """True if some renumbering of the nodes 1 and 2 makes one edge set the other."""
    maps = [{0: 0, 3: 3, 1: p[0], 2: p[1]} for p in permutations((1, 2))]
    return any({(m[i], m[j], o) for i, j, o in a} == b for m in maps)


def test_equal_keys_are_exactly_the_isomorphic_cells():
    """Against a brute force over renumberings, on pairs that are close enough to be equal now and then."""
    generator = np.random.default_rng(1)
    equal = 0
    for row in nasbench201.sample(300, 2):
        row[generator.integers(6)] = row[generator.integers(6)] = 0
        for other in nasbench201.neighbours(row):
            same = _equal(_reachable(row), _reachable(other))
            equal += same
            assert (nasbench201.key(row) == nasbench201.key(other)) == same
    assert equal > 100


def test_an_identity_in_front_of_a_node_is_merged_on_demand():
    through = nasbench201.parse("|skip_connect~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|none~2|")
    straight = nasbench201.parse("|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    assert nasbench201.key(through) != nasbench201.key(straight)
    assert nasbench201.SPACE.key(through, merge_identity=True) == nasbench201.SPACE.key(straight, merge_identity=True)


def test_node_cells_have_keys_without_their_dead_ends():
    live, dead = NODE.parse("c3,c1,pool;0>1,1>4"), NODE.parse("c3,pool,c3;0>1,1>4,0>2")
    assert NODE.key(live) == NODE.key(dead) == NODE.key(NODE.parse("c1,c3,c1;0>2,2>4"))
    assert NODE.key(live) != NODE.key(NODE.parse("c1,c3,c1;0>1,1>4"))


@pytest.mark.parametrize(
    ("space", "text", "message"),
    [
        ("nasbench201", "", "expected 3 blocks"),
        ("nasbench201", "|none~0|+|none~0|none~1|+|none~0|none~1|conv~2|", "unknown operation 'conv'"),
        ("nasbench201", "|none~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x4~2|", "did you mean 'nor_conv_3x3'"),
        ("nasbench201", "|none~0|+|none~0|none~1|+|none~0|none~1|none~1|", "1>3 is given twice"),
        ("nasbench201", "|none~0|+|none~0|none~1|+|none~0|none~1|", "no operation for the edge 2>3"),
        ("nasbench201", "|none~0|+|none~0|none~1|+|none~0|none~1|none~3|", "3>3 is not one of"),
        ("nasbench201", "|none|+|none~0|none~1|+|none~0|none~1|none~2|", "not of the form"),
        (NODE, "c3,c1;0>1", "expected 3 operations, found 2"),
        (NODE, "c3,c1,pool", "needs its edges"),
        (NODE, "c3,c1,pool;1>0", "'1>0' is not an edge"),
        (CHAIN, "a,b,a;0>1", "fixed edges"),
    ],
)
def test_a_string_that_does_not_parse_says_why(space, text, message):
    with pytest.raises(LbtError, match=message):
        load(space).parse(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operations_on": "edges"}, "did you mean 'edge'"),
        ({"none": "nothing"}, "unknown operation 'nothing'"),
        ({"edges": [[2, 1]]}, "not an edge from a node to a later one"),
        ({"node": 4}, "did you mean 'nodes'"),
        ({"operations": ["a", "a"]}, "given twice"),
    ],
)
def test_a_space_file_with_a_mistake_is_told_in_one_line(tmp_path, change, message):
    path = tmp_path / "space.yaml"
    path.write_text(yaml.safe_dump({"operations_on": "edge", "nodes": 4, "operations": ["a", "b"], **change}))
    with pytest.raises(LbtError, match=message) as error:
        load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        (None, r"edges: needed with choose_edges: false; .* \[\[0, 1\], \[1, 2\], …, \[3, 4\]\]"),
        ([(0, 1), (1, 2), (2, 3)], r"edges: none of their paths leads from the input \(0\) to the output \(4\)"),
    ],
)
def test_a_chain_whose_edges_are_forgotten_is_refused(edges, message):
    with pytest.raises(ValueError, match=message):
        SpaceSpec(operations_on="node", nodes=5, operations=["a", "b"], choose_edges=False, edges=edges)
