"""A recipe: in which format each tensor of a training step is written. Importing this does not import torch."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from lbt.config import Section, find_yaml, load_yaml, yaml_names
from lbt.errors import nearest
from lbt.nn.norms import NORMS
from lbt.numerics.spec import RoleSpec

ROLES = ("W", "A", "E", "G", "U")
COPIES = {"WE": "W", "AG": "A", "EG": "E"}
"""The copy of a tensor that its second product takes; where there is none, the first product's serves both."""
PRODUCTS = {"forward": ("A", "W"), "error": ("E", "WE"), "gradient": ("EG", "AG")}
"""The operands of the three products."""


class Roles(Section):
    """A format for some of the roles; a role that is not named keeps what the recipe says."""

    W: RoleSpec | None = None
    """Weights in the products."""
    A: RoleSpec | None = None
    """Activations: the inputs of convolutions and linear layers."""
    E: RoleSpec | None = None
    """Errors: the gradient that flows back into a layer's output."""
    WE: RoleSpec | None = None
    """The copy of the weight that multiplies the error; null: W itself serves."""
    AG: RoleSpec | None = None
    """The copy of the activation that multiplies the error to give G; null: A itself serves."""
    EG: RoleSpec | None = None
    """The copy of the error that multiplies the activation to give G; null: E itself serves."""
    G: RoleSpec | None = None
    """Weight gradients."""

    def given(self) -> dict[str, RoleSpec]:
        """The formats that are not float, by role."""
        return {role: spec for role in LAYER_ROLES if (spec := getattr(self, role)) is not None}

    @property
    def learn(self) -> bool:
        """True if a step size of W or A is learnt."""
        return any(spec is not None and spec.range.learned for spec in (self.W, self.A))

    @property
    def stateless(self) -> Roles:
        """The same where nothing can be learnt: products by functions."""
        return Roles(**{role: spec.stateless for role, spec in self.given().items()}) if self.learn else self

    def complete(self) -> Self:
        """The same with a copy of its own for every tensor whose first quantization can serve one product only."""
        wanted = {copy: getattr(self, role) for copy, role in COPIES.items() if getattr(self, copy) is None}
        return self.model_copy(update={copy: spec for copy, spec in wanted.items() if spec is not None and spec.bound})

    def operand(self, role: str) -> RoleSpec | None:
        """The format of an operand; a copy that is not given is its tensor's."""
        spec: RoleSpec | None = getattr(self, role)
        return getattr(self, COPIES[role]) if spec is None and role in COPIES else spec

    def check(self) -> None:
        """Refuse operands of one product that are rotated differently, and what cannot be learnt, with a ValueError."""
        for role, given in self.given().items():
            if given.range.learned and role not in ("W", "A"):
                raise ValueError(f"{role}: range: {given.range.rule} is for W and A")
        whole = self.complete()
        for product, (left, right) in PRODUCTS.items():
            turns = {role: spec.rotate if (spec := whole.operand(role)) else None for role in (left, right)}
            if turns[left] != turns[right]:
                found = ", ".join(f"{role} {turn or 'null'}" for role, turn in turns.items())
                raise ValueError(f"rotate: both operands of the {product} product need the same, found {found}")


LAYER_ROLES = tuple(Roles.model_fields)


class Final(Roles):
    """A last phase at higher precision with a rate of its own: its formats take the place of the recipe's in training.

    FNT of Chmiel et al. (arXiv 2112.10769, section 4): everything but the weights in higher precision, a rate that
    goes up for half of the phase and down again. Evaluation stays in the recipe's formats, so that what is deployed
    does. A role that is not named keeps its format; null is float32.
    """

    share: float = Field(0.2, gt=0, lt=1)
    """Share of the training's steps, its last."""
    peak: float = Field(0.1, gt=0, le=1)
    """The highest learning rate of the phase, relative to the training's peak."""

    def begins(self, steps: int) -> int:
        """The first of its steps in a training of ``steps``."""
        return steps - max(1, round(self.share * steps)) if steps else 0


def in_order(names: Iterable[str]) -> list[str]:
    """Each of ``names`` once: roles in their order, then second operands (A2)."""
    order = {name: place for place, name in enumerate(LAYER_ROLES)}
    return sorted(set(names), key=lambda name: (order.get(name, len(order)), name))


NORM_ENDS = ("input", "output", "error")
"""The tensors around a norm that have formats."""


class Norm(Section):
    """The conversion of the model's batch norms."""

    name: str = "float_bn"
    """File name of a norm in ``lbt/nn/norms``."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of that norm's constructor."""
    input: RoleSpec | None = None
    """Format of what the norm reads; null: the sums of the convolution before it, in float."""
    output: RoleSpec | None = None
    """Format of what the norm writes; null: the next layer quantizes its own input."""
    error: RoleSpec | None = None
    """Format of the error that enters the norm's backward pass; null: float."""

    def __str__(self) -> str:
        details = [f"{key} {value}" for key, value in self.options.items()]
        details += [f"{end} {getattr(self, end)}" for end in NORM_ENDS if getattr(self, end)]
        return f"{self.name} ({'; '.join(details)})" if details else self.name

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in NORMS.names():
            raise ValueError(
                f"unknown norm {name!r}; accepted: {', '.join(NORMS.names())}{nearest(name, NORMS.names())}"
            )
        return name


class Counteract(Section):
    """Slower learning where quantization turned the error: factor max(exp(−alpha · d), beta), d the cosine distance.

    Zhu et al. (arXiv 1912.12607), equation 14.
    """

    alpha: float = Field(20.0, gt=0, le=1e6)
    """The rate at which the factor falls with the distance."""
    beta: float = Field(0.1, gt=0, le=1)
    """The smallest factor."""


class Update(Section):
    """The optimizer's numbers, when the role U is given."""

    master: Literal["float", "integer", "bf16"] = "float"
    """``integer``: the master weights themselves are integers on a fixed power-of-two grid, updated by rounding.
    ``bf16``: they are bfloat16, updated in float32 and rounded stochastically (Zamirai et al., arXiv 2010.06192): small
    updates, which rounding to nearest drops, arrive on average, and no float32 copy is kept."""
    bits: int = Field(16, ge=4, le=24)
    """Width of integer master weights, 4 … 24. The float32 that an update is computed in has 24 bits: near that, little
    below the grid is left for stochastic rounding."""
    headroom: float = Field(2.0, ge=1, le=1e6)
    """The grid of integer master weights reaches this many times the largest initial weight of the tensor."""
    clip_norm: float | None = Field(None, gt=0, le=1e12)
    """Gradients are scaled down to this total L2 norm before the update; null: never."""
    loss_scale: Literal["dynamic"] | Annotated[float, Field(gt=0, le=2.0**100)] | None = None
    """The loss is multiplied by this, and the gradients divided again before the update; a step whose error or gradient
    is not finite is left out and counted. ``dynamic``: halved after such a step, doubled after 2,000 good ones."""
    counteract: Counteract | None = None
    """The learning rate of a layer falls with the deviation of its quantized error; null: it does not."""

    def __str__(self) -> str:
        parts = [f"master weights {self.master}"]
        if self.clip_norm is not None:
            parts.append(f"gradients clipped to norm {self.clip_norm:g}")
        if self.loss_scale is not None:
            parts.append(f"loss scale {self.loss_scale}")
        if self.counteract is not None:
            parts.append("learning rate counteracts deviation")
        return ", ".join(parts)


class Recipe(Section):
    """One format for each of W, A, E, G, U, with exceptions; null is float32."""

    name: str = ""
    """The file's name, filled in on loading."""
    source: str = ""
    """The source of the recipe, and its deviations from it."""
    W: RoleSpec | None = None
    """Weights in the products."""
    A: RoleSpec | None = None
    """Activations: the inputs of convolutions and linear layers."""
    E: RoleSpec | None = None
    """Errors: the gradient that flows back into a layer's output."""
    WE: RoleSpec | None = None
    """The copy of the weight that multiplies the error; null: W itself serves."""
    AG: RoleSpec | None = None
    """The copy of the activation that multiplies the error to give G; null: A itself serves."""
    EG: RoleSpec | None = None
    """The copy of the error that multiplies the activation to give G; null: E itself serves."""
    G: RoleSpec | None = None
    """Weight gradients."""
    U: RoleSpec | None = None
    """Update: the optimizer's state (momentum, Adam's moments)."""
    first: Roles | Literal["float"] | None = None
    """Exceptions for the first layer, or ``float`` to leave it alone."""
    last: Roles | Literal["float"] | None = None
    """Exceptions for the last layer, or ``float``."""
    layers: dict[str, Roles | Literal["float"]] = Field(default_factory=dict)
    """Exceptions by layer name; a key is a pattern such as ``layer3.*``."""
    final: Final | None = None
    """A last phase at higher precision, for loops that say how many steps there are (:func:`lbt.nn.set_progress`)."""
    norm: Norm = Norm()
    """Batch norm."""
    update: Update = Field(default_factory=lambda: Update.model_validate({}))
    """Master weights and gradient clipping."""

    @field_validator("norm", mode="before")
    @classmethod
    def _norm_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for role in ("W", "WE", "G"):
            spec = getattr(self, role)
            if spec is not None and spec.granularity == "sample":
                raise ValueError(
                    f"{role}: granularity sample fits activations and errors only; accepted: tensor, channel, block(n)"
                )
        for copy, role in COPIES.items():
            if getattr(self, copy) is not None and getattr(self, role) is None:
                raise ValueError(f"{copy}: the copy of {role} needs {role}")
        _only_operands({"G": self.G, "U": self.U, **{f"norm.{e}": getattr(self.norm, e) for e in NORM_ENDS}})
        for label, exception in [("", None), ("first", self.first), ("last", self.last), *self.layers.items()]:
            if exception != "float":
                _one_sample(exception or self, label)
                self._merged([exception]).check()
                self._merged([exception, self.final]).check()
        if self.final is not None:
            _one_sample(self.final, "final")
            for role, spec in self.final.given().items():
                if spec.range.memory:
                    raise ValueError(f"final.{role}: range: found {spec.range.rule}; accepted: rules without a memory")
        if self.update.master == "integer" and self.U is None:
            raise ValueError("update.master: integer needs U")
        if self.update.counteract is not None and self.E is None:
            raise ValueError("update.counteract: it looks at the quantized error, so it needs E")
        return self

    @classmethod
    def load(cls, name: str | Path) -> Recipe:
        """The recipe called ``name``, or in the file ``name`` when it ends in ``.yaml``.

        Raises:
            LbtError: no such recipe, an unknown key, a value out of range, an impossible combination.
        """
        path = find_yaml("recipes", name)
        recipe = load_yaml(path, cls)
        return recipe if recipe.name else recipe.model_copy(update={"name": path.stem})

    @staticmethod
    def names() -> list[str]:
        """Names of the recipes of the workspace and of those that ship with lbt."""
        return yaml_names("recipes")

    def bits(self, role: str) -> float:
        """Storage bits of one element of ``role`` (W, A, E, WE, AG, EG, G, U); 32 for float."""
        spec = getattr(self, role)
        if spec is None and role in COPIES:
            spec = getattr(self, COPIES[role])
        return 32.0 if spec is None else spec.bits

    @property
    def is_float(self) -> bool:
        """True if no role is quantized."""
        return all(getattr(self, role) is None for role in ROLES)

    def for_layer(self, name: str, *, first: bool = False, last: bool = False, final: bool = False) -> Roles | None:
        """The formats of one layer, its exceptions applied, or those of the final phase; None leaves it in float."""
        exceptions = [self.first if first else None, self.last if last else None]
        exceptions += [roles for pattern, roles in self.layers.items() if fnmatch.fnmatchcase(name, pattern)]
        exceptions += [self.final] if final else []
        return None if "float" in exceptions else self._merged(exceptions).complete()

    def _merged(self, exceptions: Sequence[Roles | str | None]) -> Roles:
        """The recipe's formats, then those of each exception in turn."""
        roles = {role: getattr(self, role) for role in LAYER_ROLES}
        for exception in exceptions:
            if isinstance(exception, Roles):
                roles.update(
                    {role: getattr(exception, role) for role in LAYER_ROLES if role in exception.model_fields_set}
                )
        return Roles(**roles)

    def __str__(self) -> str:
        lines = [f"recipe {self.name or '(unnamed)'}"]
        for role in (*LAYER_ROLES, "U"):
            spec = getattr(self, role)
            if role not in COPIES or spec is not None:
                lines.append(f"  {role:<3}{spec or 'float32'}")
        for label, exception in [("first", self.first), ("last", self.last), *self.layers.items()]:
            if exception is not None:
                lines.append(f"  {label}: {exception if isinstance(exception, str) else _told(exception)}")
        if self.final is not None:
            phase = f"the last {self.final.share:.0%} of the steps, rate up to {self.final.peak:g} of the peak and down"
            lines.append(f"  final: {phase}: {_told(self.final)}")
        lines.append(f"  norm {self.norm}")
        lines.append(f"  update {self.update}")
        if self.source:
            lines.append(f"  source: {' '.join(self.source.split())}")
        return "\n".join(lines)


def _told(exception: Roles) -> str:
    """The formats that differ, in one line."""
    given = (role for role in LAYER_ROLES if role in exception.model_fields_set)
    return ", ".join(f"{role} {getattr(exception, role) or 'float32'}" for role in given)


def _only_operands(specs: Mapping[str, RoleSpec | None]) -> None:
    """Refuse in ``specs``, of tensors that no product takes, what is for operands."""
    for name, spec in specs.items():
        if spec is not None and spec != spec.unbound:
            raise ValueError(
                f"{name}: rotate, along: reduction, samples and the range learned are for operands of products"
            )


def _one_sample(roles: Any, label: str) -> None:
    """Refuse several draws of anything but EG."""
    for role in LAYER_ROLES:
        spec = getattr(roles, role)
        if role != "EG" and spec is not None and spec.samples > 1:
            where = f"{label}." if label else ""
            raise ValueError(
                f"{where}{role}: samples is for EG, the error of the weight gradient; found {spec.samples}"
            )
