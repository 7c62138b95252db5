"""Hardware costs of cells: by hand, and that cells of one kind cost nearly the same."""

import numpy as np
import pytest

import lbt
from lbt.errors import LbtError
from lbt.nas.search.costs import cost_function
from lbt.nas.space import SpaceSpec, build
from lbt.nas.spaces import nasbench201
from lbt.nas.supernet import cell_network

NODE = build(SpaceSpec(name="n", operations_on="node", nodes=5, operations=["c3", "pool"], weights={"c3": 9}))


def test_weights_count_live_operations_only():
    cost = cost_function("weights", nasbench201.SPACE)
    live = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|nor_conv_1x1~0|none~1|skip_connect~2|"
    dead = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|nor_conv_1x1~0|none~1|none~2|"
    assert cost(nasbench201.encode([live, dead])).tolist() == [11, 1]
    on_nodes = cost_function("weights", NODE)
    assert on_nodes(NODE.encode(["c3,c3,pool;0>1,0>2,1>4,2>4", "c3,c3,c3;0>1,1>4,0>2"])).tolist() == [18, 9]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cycles", "energy"])
def test_cells_of_one_kind_cost_nearly_the_same_and_larger_ones_more(name):
    texts = [
        "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|none~1|avg_pool_3x3~2|",
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|none~1|nor_conv_3x3~2|",
    ]
    found = [lbt.cost(cell_network(t, 16, in_channels=3), (3, 32, 32), recipe="int8", board="zcu102", batch=32,
                      training=True) for t in texts]  # fmt: skip
    costs = [one.joules_per_image if name == "energy" else one.cycles / 32 for one in found]
    assert costs[0] == pytest.approx(costs[1], rel=0.03)  # norms overlap with other products
    cost = cost_function(name, nasbench201.SPACE)
    np.testing.assert_allclose(cost(nasbench201.encode(texts)), costs[:1] * 2)
    more = nasbench201.parse(texts[0].replace("none~0", "nor_conv_3x3~0"))
    assert cost(more[None])[0] > costs[0]


def test_what_is_not_known_is_refused():
    with pytest.raises(LbtError, match="did you mean 'energy'"):
        cost_function("enery", NODE)
    with pytest.raises(LbtError, match="use: weights"):
        cost_function("energy", NODE)
