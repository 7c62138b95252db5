"""The converted form of each module, and its row in the table."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn
from torch.nn.utils.parametrize import type_before_parametrizations

from lbt.nn.context import Context, Converted
from lbt.nn.conversion.kinds import AVERAGES, BATCH_NORMS, PRODUCTS, is_batch_norm, kind_of, own_forward, patched
from lbt.nn.layers.attention import QMultiheadAttention
from lbt.nn.layers.base import QuantizedLayer
from lbt.nn.layers.conv import QConv1d, QConv2d
from lbt.nn.layers.flow import Add, Flow
from lbt.nn.layers.functions import IN_FLOAT, site_roles
from lbt.nn.layers.linear import QLinear
from lbt.nn.layers.mixed import become, mixed
from lbt.nn.layers.relu import MaskReLU, MaskReLU6
from lbt.nn.norms import build
from lbt.nn.norms._base import Norm
from lbt.recipe import Roles

_QUANTIZED: dict[type[nn.Module], type[QuantizedLayer]] = {nn.Conv1d: QConv1d, nn.Conv2d: QConv2d, nn.Linear: QLinear}
_MASKED: dict[type[nn.Module], type[nn.Module]] = {nn.ReLU: MaskReLU, nn.ReLU6: MaskReLU6}
_EXACT: dict[type[nn.Module], str] = {
    nn.ReLU: "keeps codes as they are",
    nn.ReLU6: "keeps codes as they are up to its bound",
    nn.MaxPool1d: "selects codes",
    nn.MaxPool2d: "selects codes",
    nn.AdaptiveMaxPool2d: "selects codes",
    nn.Dropout: "the next layer quantizes its input",
    nn.Flatten: "moves codes",
    nn.Identity: "moves codes",
}


@dataclass
class Conversion:
    """Converts the modules of one model in place, one after another.

    Attributes:
        context: of the converted model; gets the rows.
        pairs: name of each batch norm that is folded → name of the layer that carries it.
        inner: names of modules whose weights another module reads, with its name.
    """

    context: Context
    pairs: dict[str, str] = field(default_factory=dict)
    inner: dict[str, str] = field(default_factory=dict)

    def convert(self, name: str, module: nn.Module) -> None:
        """Convert ``module``, called ``name`` in the model."""
        kind = kind_of(module)
        if isinstance(module, nn.MultiheadAttention):
            self._attention(name, module)
        elif name in self.inner:
            self._row(name, module, "float", f"its weight is read by {self.inner[name]}, which stays float")
        elif kind in PRODUCTS:
            self._product(name, module)
        elif is_batch_norm(module):
            self._norm(name, module)
        elif (kind in AVERAGES or type(module) is Add) and self._flow(name, module):
            pass
        elif why := own_forward(module):
            self._leave(module)
            self._row(name, module, "float", why)
        elif not list(module.children()):
            why = _EXACT.get(type(module), f"{type(module).__name__} has no quantized form")
            if patched(module):
                why = "its forward was replaced on the object"
            self._row(name, module, "float", why)
            if kind in _MASKED and self.context.engine != "float":
                become(module, _MASKED[kind])

    def _row(self, name: str, module: nn.Module, now: str, why: str) -> None:
        kind = type_before_parametrizations(module)
        self.context.table.append(Converted(name, kind.__name__, now, why))

    def _leave(self, module: nn.Module) -> None:
        """Note that the weights of ``module`` are in float on purpose."""
        self.context.left += module.parameters(recurse=False)

    def roles(self, name: str) -> Roles | None:
        """The formats of one layer; None where it stays float."""
        roles = self._given(name)
        return None if roles == Roles() else roles

    def _given(self, name: str, final: bool = False) -> Roles | None:
        first, last = self.context.ends
        return self.context.recipe.for_layer(name, first=name in first, last=name in last, final=final)

    def _final(self, name: str) -> Roles | None:
        """The formats of one layer in the recipe's final phase, if it has one."""
        return None if self.context.recipe.final is None else self._given(name, final=True)

    def _product(self, name: str, module: nn.Module) -> None:
        roles, engine = self.roles(name), self.context.engine
        if getattr(module, "weight").is_complex():  # noqa: B009 (nn.Module types its attributes as modules too)
            self._leave(module)
            self._row(name, module, "float", "its weight is complex: it has no quantized form")
            return
        if engine == "float" or roles is None:
            self._leave(module)
            self._row(name, module, "float", "engine is float" if engine == "float" else IN_FLOAT)
            return
        if engine == "integer":
            from lbt.kernels.choose import check

            for each in (roles, self._final(name)):
                if each is not None:
                    check(name, module, each)
        self._row(name, module, "quantized", "; ".join(f"{role} {spec}" for role, spec in roles.given().items()))
        kind = kind_of(module)
        assert kind is not None
        _QUANTIZED[kind].from_float(module, name, roles, self.context).final_roles = self._final(name)

    def _attention(self, name: str, module: nn.MultiheadAttention) -> None:
        """The input projections are quantized here, the output projection is a layer of its own."""
        site = f"{name}.in_proj".lstrip(".")
        roles, why = site_roles(self.context, site)
        self.context.sites.pop(site)  # whether it is this projection or three is known when it runs
        if kind_of(module) is None:
            roles, why = None, own_forward(module) or ""
        elif module.bias_k is not None or module.add_zero_attn:
            roles, why = None, "bias_k, bias_v and add_zero_attn have no quantized form"
        elif self.context.engine == "float":
            why = "engine is float"
        if roles is None:
            self.inner[f"{name}.out_proj".lstrip(".")] = name or type(module).__name__
            self._leave(module)
            self._row(name, module, "float", why)
            return
        self._row(name, module, "quantized", f"in_proj: {why}; its scores and sums of values have rows of their own")
        become(module, QMultiheadAttention)

    def _norm(self, name: str, module: nn.Module) -> None:
        context, norm = self.context, self.context.recipe.norm
        if context.engine == "float":
            self._row(name, module, "float", "engine is float")
            return
        if norm.name == "float_bn" and not norm.options:
            # float statistics are what nn.BatchNorm does, and its kernel is the fastest
            self._row(name, module, "float_bn", "float statistics and arithmetic")
        elif isinstance(module, nn.SyncBatchNorm):
            why = f"its statistics are those of all processes, and {norm.name}'s of one"
            self._row(name, module, "float", why)
            return
        else:
            before = self.pairs.get(name)
            why = ", ".join(f"{k} {v}" for k, v in norm.options.items()) or "the recipe's norm"
            if norm.name == "folded_bn":
                why = (
                    f"in the weight of {before}" if before else "a layer by itself: no convolution of its own before it"
                )
            self._row(name, module, norm.name, why)
            _replace(module, build(norm.name, module, **norm.options))
        if norm.input is not None:
            module.register_forward_pre_hook(Flow(f"{name}.input", norm.input, None, context).enter, with_kwargs=True)
        if norm.output is not None or norm.error is not None:
            module.register_forward_hook(Flow(name, norm.output, norm.error, context))

    def _flow(self, name: str, module: nn.Module) -> bool:
        """Quantize what a pool or an addition writes; False if the recipe does not."""
        roles = self.context.recipe.for_layer(name) if self.context.engine != "float" else None
        if roles is None or not (roles.A or roles.E):
            return False
        a, e = (spec and spec.unbound for spec in (roles.A, roles.E))
        flow = Flow(name, a, e, self.context)
        if (final := self._final(name)) is not None:
            flow.final = final.A and final.A.unbound, final.E and final.E.unbound
        module.register_forward_hook(flow)
        self._row(name, module, "quantized", f"output {a or 'float32'}; error {e or 'float32'}")
        return True


def _replace(module: nn.Module, new: nn.Module) -> None:
    """Make ``module`` what ``new`` is, in place; its hooks stay."""
    plain = type(module) in BATCH_NORMS or isinstance(module, Norm)
    module.__class__ = type(new) if plain else mixed(type(new), type(module))
    for name, value in new.__dict__.items():
        module.__dict__.setdefault(name, value)


def no_fast_path(module: nn.Module) -> None:
    """Keep PyTorch from computing a transformer layer in one float kernel that reads its children's weights."""
    if isinstance(module, nn.TransformerEncoderLayer):
        module.activation_relu_or_gelu = 0
    if isinstance(module, nn.TransformerEncoder):
        module.enable_nested_tensor = module.use_nested_tensor = False


def inner_products(model: nn.Module) -> bool:
    """True if something in ``model`` was quantized."""
    return any(isinstance(module, (QuantizedLayer, QMultiheadAttention)) for module in model.modules())
