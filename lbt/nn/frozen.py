"""Ranges that are fixed for deployment, so that an image's output does not depend on what else is in its batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from lbt.errors import LbtError
from lbt.kernels.quantize import limits
from lbt.nn.context import contexts_of
from lbt.nn.copies import copied
from lbt.nn.inputs import Inputs, call
from lbt.nn.layers import learned
from lbt.nn.layers.base import QuantizedLayer
from lbt.nn.layers.flow import Flow, flows
from lbt.nn.layers.pairs import SECOND, SITES
from lbt.numerics.granularity import to_matrix
from lbt.numerics.ranges._base import RuleBase
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec
from lbt.recipe import Roles

if TYPE_CHECKING:
    from lbt.kernels.kernel import Kernel
    from lbt.numerics.formats import FormatBase


class Frozen(RuleBase):
    """Limits that were found once. Not in a recipe: :func:`freeze_ranges` puts it in place of a model's rules."""

    rule: Literal["frozen"] = "frozen"
    high: tuple[float, ...]
    """The limit of each group."""
    low: tuple[float, ...] = ()
    """The limit below zero of each group, for formats with a zero point."""

    def below_zero(self) -> Frozen:
        return Frozen(high=self.low) if self.low else self

    def limit(self, x: Tensor, dim: int, form: FormatBase) -> Tensor:
        top = x.abs().amax(dim, keepdim=True)
        known = torch.tensor(self.high, device=x.device).view((1, -1) if dim == 0 else (-1, 1))
        return known.expand(top.shape) + (top - top)  # not finite where the data are not


def freeze_ranges(model: nn.Module, batch: Inputs | None = None) -> None:
    """Fix the ranges of all activations of the converted models in ``model``, for deployment.

    A range rule with a memory (``moving_average``) gives its running limit, every other one the limit that it finds in
    ``batch``. Granularities within a sample (``sample``, ``block(n)``) stay as they are, and with them the tensor scale
    of ``mls-*`` and ``nvfp4``, which is the batch's. A state dict does not carry frozen ranges.

    Args:
        model: a converted model, or a model with converted ones inside.
        batch: the model's arguments, which a copy of it is evaluated on.

    Raises:
        LbtError: nothing in ``model`` was converted; or a range is not known: there is no batch, or the batch does not
            reach a layer; names the layer.
    """
    contexts = contexts_of(model, "freeze_ranges")
    twin = copied(model, "freeze_ranges").eval()
    found: dict[tuple[int, str], tuple[tuple[float, ...], tuple[float, ...]]] = {}

    def note(place: tuple[int, str], spec: RoleSpec, x: Tensor, channels: int = 1) -> None:
        if spec.rotate is not None:
            raise LbtError(
                f"freeze_ranges: layer {place[1]!r} rotates its input by random signs; no range of it is fixed"
            )
        matrix, layout = to_matrix(x.detach().float(), spec.granularity, "A", channels)
        ends = limits(matrix, layout, spec, Key(layer=place[1]))
        high, low = (torch.as_tensor(end).flatten().tolist() for end in ends)
        found[place] = tuple(high), tuple(low) if spec.format.has_zero_point else ()

    if batch is not None:
        inner = contexts_of(twin, "freeze_ranges")
        for index, context in enumerate(inner):
            context.watch = partial(_see_function, index, note)
        for module in twin.modules():
            if module.__dict__.get("lbt") is not None:
                index = next(i for i, context in enumerate(inner) if context is module.__dict__["lbt"])
                _watch(module, index, note)
        with torch.no_grad():
            call(twin, batch)
        for context, run in zip(contexts, inner, strict=True):
            context.sites |= {site: known for site, known in run.sites.items() if site not in context.sites}
    for module in model.modules():
        owner = module.__dict__.get("lbt")
        index = next((i for i, context in enumerate(contexts) if context is owner), 0)
        if isinstance(module, QuantizedLayer) and any(bool(s.isnan().any()) for s in learned.states(module).values()):
            raise LbtError(f"freeze_ranges: layer {module.lbt_name!r} has learnt no step size yet; train it first")
        if isinstance(module, QuantizedLayer) and _open(module.roles.A):
            running = module.limits().get("A")
            if running is not None and float(running) >= 0:
                found[index, module.lbt_name] = (float(running),), ()
            spec = _fixed(module.roles.A, found.get((index, module.lbt_name)), module.lbt_name, batch)
            module.roles = module.roles.model_copy(update={"A": spec})
        for flow in flows(module):
            if _open(flow.a):
                flow.a = _fixed(flow.a, found.get((index, flow.name)), flow.name, batch)

    for index, context in enumerate(contexts):
        for site, (roles, why) in list(context.sites.items()):
            parts = any(other.startswith(f"{site}.") for other in context.sites)
            if roles is None or not _open(roles.A) or (site.rpartition(".")[2] in SITES and parts):
                continue
            fixed = {"A": _fixed(roles.A, found.get((index, site)), site, batch)}
            if (index, f"{site}{SECOND}") in found:
                fixed["W"] = _fixed(roles.W, found[index, f"{site}{SECOND}"], site, batch)
            context.sites[site] = roles.model_copy(update=fixed), why


def _see_function(
    index: int, note: Callable[..., None], site: str, roles: Roles, x: Tensor, w: Tensor, _: Tensor, kernel: Kernel
) -> None:
    if _open(roles.A):
        channels = kernel.places["A"].channels
        note((index, site), roles.A, x, channels)
        if kernel.right != "W":
            note((index, f"{site}{SECOND}"), roles.W, w, channels)


def _open(spec: RoleSpec | None) -> bool:
    """True if the limits of ``spec`` are found over a whole batch."""
    if spec is None or not spec.format.scaled or isinstance(spec.range, Frozen):
        return False
    return spec.granularity in ("tensor", "channel") and spec.range.rule != "fixed" and not spec.range.learned


def _fixed(
    spec: RoleSpec | None,
    known: tuple[tuple[float, ...], tuple[float, ...]] | None,
    name: str,
    batch: Inputs | None,
) -> RoleSpec:
    assert spec is not None
    if known is None:
        why = "give a batch to find it in" if batch is None else "the batch does not reach the layer"
        raise LbtError(f"freeze_ranges: layer {name!r}: the range rule {spec.range.rule} keeps no limit; {why}")
    return spec.model_copy(update={"range": Frozen(high=known[0], low=known[1])})


def _watch(module: nn.Module, index: int, note: Callable[..., None]) -> None:
    """Let ``note`` see what ``module`` is about to quantize."""
    if isinstance(module, QuantizedLayer) and _open(module.roles.A):
        seen = partial(note, (index, module.lbt_name), module.roles.A)
        module.register_forward_pre_hook(lambda _, x: seen(x[0]))
    for flow in flows(module):
        if _open(flow.a):
            _watch_flow(module, flow, partial(note, (index, flow.name), flow.a))


def _watch_flow(module: nn.Module, flow: Flow, seen: partial[None]) -> None:
    if flow in module._forward_hooks.values():
        module.register_forward_hook(lambda _, __, y: seen(y), prepend=True)
    else:
        module.register_forward_pre_hook(lambda _, x: seen(x[0]), prepend=True)
