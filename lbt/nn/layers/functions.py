"""Products that a forward makes by functions: ``F.linear``, ``F.conv2d``, ``x @ W`` and their kin.

Inside the forward of a :class:`Functional` module PyTorch's function-override mode sees every function of torch. One
that multiplies by a weight becomes a quantized product, and so does one that multiplies two activations
(:mod:`lbt.nn.layers.pairs`); the others are left as they are and named in the conversion table.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from lbt.kernels import floats
from lbt.kernels.geometry import Geometry
from lbt.kernels.kernel import Kernel
from lbt.nn.context import Context, Converted
from lbt.nn.layers import pairs
from lbt.nn.layers.base import whole
from lbt.nn.layers.product import Product
from lbt.nn.passes import begin
from lbt.recipe import Roles

if TYPE_CHECKING:
    from collections.abc import Sequence

_frames = threading.local()


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

        cls.forward = functools.wraps(inner)(torch.compiler.disable(run))  # type: ignore[method-assign]


@contextlib.contextmanager
def inside(module: nn.Module) -> Iterator[None]:
    """Within this context functions are those of ``module``."""
    stack = _frames.__dict__.setdefault("stack", [])
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
        module = _frames.stack[-1]
        call = _by_weight(word, args, kwargs)
        if call is None:
            made = pair(module, word, args, kwargs)
            return func(*args, **kwargs) if made is None else made
        result = product(module, SITES[word], call)
        return func(*args, **kwargs) if result is None else result


class Call(NamedTuple):
    """A product by a weight.

    Attributes:
        x: activation, as the kernel takes it.
        weight: (O, I, …); a parameter, or made from parameters.
        bias: (O,).
        kernel: the bilinear operation.
        finish: from the kernel's result to that of the function.
    """

    x: Tensor
    weight: Tensor
    bias: Tensor | None
    kernel: Kernel
    finish: Callable[[Tensor], Tensor]


def why_float(word: str) -> str:
    """The reason why a function is no product of a weight that could be quantized."""
    if word in _FORMS or word in pairs.FORMS:
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
        roles, left = site_roles(context, site)
    result = None if roles is None else pairs.FORMS[word](multiplier(module, site), *args, **_renamed(kwargs))
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

    def multiply(x: Tensor, w: Tensor, part: str) -> Tensor:
        name = f"{site}.{part}" if part else site
        if name not in context.sites:
            roles, why = site_roles(context, site)
            context.sites[name] = roles and pairs.part_roles(roles, part), why
        roles, _ = context.sites[name]
        if roles is None or not x.numel() or not w.numel():
            return x @ w.mT
        return _applied(module, name, roles, Call(x, w, None, kernel, lambda y: y))

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
    roles, why = site_roles(context, site)
    note(module, word, call.weight, why, quantized=roles is not None)
    if roles is None:
        return None
    return _applied(module, site, roles, call) if call.x.numel() else None


def site_roles(context: Context, site: str) -> tuple[Roles | None, str]:
    """The formats of a product by a function, and how the table words them; None and why for float."""
    if site not in context.sites:
        context.sites[site] = _site_roles(context, site)
    return context.sites[site]


def _site_roles(context: Context, site: str) -> tuple[Roles | None, str]:
    if context.engine != "emulate":
        return None, f"the engine {context.engine} makes products of modules only"
    first, last = context.ends
    roles = context.recipe.for_layer(site, first=site in first, last=site in last)
    if roles is None or roles == Roles():
        return None, IN_FLOAT
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


def _by_weight(word: str, args: Any, kwargs: dict[str, Any]) -> Call | None:
    """The product by a weight that a function computes, None if it is none. One that writes ``out=`` is left alone."""
    if word not in _FORMS or "out" in kwargs:
        return None
    return _FORMS[word](*args, **_renamed(kwargs))


def _renamed(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``mm``, ``bmm`` and the methods by the names of ``matmul``."""
    if "mat1" in kwargs or not kwargs.keys() & {"mat2", "tensor2"}:
        return kwargs
    return {"other" if name in ("mat2", "tensor2") else name: value for name, value in kwargs.items()}


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Call | None:
    """``F.linear``: input (*, I), weight (O, I)."""
    x = input
    if not isinstance(x, Tensor) or not isinstance(weight, Tensor) or weight.dim() != 2:
        return None
    shape = (*x.shape[:-1], weight.shape[0])
    return Call(x.reshape(-1, x.shape[-1]), weight, bias, floats.linear(), lambda y: y.reshape(shape))


def _conv(
    dims: int, input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Call | None:  # fmt: skip
    x = input
    if not isinstance(x, Tensor) or not isinstance(weight, Tensor):
        return None
    batched = x.dim() == dims + 2
    x = x if batched else x.unsqueeze(0)
    stride, dilation = _each(stride, dims), _each(dilation, dims)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        sides = [side for t in reversed(total) for side in (t // 2, t - t // 2)]
        x, padding = functional.pad(x, sides), 0
    geometry = Geometry(stride, _each(0 if padding == "valid" else padding, dims), dilation, groups)
    kernel = floats.convolution(geometry, x.shape, weight.shape)
    return Call(x, weight, bias, kernel, lambda y: y if batched else y.squeeze(0))


def _each(value: int | Sequence[int], dims: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * dims if len(values) == 1 else values


def _matmul(input: Tensor, other: Tensor) -> Call | None:
    return linear(input, other.t()) if _is_weight(other) and other.dim() == 2 and input.dim() > 1 else None


def _addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Call | None:
    if not _is_weight(mat2) or input.dim() != 1 or (beta, alpha) != (1, 1):
        return None
    return linear(mat1, mat2.t(), input)


def _is_weight(x: Any) -> bool:
    """True for a parameter or a view of one."""
    return isinstance(x, Tensor) and bool(_direct(x, _frames.stack[-1]))


_FORMS: dict[str, Callable[..., Call | None]] = {
    "linear": linear,
    "conv1d": functools.partial(_conv, 1),
    "conv2d": functools.partial(_conv, 2),
    "matmul": _matmul,
    "addmm": _addmm,
}
SITES = {"linear": "linear()", "conv1d": "conv1d()", "conv2d": "conv2d()", "matmul": "matmul(weight)",
         "addmm": "addmm(weight)"}  # fmt: skip
"""Names of the products by a weight; one of two activations may stand beside it."""
_WORDS: dict[Any, str] = {
    functional.linear: "linear", torch.conv1d: "conv1d", torch.conv2d: "conv2d",
    torch.matmul: "matmul", Tensor.matmul: "matmul", Tensor.__matmul__: "matmul", torch.mm: "matmul",
    Tensor.mm: "matmul", torch.addmm: "addmm", Tensor.addmm: "addmm", torch.bmm: "bmm", Tensor.bmm: "bmm",
    torch._grouped_mm: "grouped_mm", torch.baddbmm: "baddbmm", Tensor.baddbmm: "baddbmm", torch.einsum: "einsum",
    functional.scaled_dot_product_attention: "scaled_dot_product_attention", functional.bilinear: "bilinear",
    functional.multi_head_attention_forward: "multi_head_attention_forward",
    torch.conv3d: "conv3d", torch.conv_transpose1d: "conv_transpose1d", torch.conv_transpose2d: "conv_transpose2d",
}  # fmt: skip
"""Functions that multiply matrices, and how the table calls them."""
WORDS = frozenset(_WORDS.values())
QUANTIZED_WORDS = frozenset(_FORMS)


def word_of(function: Any) -> str | None:
    """The name of a function that multiplies matrices; None of any other."""
    return _WORDS.get(function) if callable(function) else function if function in WORDS else None


def label(function: Any, args: Any, kwargs: Any, module: nn.Module) -> str | None:
    """The name of a call inside of ``module`` that multiplies matrices; None of any other."""
    word = _WORDS.get(function)
    if word not in _FORMS:
        return None if word is None else f"{word}()"
    stack = _frames.__dict__.setdefault("stack", [])
    stack.append(module)
    try:
        return f"{word}()" if _by_weight(word, args, kwargs or {}) is None else SITES[word]
    finally:
        stack.pop()


def note(module: nn.Module, word: str, weight: Tensor | None, why: str, quantized: bool = False) -> None:
    """A row of the conversion table for what was seen, once; the parameters behind it each time."""
    context: Context = module.__dict__["lbt"]
    name = module.__dict__["lbt_name"]
    site = f"{name}.{word}".lstrip(".")
    if not word.endswith(")"):
        return  # a part of a layer, whose row is there
    first = site not in context.noted
    if first:
        context.noted.add(site)
        context.put(Converted(site, "function", "quantized" if quantized else "float", why))
        if quantized:
            context.drop_float(name)
    if weight is not None:
        known = context.weights.setdefault(site, [])
        found = _direct(weight, module) or (_behind(weight) if first else [])
        known += [p for p in found if not any(p is other for other in known)]


def _direct(weight: Tensor, module: nn.Module) -> list[nn.Parameter]:
    """The parameter that ``weight`` is, or is a view of."""
    if isinstance(weight, nn.Parameter):
        return [weight]
    if not weight.is_inference() and weight._is_view() and isinstance(weight._base, nn.Parameter):
        return [weight._base]
    if weight.grad_fn is not None or weight.device.type == "meta":
        return []
    start = weight.untyped_storage().data_ptr()  # without gradients a view is not known as one
    return [p for p in module.parameters() if p.untyped_storage().data_ptr() == start]


def _behind(weight: Tensor) -> list[nn.Parameter]:
    """The parameters that ``weight`` was computed from, as far as autograd knows."""
    found, waiting, seen = list[nn.Parameter](), [weight.grad_fn], set[Any]()
    while waiting and len(seen) < 200:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        found += [variable] if isinstance(variable, nn.Parameter) else []
        waiting += [before for before, _ in node.next_functions]
    return found
