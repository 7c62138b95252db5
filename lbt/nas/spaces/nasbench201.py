"""NAS-Bench-201: four nodes, six edges, five operations, 15,625 cells (Dong and Yang, ICLR 2020, arXiv 2001.00326).

A row is int64 (6,): the index into ``OPERATIONS`` of each of ``EDGES``, in the order in which the benchmark's own
strings ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`` name them.
"""

from __future__ import annotations

from lbt.nas.space.edge import EdgeSpace
from lbt.nas.space.spec import SpaceSpec

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""Operation names in the benchmark's order. A convolution is ReLU, convolution, batch norm; all keep the size."""

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""The edges (from, to) in the order of a row."""

SPACE = EdgeSpace(
    SpaceSpec(
        name="nasbench201",
        operations_on="edge",
        nodes=4,
        operations=list(OPERATIONS),
        none="none",
        identity="skip_connect",
        weights={"nor_conv_1x1": 1, "nor_conv_3x3": 9},
    )
)
assert SPACE.edges == EDGES

parse = SPACE.parse
format = SPACE.format  # the same verb as every space, read as nasbench201.format(row)
encode = SPACE.encode
sample = SPACE.sample
neighbours = SPACE.neighbours
mutate = SPACE.mutate
key = SPACE.key
