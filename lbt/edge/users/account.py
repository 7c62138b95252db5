"""Peak bytes of a personal training, by the account of :mod:`lbt.hardware`, for any choice of trained parameters."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from lbt.hardware.masks import channels
from lbt.hardware.memory import Kept, storage, twin
from lbt.hardware.ops import count
from lbt.hardware.precision import Precision, of_recipe
from lbt.hardware.trace import PRODUCTS, Graph
from lbt.recipe import Recipe

INSIDE = ".parametrizations."
"""Part of the name of an adapter's factor."""


def layer_of(parameter: str) -> str:
    """The layer of a parameter's name, an adapter's factor included."""
    return parameter.partition(INSIDE)[0] if INSIDE in parameter else parameter.rpartition(".")[0]


@dataclass(frozen=True)
class Account:
    """Facts of a training from which its peak follows.

    Attributes:
        graph: the network that is trained, as it was before any adapter.
        precision: numbers of the recipe.
        batch: images of a step.
        kept: images, predictions and the backbone, which stay beside it.
    """

    graph: Graph
    precision: Precision
    batch: int
    kept: Kept

    def peak(self, trained: Mapping[str, int]) -> int:
        """Peak bytes of a step that trains ``trained``: number of values by parameter.

        Gradients, optimizer and master copies are counted for these values alone. A layer of which anything is trained
        keeps its input for the backward pass, so that a bias alone is counted as dear in activations as its layer.
        """
        moving = replace(self.kept, batches_in_flight=int(bool(trained)))
        graph = self._trained({layer_of(name) for name in trained})
        found = storage(graph, self.precision, channels(graph, {}), batch=self.batch, kept=moving)
        gradients = optimizer = master = 0.0
        for name, values in trained.items():
            roles = self.precision.of(layer_of(name))
            gradients += values * roles["G"].bits / 8
            optimizer += values * self.kept.moments * roles["U"].bits / 8
            master += values * self.precision.master.bits / 8 if roles["W"] != self.precision.master else 0.0
        return math.ceil(replace(found, gradients=gradients, optimizer=optimizer, master=master).total)

    def work(self, layers: Collection[str] | None = ()) -> int:
        """Multiply–accumulates of an image: of a training step of ``layers`` (None: all), of an inference without."""
        chosen = {node.name for node in self.graph.nodes} if layers is None else set(layers)
        works = count(self._trained(chosen), self.precision, batch=1, training=bool(chosen))
        return sum(one.macs for one in works)

    def _trained(self, layers: set[str]) -> Graph:
        nodes = tuple(replace(node, trainable=node.name in layers) for node in self.graph.nodes)
        return replace(self.graph, nodes=nodes)


def account(graph: Graph, recipe: Recipe, whole: Graph, *, batch: int, images: int, predictions: int) -> Account:
    """The account of a personal training beside the backbone, which stays in memory in the bits of W.

    Args:
        graph: the network that is trained, compacted, without adapters.
        recipe: number formats.
        whole: the backbone.
        batch: images a step.
        images: of the user that are kept, in 8 bits a value.
        predictions: probabilities of the backbone that are kept, in float32.
    """
    precision = of_recipe(recipe, [node.name for node in graph.nodes if node.kind in PRODUCTS])
    beside = (twin(whole, channels(whole, {}), averaged=False),)
    kept = Kept(target_images=images, predictions=predictions, networks=beside, moments=1)
    return Account(graph, precision, batch, kept)
