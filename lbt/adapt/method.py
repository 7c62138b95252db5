"""Base of every method, as the training loop sees it: networks, optimizers, and one function that makes one step.

A method is a class ``Method`` in a file of ``lbt/adapt/methods``; the file's name is the method's name. It derives from
:class:`Base`, which holds what all of them need, so that a method's own page is its losses.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from lbt.adapt import kit
from lbt.adapt.knobs import JobKnobs
from lbt.config import Section
from lbt.errors import LbtError
from lbt.train.schedule import phased, set_lr, warm_cosine

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from lbt.adapt.prior import Balance
    from lbt.models._network import Network
    from lbt.recipe import Recipe
    from lbt.train.batches import Examples

S = TypeVar("S", bound=Section)


REFRESH = 50
"""Steps between two estimates of the target's class frequencies."""


@dataclass(frozen=True)
class Task:
    """One job: what is adapted, on what, in which numbers.

    Attributes:
        params: place in the grid, knobs, and the methods' options.
        recipe: number formats.
        model: the pretrained float network; methods take copies.
        source: labelled training images of the source domain.
        target: training images of the target domain. Only ``target_supervised`` and the few-label methods may look at
            their labels, through :meth:`Base.labelled`.
    """

    params: JobKnobs
    recipe: Recipe
    model: Network
    source: Examples
    target: Examples

    @property
    def seed(self) -> int:
        """The job's seed."""
        return self.params.seed

    @property
    def augmentation(self) -> str:
        """The kind of augmentation of the job's pair."""
        return self.params.augmentation_of(self.params.pair)

    @functools.cached_property
    def before(self) -> Tensor:
        """Class probabilities (N, classes) of :attr:`target` before adaptation."""
        return kit.predict(self.model, self.target)

    def options(self, kind: type[S]) -> S:
        """The section of the params that is a ``kind``: a method's options."""
        return next(value for _, value in self.params if isinstance(value, kind))


def convert(model: Network, task: Task, domains: tuple[str, ...]) -> Network:
    """A copy of ``model`` under the recipe of ``task``, with batch-norm statistics for each of ``domains``."""
    copy = kit.quantize(model, task.recipe, seed=task.seed)
    kit.separate_statistics(copy, domains)
    kit.share_model(copy)
    return cast("Network", copy.to(memory_format=kit.torch.channels_last).train())  # type: ignore[call-overload]


class Base:
    """A student that starts as the pretrained network under the recipe, its optimizer, and access to batches."""

    prepared: ClassVar[bool] = False
    """True if ``source_steps`` of low-bit training on the source come first, before the network is deployed."""
    uses_source: ClassVar[bool] = True
    """True if the device must keep source images."""
    needs_labels: ClassVar[bool] = False
    """True if the target must have labels for training."""
    few_labels: ClassVar[bool] = False
    """True if those are ``labels_per_class`` images of each class."""
    uses_target: ClassVar[bool] = True
    """True if the device must keep unlabelled target images."""
    batches_in_flight: ClassVar[int] = 2
    """Batches whose activations are kept for backward at the same time; 0: no backward pass."""
    averaged: ClassVar[tuple[str, ...]] = ()
    """Those of :attr:`networks` whose weights are a moving average, kept in float32 whatever the recipe."""
    domains: ClassVar[tuple[str, ...]] = ("source", "target")
    """The domains that have batch-norm statistics of their own, where ``statistics`` asks for that."""

    def __init__(self, task: Task) -> None:
        self.task, self.params = task, task.params
        self.student = self.network(task.model)
        self.networks: dict[str, nn.Module] = {"student": self.student}
        self.optimizers = {"student": self.optimizer(self.student)}
        self.labels: Examples | None = None  # labelled target images, for the methods that have some

    @classmethod
    def guarded(cls) -> bool:
        """True if the target's images, without their labels, change the network: its outcome is then in doubt."""
        return cls.uses_target and not cls.needs_labels

    # Declared by a method --------------------------------------------------------------------------------------------

    @property
    def steps(self) -> int:
        """Number of calls of :meth:`step`."""
        return self.params.steps

    def step(self, step: int) -> dict[str, Tensor | float]:
        """Train on the batches of ``step``; returns what the curve shows (losses, shares)."""
        raise NotImplementedError

    def extra_state(self) -> dict[str, Tensor]:
        """State that a checkpoint must hold beside networks and optimizers."""
        return self.balance.state() if "balance" in vars(self) else {}

    def load_extra_state(self, state: dict[str, Tensor]) -> None:
        """Put :meth:`extra_state` back."""
        if "mean" in state:
            self.balance.load(state)

    # Used by the loop ------------------------------------------------------------------------------------------------

    @property
    def preparation(self) -> int:
        """Steps on the source before the method's own."""
        return self.params.source_steps if self.prepared else 0

    def advance(self, step: int) -> dict[str, Tensor | float]:
        """Step ``step`` of ``preparation + steps``; it keys the stochastic rounding of every network."""
        networks = kit.nn.ModuleList(self.networks.values())
        kit.set_step(networks, step)
        own = step - self.preparation
        kit.set_progress(networks, own, self.steps)
        if own < 0:
            return self.prepare(step)
        if own and own % REFRESH == 0 and "balance" in vars(self):
            self.balance.refresh()
        return self.step(own)

    def prepare(self, step: int) -> dict[str, Tensor | float]:
        """Low-bit training on the source's labels, so that no method is judged by mere rounding of a float network."""
        images, labels = self.source(step)
        loss = kit.F.cross_entropy(self.forward(self.student, images, "source"), labels)
        self.update(loss, self.preparation_schedule(step), "student")
        return {"source_loss": loss}

    def preparation_schedule(self, step: int) -> float:
        """Factor of the peak learning rate during preparation."""
        return warm_cosine(step, self.preparation, warm=0.1)

    def evaluated(self) -> dict[str, nn.Module]:
        """The networks that predict: the student and, if there is one, the teacher."""
        return {name: self.networks[name] for name in ("student", "teacher") if name in self.networks}

    # Used by a method ------------------------------------------------------------------------------------------------

    def network(self, model: Network) -> Network:
        """A copy of ``model`` under the recipe, with statistics per domain, channels last, in training mode."""
        return convert(model, self.task, self.statistics())

    def optimizer(self, *modules: nn.Module, lr: float | None = None) -> torch.optim.Optimizer:
        """The params' optimizer, with the recipe's formats, for the parameters of ``modules``."""
        p = self.params
        made = kit.optimizer(
            modules[0] if len(modules) == 1 else kit.nn.ModuleList(modules),
            self.task.recipe,
            name=p.optimizer,
            lr=lr or p.lr,
            momentum=p.momentum,
            weight_decay=p.weight_decay,
            fused=p.optimizer == "adam" or None,
        )
        for group in made.param_groups:
            group["peak"] = group["lr"]
        return made

    def statistics(self) -> tuple[str, ...]:
        """Names of the sets of batch-norm statistics that a network keeps."""
        return self.domains if self.params.statistics in ("separate", "domain") else self.domains[:1]

    @contextlib.contextmanager
    def on(self, network: nn.Module, name: str) -> Iterator[nn.Module]:
        """``network`` with the batch-norm statistics that it keeps for the domain ``name``."""
        with kit.domain(network, name if name in self.statistics() else self.statistics()[0]):
            yield network

    def forward(self, network: nn.Module, images: Tensor, name: str) -> Tensor:
        """Logits of ``images`` with the statistics of the domain ``name``."""
        with self.on(network, name):
            return kit.split(network, images, [network])

    def source(self, step: int) -> tuple[Tensor, Tensor]:
        """Augmented source images and their labels."""
        (images,), labels = kit.draw(self.task.source, self.params.batch, self.task.seed, step, self.task.augmentation)
        return images, labels

    def target(self, step: int, *kinds: str) -> list[Tensor]:
        """Unlabelled target images, an augmentation of the same ones for each of ``kinds`` (default: the pair's)."""
        index, kinds = self.target_index(step), kinds or (self.task.augmentation,)
        return kit.views(self.task.target, index, self.task.seed, step, *kinds)

    @functools.cached_property
    def balance(self) -> Balance:
        """The target's class frequencies, at first as the pretrained network sees them."""
        return kit.Balance(self.task.before, kit.given_shares(self.params.class_shares, self.task.target.classes))

    def target_index(self, step: int) -> Tensor:
        """The target images (batch,) of step ``step``, balanced by the classes that are predicted for them."""
        return self.balance.indices(self.params.batch, self.task.seed, self.task.target.name, step)

    def few(self) -> Examples:
        """``labels_per_class`` labelled target images of each class, chosen by the seed.

        Raises:
            LbtError: a class has fewer labelled images.
        """
        target, wanted = self.task.target, self.params.labels_per_class
        order = kit.torch.randperm(len(target), generator=kit.generator(self.task.seed, "few labels"))
        chosen = []
        for index, name in enumerate(target.classes):
            members = order[target.labels[order] == index][:wanted]
            if len(members) < wanted:
                found = f"class {name!r} of the target has {len(members)} labelled images, not {wanted}"
                raise LbtError(f"adapt.labels_per_class: {found}")
            chosen.append(members)
        return target.take(kit.torch.cat(chosen))

    def labelled(self, step: int) -> tuple[Tensor, Tensor]:
        """Augmented images and labels from :attr:`labels`; a small set is repeated to fill the batch."""
        assert self.labels is not None
        (images,), labels = kit.draw(self.labels, self.params.batch, self.task.seed, step, self.task.augmentation)
        return images, labels

    def schedule(self, step: int) -> float:
        """Factor of the peak learning rate at ``step``."""
        return phased(step, self.steps, 0.1, self.task.recipe.final)

    def update(self, loss: Tensor, factor: float, *names: str) -> None:
        """Backward, and a step of the named optimizers (default: all) at ``factor`` of their peak learning rate."""
        optimizers = [self.optimizers[name] for name in names or self.optimizers]
        for one in optimizers:
            one.zero_grad()
        kit.scale_loss(self.student, loss).backward()  # type: ignore[no-untyped-call]
        kit.average_gradients({p: None for one in optimizers for group in one.param_groups for p in group["params"]})
        for one in optimizers:
            set_lr(one, factor)
            one.step()
