"""Search spaces: what an architecture may be (:mod:`lbt.nas.space.rows`), and the kinds of cell spaces.

A cell is a small graph whose edges or nodes carry an operation.

A row of an operation-on-edge space (:mod:`lbt.nas.space.edge`) holds the operation of each edge; a row of an
operation-on-node space (:mod:`lbt.nas.space.node`) holds the operation of each inner node and then, unless the edges
are fixed, one bit per possible edge. Nothing here imports torch.
"""

from __future__ import annotations

from pathlib import Path

from lbt.config import load_yaml
from lbt.errors import LbtError
from lbt.nas.space.base import CellSpace, Graph
from lbt.nas.space.canonical import live_edges
from lbt.nas.space.edge import EdgeSpace
from lbt.nas.space.node import NodeSpace
from lbt.nas.space.rows import RowSpace
from lbt.nas.space.spec import SpaceSpec
from lbt.registry import Registry

SPACES = Registry("search space", "lbt.nas.spaces")
KINDS: dict[str, type[CellSpace]] = {"edge": EdgeSpace, "node": NodeSpace}

__all__ = ["SPACES", "CellSpace", "Graph", "RowSpace", "SpaceSpec", "build", "live_edges", "load"]


def build(spec: SpaceSpec) -> CellSpace:
    """The space that a specification describes."""
    return KINDS[spec.operations_on](spec)


def load(space: str | Path | CellSpace) -> CellSpace:
    """A space of cells by its name in ``lbt/nas/spaces/`` or from a user's own YAML file (see :class:`SpaceSpec`).

    Raises:
        LbtError: no such space, a wrong file, or a space whose architectures are no cells.
    """
    if isinstance(space, CellSpace):
        return space
    if str(space).endswith((".yaml", ".yml")):
        return build(load_yaml(space, SpaceSpec))
    found = getattr(SPACES.load(str(space)), "SPACE", None)
    if not isinstance(found, CellSpace):
        raise LbtError(f"{space}: its architectures are no cells; accepted: nasbench201, or a YAML file of your own")
    return found
