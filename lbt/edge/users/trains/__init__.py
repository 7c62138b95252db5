"""Choices of what is trained for a user, one file each: ``choose(scene)`` names the parameters that move."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from lbt.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

TRAINS = Registry("choice of what to train", "lbt.edge.users.trains")
TrainName = Annotated[str, AfterValidator(TRAINS.check)]


@dataclass(frozen=True)
class Scene:
    """Facts from which a choice is made.

    Attributes:
        network: compacted, in evaluation mode, nothing of it trained yet.
        fits: True if training these parameters stays within the budgets of memory and of the package's size.
        peak: peak bytes of a step that trains these parameters.
        packed: bytes that these parameters take in a package.
        gradients: by parameter, the gradient of the loss on the user's images; computed when it is asked for.
        last: number of layers for ``last``; None: as many as fit.
        rank: of an adapter for ``low_rank``.
        seed: of every draw.
    """

    network: nn.Module
    fits: Callable[[Collection[str]], bool]
    peak: Callable[[Collection[str]], int]
    packed: Callable[[str], int]
    gradients: Callable[[], dict[str, Tensor]]
    last: int | None = None
    rank: int = 1
    seed: int = 0

    def names(self) -> list[str]:
        """The names of all parameters, in order of registration."""
        return [name for name, _ in self.network.named_parameters()]

    def blocks(self) -> list[list[str]]:
        """The parameters of each layer with those of the norms behind it."""
        from lbt.nn.norms import norm_layers

        norms = {id(norm) for norm in norm_layers(self.network)}
        found: list[list[str]] = []
        for path, module in self.network.named_modules():
            mine = [f"{path}.{name}" if path else name for name, _ in module.named_parameters(recurse=False)]
            if mine and id(module) in norms and found:
                found[-1] += mine
            elif mine:
                found.append(mine)
        return found
