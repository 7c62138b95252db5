"""The price of training a network in a recipe on a board, as a choice weighs it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from lbt.hardware.boards import Board
    from lbt.hardware.trace import Graph
    from lbt.recipe import Recipe


@dataclass(frozen=True)
class Price:
    """One network in one recipe.

    Attributes:
        energy: joules of a trained image.
        seconds: time of a trained image.
        lut: look-up tables of the accelerator.
        memory: bytes of a training step: both networks with their optimizer, and activations; no stored images.
        fits: true if the board takes it.
    """

    energy: float
    seconds: float
    lut: int
    memory: float
    fits: bool


@dataclass(frozen=True)
class Shop:
    """Prices on one board.

    Attributes:
        board: the device.
        name: name of the board.
        image: shape of an image, (C, H, W).
        batch: images of a step.
    """

    board: Board
    name: str
    image: tuple[int, int, int]
    batch: int

    def price(self, network: nn.Module | Graph, recipe: str | Recipe) -> Price:
        """The price of ``network``, traced already or not."""
        found = self.cost(network, recipe)
        held = found.storage
        memory = held.total - held.source_data - held.target_data - held.predictions
        return Price(
            found.joules_per_image, found.seconds / self.batch, round(found.accelerator.total.lut), memory, found.fits
        )

    def cost(self, network: nn.Module | Graph, recipe: str | Recipe):  # type: ignore[no-untyped-def]
        """The whole :class:`lbt.hardware.estimate.Cost`."""
        from lbt.hardware.estimate import cost_of_graph
        from lbt.hardware.params import HardwareParams
        from lbt.hardware.precision import of_recipe
        from lbt.hardware.trace import PRODUCTS, Graph, trace

        graph = network if isinstance(network, Graph) else trace(network, self.image)
        known = _named(recipe) if isinstance(recipe, str) else recipe
        precision = of_recipe(known, [node.name for node in graph.nodes if node.kind in PRODUCTS])
        return cost_of_graph(graph, precision, self.board, self.name, HardwareParams(batch=self.batch))


@cache
def _named(recipe: str) -> Recipe:
    """The recipe of a name, read once: a search prices hundreds of networks in it."""
    from lbt.recipe import Recipe

    return Recipe.load(recipe)
