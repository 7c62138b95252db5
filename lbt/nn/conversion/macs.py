"""Multiply-accumulates of a forward pass, by layer and function, as PyTorch's own formulas count them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from lbt.nn.context import contexts_in
from lbt.nn.inputs import Inputs, call
from lbt.nn.layers.base import QuantizedLayer
from lbt.nn.layers.functions import label
from lbt.recipe import Roles

Site = tuple[int, str]
"""Place of the converted model among those of :func:`contexts_in`, and the layer's or function's name in it."""


def macs_of(model: nn.Module, inputs: Inputs) -> dict[int, dict[str, int]]:
    """Multiply-accumulates of ``model`` on ``inputs``, by converted model and by layer or function.

    Args:
        model: a copy of a model with converted ones inside, which nobody needs any more.
        inputs: its arguments.
    """
    contexts = contexts_in(model)
    stack: list[tuple[Site, nn.Module]] = []
    for context in contexts:
        context.engine = "count"  # functions stay float ones, whose kernels have formulas
        context.sites.clear()
    for module in model.modules():
        own = module.__dict__.get("lbt")
        if own is not None:
            _watch(module, (next(i for i, c in enumerate(contexts) if c is own), module.__dict__["lbt_name"]), stack)
        if isinstance(module, QuantizedLayer):
            module.roles, module.final_roles = Roles(), None
    counter = _Counter(stack)
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)  # recurrent layers are one kernel without a formula otherwise
    try:
        with torch.no_grad(), _Functions(stack), counter:
            call(model, inputs)
    finally:
        torch._C._set_mkldnn_enabled(before)
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for (index, name), count in counter.counts.items():
        found[index][name] = count
    return found


def _watch(module: nn.Module, site: Site, stack: list[tuple[Site, nn.Module]]) -> None:
    module.register_forward_pre_hook(lambda *_: stack.append((site, module)), prepend=True)
    module.register_forward_hook(lambda *_: stack.pop() and None, always_call=True)


class _Functions(TorchFunctionMode):
    """Within it a function that multiplies matrices is a site of its own."""

    def __init__(self, stack: list[tuple[Site, nn.Module]]) -> None:
        super().__init__()
        self.stack = stack

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        word = label(func, args, kwargs or {}, self.stack[-1][1]) if self.stack else None
        if word is None:
            return func(*args, **(kwargs or {}))
        (index, name), module = self.stack[-1]
        self.stack.append(((index, f"{name}.{word}".lstrip(".")), module))
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self.stack.pop()


class _Counter(TorchDispatchMode):
    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled under this mode, and to skip the compiler would be to import it

    def __init__(self, stack: list[tuple[Site, nn.Module]]) -> None:
        super().__init__()
        self.stack, self.counts = stack, defaultdict[Site, int](int)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = func._overloadpacket
        if packet not in flop_registry and func is not torch.ops.prim.device.default:
            with self:
                result = func.decompose(*args, **kwargs)
                if result is not NotImplemented:
                    return result
        result = func(*args, **kwargs)
        if not self.stack:
            return result
        if packet in flop_registry:
            self.counts[self.stack[-1][0]] += flop_registry[packet](*args, **kwargs, out_val=result) // 2
        elif packet is torch.ops.aten._scaled_dot_product_flash_attention_for_cpu:  # PyTorch has no formula for it
            queries, keys, values = args[:3]
            self.counts[self.stack[-1][0]] += queries.numel() * keys.shape[-2] * 2
            assert keys.shape == values.shape
        elif packet in WITHOUT_FORMULA:
            self.counts[self.stack[-1][0]] += WITHOUT_FORMULA[packet](*args)
        return result


def _trilinear(a: Tensor, b: Tensor, c: Tensor, one: list[int], two: list[int], three: list[int], *_: Any) -> int:
    shapes = [list(t.shape) for t in (a, b, c)]
    for shape, places in zip(shapes, (one, two, three), strict=True):
        for place in sorted(places):
            shape.insert(place, 1)
    return prod(max(sizes) for sizes in zip(*shapes, strict=True))


WITHOUT_FORMULA: dict[Any, Callable[..., int]] = {
    torch.ops.aten._grouped_mm: lambda x, w, *_: x.numel() * w.shape[-1],  # (T, K) rows, each by one of (E, K, N)
    torch.ops.aten.mv: lambda matrix, _: matrix.numel(),
    torch.ops.aten.addmv: lambda _, matrix, *__: matrix.numel(),
    torch.ops.aten.dot: lambda x, _: x.numel(),
    torch.ops.aten._trilinear: _trilinear,
}
"""Multiply-accumulates of kernels that PyTorch has no formula for."""
