"""Criteria by which a user's channels are chosen, one file each: ``scores(evidence)``, importance by layer and channel.

Scores of different layers become comparable by each layer's root mean square; :func:`choose` removes the least first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

from lbt.errors import LbtError
from lbt.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lbt.edge.users.structure import Group
    from lbt.hardware.trace import Graph

CRITERIA = Registry("criterion", "lbt.edge.users.masks")
CriterionName = Annotated[str, AfterValidator(CRITERIA.check)]
LEAST = 0.25
"""Share of each layer's channels that no criterion removes."""


@dataclass(frozen=True)
class Evidence:
    """Facts from which a criterion scores channels.

    Attributes:
        network: in evaluation mode, of full size, with the user's statistics.
        groups: its maskable layers.
        images: (N, C, H, W) of the user.
        targets: (N, K) class probabilities: a label, or what the network itself predicts.
        source_features: (D,) mean feature of the images that the backbone learnt from; None where nobody kept it.
        seed: of every draw.
    """

    network: nn.Module
    groups: Mapping[str, Group]
    images: Tensor
    targets: Tensor
    source_features: Tensor | None = None
    seed: int = 0


def choose(
    scores: Mapping[str, Tensor],
    graph: Graph,
    recipe: Any,
    operations: float,
    dead: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """The masks that leave at most the share ``operations`` of the network's multiply–accumulates.

    Args:
        scores: (c,) by layer, from a criterion.
        graph: the network of full size.
        recipe: counts the operations.
        operations: share of the forward pass, above 0 and at most 1.
        dead: masks that were chosen before; what they removed stays removed.

    Raises:
        LbtError: so little cannot be reached with a quarter of each layer's channels kept.
    """
    import torch

    from lbt.edge.users.structure import as_lists
    from lbt.hardware.ops import count
    from lbt.hardware.precision import of_recipe
    from lbt.hardware.trace import PRODUCTS

    precision = of_recipe(recipe, [node.name for node in graph.nodes if node.kind in PRODUCTS])

    def macs(masks: Mapping[str, Tensor]) -> int:
        works = count(graph, precision, batch=1, training=False, masks=as_lists(masks))
        return sum(work.macs for work in works)

    order = _order(scores, dead or {})

    def without(number: int) -> dict[str, Tensor]:
        made = {name: torch.ones(len(score), dtype=torch.bool) for name, score in scores.items()}
        for name, channel in order[:number]:
            made[name][channel] = False
        return {name: mask for name, mask in made.items() if not mask.all()}

    most = operations * macs({})
    low, high = sum(int((~mask).sum()) for mask in (dead or {}).values()), len(order)
    if macs(without(high)) > most:
        least = macs(without(high)) / macs({})
        raise LbtError(f"operations: found {operations:g}; accepted: {least:.3f} to 1 for this network")
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if macs(without(middle)) <= most else (middle + 1, high)
    return without(low)


def _order(scores: Mapping[str, Tensor], dead: Mapping[str, Tensor]) -> list[tuple[str, int]]:
    """The channels that may go, the first to go first: those that are gone already, then by score."""
    ranked: list[tuple[float, str, int]] = []
    for name, score in scores.items():
        relative = score.double() / score.double().square().mean().sqrt().clamp_min(1e-30)
        if name in dead:
            relative = relative.masked_fill(~dead[name], -1.0)
        keep = max(1, round(LEAST * len(score)))
        ascending = relative.argsort(stable=True).tolist()[: len(score) - keep]
        ranked += [(float(relative[channel]), name, channel) for channel in ascending]
    return [(name, channel) for _, name, channel in sorted(ranked, key=lambda one: one[0])]
