"""The place of a parameter: its name, and the converted model whose rules its update follows."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from lbt.nn.context import Context, unwrapped
from lbt.nn.layers.learned import STEP
from lbt.numerics.rounding import Key
from lbt.recipe import Recipe


@dataclass(frozen=True)
class Place:
    """One parameter's name and rules.

    Attributes:
        name: its name in the converted model (in the model given, where it belongs to no converted one).
        layer: name of the layer that it belongs to.
        recipe: the formats and rules of its update.
        context: of the converted model that it belongs to.
    """

    name: str
    layer: str
    recipe: Recipe
    context: Context | None

    def key(self, role: str, step: int, update: int) -> Key:
        """The rounding key of a tensor of this parameter in the ``update``-th update since :func:`lbt.nn.set_step`."""
        if self.context is None:
            return Key(0, step, self.name, role)
        return self.context.key(self.name, role, update)

    @property
    def plain(self) -> bool:
        """True where the recipe says nothing about the update."""
        update = self.recipe.update
        rules = (update.clip_norm, update.loss_scale, update.counteract)
        return self.recipe.U is None and update.master == "float" and rules == (None, None, None)


def places(model: nn.Module, recipe: Recipe | None) -> dict[nn.Parameter, Place]:
    """The place of each parameter of ``model`` that requires a gradient.

    Args:
        model: any module.
        recipe: for all parameters; None: of the converted model that each belongs to, and float for the others.
    """
    found: dict[nn.Parameter, Place] = {}
    for path, module in unwrapped(model).named_modules():
        context = module.__dict__.get("lbt")
        layer = module.__dict__["lbt_name"] if isinstance(context, Context) else path
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and parameter not in found:
                own = recipe or (context.recipe if isinstance(context, Context) else Recipe())
                if name.startswith(STEP):  # one number: no grid of its own, no format
                    own = own.model_copy(
                        update={"U": None, "update": own.update.model_copy(update={"master": "float"})}
                    )
                found[parameter] = Place(f"{layer}.{name}".lstrip("."), layer, own, context)
    return found
