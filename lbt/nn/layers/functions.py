"""Products that a forward makes by functions: ``F.linear``, ``F.conv2d``, ``x @ W`` and their kin.

Inside the forward of a :class:`Functional` module PyTorch's function-override mode sees every function of torch. One
that multiplies by a weight becomes a quantized product, and so does one that multiplies two activations
(:mod:`lbt.nn.layers.pairs`); the others are left as they are and named in the conversion table.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from lbt.kernels import floats
from lbt.nn.context import Context, Converted
from lbt.nn.eager import eager
from lbt.nn.layers import pairs
from lbt.nn.layers.base import whole
from lbt.nn.layers.product import Product
from lbt.nn.layers.weights import FORMS, SITES, Call, by_weight, frames, parameters_behind, parameters_of, renamed
from lbt.nn.passes import begin
from lbt.recipe import Roles


class Functional(nn.Module):
    """Mixin of a module whose own forward makes products by functions.

    Under ``torch.compile`` its forward is a graph break, as the quantized layers are.
    """

    lbt: Context
    lbt_name: str

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        inner = super().forward  # of the class that Functional is mixed into

        def run(self: Functional, *arguments: Any, **named: Any) -> Any:
            with inside(self):
                return inner(self, *arguments, **named)

        cls.forward = functools.wraps(inner)(eager(run))  # type: ignore[method-assign]


@contextlib.contextmanager
def inside(module: nn.Module) -> Iterator[None]:
    """Within this context functions are those of ``module``."""
    stack = frames.stack
    stack.append(module)
    try:
        if len(stack) > 1:
            yield
        else:
            with _Seen():
                yield
    finally:
        stack.pop()


class _Seen(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        word = _WORDS.get(func)
        if word is None:
            return func(*args, **kwargs)
        if any(isinstance(a, torch.fx.Proxy) for a in (*args, *kwargs.values())):
            return func(*args, **kwargs)
        module = frames.stack[-1]
        if any(isinstance(a, Tensor) and a.layout is not torch.strided for a in (*args, *kwargs.values())):
            note(module, f"{word}()", None, "a product in float: an operand is sparse or nested")
            return func(*args, **kwargs)
        call = by_weight(word, args, kwargs)
        if call is None:
            made = pair(module, word, args, kwargs)
            return func(*args, **kwargs) if made is None else made
        result = product(module, SITES[word], call)
        return func(*args, **kwargs) if result is None else result


def why_float(word: str) -> str:
    """The reason why a function is no product of a weight that could be quantized."""
    if word in FORMS or word in pairs.FORMS:
        return "a product in float: with these operands it has no quantized form"
    return "a product in float: it has no quantized form"


def pair(module: nn.Module, word: str, args: Any, kwargs: Any) -> Any:
    """The function ``word`` of two activations in the formats of the recipe; None where it stays float."""
    context: Context = module.__dict__["lbt"]
    site = f"{module.__dict__['lbt_name']}.{word}()".lstrip(".")
    given = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
    known, left = set(module.parameters(recurse=False)), why_float(word)
    weights = [a for a in given if isinstance(a, nn.Parameter)]
    roles = None
    if (
        word in pairs.FORMS
        and "out" not in kwargs
        and not weights
        and all(a.is_floating_point() or a.dtype == torch.bool for a in given)
    ):
        roles, left = site_roles(context, site, _final(module))
    result = None if roles is None else pairs.FORMS[word](multiplier(module, site), *args, **renamed(kwargs))
    if result is not None:
        note(module, f"{word}()", None, left, quantized=True)
    elif known.issuperset(weights):
        note(module, f"{word}()", None, left if roles is None else why_float(word))
    return result


def multiplier(module: nn.Module, site: str) -> pairs.Multiply:
    """The quantized product x (B, M, K), w (B, N, K) → (B, M, N) of two activations at ``site`` of ``module``.

    A function of several products names each as a part, which has ranges and draws of its own.
    """
    kernel, context = floats.batched(), module.__dict__["lbt"]

    def multiply(x: Tensor, w: Tensor, part: str, rows: int) -> Tensor:
        name, final = f"{site}.{part}" if part else site, _final(module)
        known = context.final_sites if final else context.sites
        if name not in known:
            roles, why = site_roles(context, site, final)
            known[name] = roles and pairs.part_roles(roles, part), why
        roles, _ = known[name]
        if roles is None or not x.numel() or not w.numel():
            return x @ w.mT
        return _applied(module, name, roles, Call(x, w, None, replace(kernel, rows=rows), lambda y: y))

    return multiply


def _applied(module: nn.Module, site: str, roles: Roles, call: Call) -> Tensor:
    """The quantized product itself."""
    context: Context = module.__dict__["lbt"]
    with torch._C.DisableTorchFunction():
        key, _ = begin(context, site, call.x, module, roles, {})
        result: Tensor = Product.apply(call.x, whole(call.weight), call.bias, call.kernel, roles, key, context, {})
        if context.watch is not None:
            context.watch(site, roles, call.x, call.weight, result, call.kernel)
        if result.requires_grad and context.recipe.update.loss_scale is not None:
            result.register_hook(context.finite)
        return call.finish(result)


IN_FLOAT = "the recipe leaves it in float"


def product(module: nn.Module, word: str, call: Call) -> Tensor | None:
    """``call`` in the formats of the recipe for ``module``'s function or part ``word``; None where it stays float."""
    context: Context = module.__dict__["lbt"]
    if any(call.weight is weight for weight in context.left):
        return None
    site = f"{module.__dict__['lbt_name']}.{word}".lstrip(".")
    roles, why = site_roles(context, site, _final(module))
    note(module, word, call.weight, why, quantized=roles is not None)
    if roles is None:
        return None
    return _applied(module, site, roles, call) if call.x.numel() else None


def _final(module: nn.Module) -> bool:
    """True if ``module`` trains in the recipe's final phase."""
    return module.training and module.__dict__["lbt"].final  # type: ignore[no-any-return]


def site_roles(context: Context, site: str, final: bool = False) -> tuple[Roles | None, str]:
    """The formats of a product by a function, and how the table words them; None and why for float."""
    known = context.final_sites if final else context.sites
    if site not in known:
        known[site] = _site_roles(context, site, final)
    return known[site]


def _site_roles(context: Context, site: str, final: bool) -> tuple[Roles | None, str]:
    if context.engine != "emulate":
        return None, f"the engine {context.engine} makes products of modules only"
    first, last = context.ends
    roles = context.recipe.for_layer(site, first=site in first, last=site in last, final=final)
    if roles is None or roles == Roles():
        return None, IN_FLOAT
    roles = roles.stateless
    two = site.rpartition(".")[2] in pairs.SITES
    roles = pairs.pair_roles(roles) if two else roles
    if not roles.given():
        return None, IN_FLOAT
    given = roles.given()
    memory = [spec.range.rule for spec in given.values() if spec.range.memory]
    if memory:
        return None, f"the range rule {memory[0]} keeps a running limit, and a function has no buffer for it"
    if context.shared:
        from lbt.nn.parallel import shared_roles

        roles = shared_roles(roles)
    if two:
        soft = "; softmax in float, its result over its whole range" if site.endswith("attention()") else ""
        return roles, f"both operands A {roles.A or 'float32'}; E {roles.E or 'float32'}{soft}"
    return roles, "; ".join(f"{role} {spec}" for role, spec in given.items())


_WORDS: dict[Any, str] = {
    functional.linear: "linear", torch.conv1d: "conv1d", torch.conv2d: "conv2d",
    torch.matmul: "matmul", Tensor.matmul: "matmul", Tensor.__matmul__: "matmul", torch.mm: "matmul",
    Tensor.mm: "matmul", torch.addmm: "addmm", Tensor.addmm: "addmm", torch.bmm: "bmm", Tensor.bmm: "bmm",
    torch._grouped_mm: "grouped_mm", torch.baddbmm: "baddbmm", Tensor.baddbmm: "baddbmm", torch.einsum: "einsum",
    functional.scaled_dot_product_attention: "scaled_dot_product_attention", functional.bilinear: "bilinear",
    functional.multi_head_attention_forward: "multi_head_attention_forward",
    torch.sparse.mm: "matmul", torch.conv3d: "conv3d",
    torch.conv_transpose1d: "conv_transpose1d", torch.conv_transpose2d: "conv_transpose2d",
}  # fmt: skip
"""Functions that multiply matrices, and how the table calls them."""
WORDS = frozenset(_WORDS.values())


def word_of(function: Any) -> str | None:
    """The name of a function that multiplies matrices; None of any other."""
    return _WORDS.get(function) if callable(function) else function if function in WORDS else None


def label(function: Any, args: Any, kwargs: Any, module: nn.Module) -> str | None:
    """The name of a call inside of ``module`` that multiplies matrices; None of any other."""
    word = _WORDS.get(function)
    if word not in FORMS:
        return None if word is None else f"{word}()"
    stack = frames.stack
    stack.append(module)
    try:
        return f"{word}()" if by_weight(word, args, kwargs or {}) is None else SITES[word]
    finally:
        stack.pop()


def note(module: nn.Module, word: str, weight: Tensor | None, why: str, quantized: bool = False) -> None:
    """A row of the conversion table for what was seen, once; the parameters behind it each time.

    A function that is called several times is float in the table as soon as one of the calls is.
    """
    context: Context = module.__dict__["lbt"]
    name = module.__dict__["lbt_name"]
    site = f"{name}.{word}".lstrip(".")
    if not word.endswith(")"):
        return  # a part of a layer, whose row is there
    first = site not in context.noted
    if first or (context.noted[site] and not quantized):
        context.noted[site] = quantized
        context.put(Converted(site, "function", "quantized" if quantized else "float", why))
        if quantized:
            context.drop_float(name)
    if weight is not None:
        known = context.weights.setdefault(site, [])
        found = parameters_of(weight, module) or (parameters_behind(weight) if first else [])
        known += [p for p in found if not any(p is other for other in known)]
