"""One user's package: statistics, masks, training in low bits, and the guard.

The first round trains the whole network on the user's labels, by cross-entropy. The next ones take channels away,
and add to the loss the cross-entropy, on all images, with what the network said of them before this round
(distillation, Hinton et al. 2015, arXiv 1503.02531): it gives back what the channels knew. Norms use the user's
statistics as constants. Without a label the first round learns nothing; without masks either, the statistics alone
are the package."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbt.edge.users.account import Account, account, layer_of
from lbt.edge.users.masks import CRITERIA, Evidence, choose
from lbt.edge.users.options import Options
from lbt.edge.users.package import Package, Resident, weight_spec
from lbt.edge.users.schedule import share_after
from lbt.edge.users.statistics import estimate
from lbt.edge.users.structure import Masks, Slices, compact, masked, slices_of, twin
from lbt.edge.users.trains import TRAINS, Scene
from lbt.edge.users.values import FLOAT, code_bits
from lbt.edge.users.verdict import UserVerdict, kept_back, verdict
from lbt.errors import LbtError
from lbt.hardware.trace import Graph, trace
from lbt.nn import optimizer, scale_loss, set_step
from lbt.nn.context import context_of
from lbt.train.augmentation import augment
from lbt.train.batches import Examples, generator, indices
from lbt.train.evaluation import predict
from lbt.train.schedule import set_lr, warm_cosine

HEADER = 1200
"""Bytes of a package's header, about."""


@dataclass(frozen=True)
class Result:
    """Package of a user, and the evidence on it.

    Attributes:
        package: to be written and put on.
        verdict: the guard's; a package that it refuses is not to be used.
        trained: names of the parameters that moved.
        values: number of their values, in the last round.
        peak: bytes of the dearest training step; of an inference, where nothing was trained.
        operations: multiply–accumulates of the personal network as a share of the backbone's.
        step_operations: those of its training step, as a share of a step that trains the whole backbone.
    """

    package: Package
    verdict: UserVerdict
    trained: tuple[str, ...]
    values: int
    peak: int
    operations: float
    step_operations: float


def personalise(
    resident: Resident, early: Examples, options: Options, source_features: Tensor | None = None, **notes: str | int
) -> Result:
    """Make the package of one user; the backbone stays as it is. A pure function of its arguments.

    Args:
        resident: the backbone, converted with a recipe.
        early: the user's images; a label is -1 where the user gave none.
        options: masks, training, budgets.
        source_features: (D,) mean feature of the backbone's own images, for ``taylor_discrepancy``.
        notes: facts for the package's header.

    Raises:
        LbtError: what is to be trained does not fit the budget of memory, or the options do not fit the network.
    """
    start, kept = predict(fresh(resident.backbone), early), kept_back(early.labels)
    work = _Work(resident, early, options, source_features, kept)
    work.run()
    told = {"recipe": work.recipe.name, "train": options.train, "criterion": options.masks or "none", **notes}
    package = resident.pack(work.network, work.masks, told)
    adapted = predict(resident.apply(package), early)
    resident.remove()
    mine, whole = work.account(work.graph), work.account(resident.graph)
    layers = {layer_of(name) for name in work.trained}
    return Result(
        package, verdict(start, adapted, early.labels, kept), tuple(sorted(work.trained)), work.values, work.peak,
        operations=mine.work() / whole.work(), step_operations=mine.work(layers) / whole.work(None),
    )  # fmt: skip


def fresh(network: nn.Module) -> nn.Module:
    """A copy at step 0, whose random numbers do not depend on what the network did before."""
    made = twin(network)
    set_step(made, 0)
    return made


class _Work:
    """The state of one personalisation."""

    def __init__(
        self, resident: Resident, early: Examples, options: Options, source_features: Tensor | None, kept: Tensor
    ) -> None:
        self.resident, self.early, self.options, self.source_features = resident, early, options, source_features
        self.recipe = context_of(resident.backbone, "personalise").recipe
        self.full = fresh(resident.backbone).requires_grad_(False)
        estimate(self.full, early.whole)
        self.known = ((early.labels >= 0) & ~kept).nonzero().flatten()
        self.targets = predict(self.full, early)
        self.labels = F.one_hot(early.labels.clamp_min(0), self.targets.shape[1]).to(self.targets.dtype)
        self.masks: Masks = {}
        self.network, self.graph = twin(self.full), resident.graph
        self.trained: set[str] = set()
        self.values, self.peak = 0, self.account(self.graph).peak({})

    def run(self) -> None:
        """All rounds."""
        options = self.options
        prune = options.masks is not None and options.operations < 1 and bool(self.resident.groups)
        rounds = options.rounds if prune else 1
        learn = options.steps > 0 and (len(self.known) > 0 or (prune and options.agreement > 0))
        if prune:
            self._mask(options.operations)
        if learn:
            self.trained = set(TRAINS.load(options.train).choose(self._scene()))
        if rounds > 1:
            self.masks = {}
        for number in range(rounds):
            if prune and number:
                self._mask(share_after(number, rounds - 1, options.operations))
            else:
                self.network = compact(self.full, self.resident.groups, self.masks)
            if learn and (self.masks or len(self.known)):
                self._train(number, max(1, options.steps // rounds))
            if number + 1 < rounds:
                self._write_back()
                self.targets = predict(self.full, self.early)

    def _mask(self, share: float) -> None:
        """Choose the masks that leave ``share`` of the operations, and compact to them."""
        options, resident = self.options, self.resident
        assert options.masks is not None
        targets = self.targets.clone()
        targets[self.known] = self.labels[self.known]
        seen = masked(self.full, resident.groups, self.masks)
        evidence = Evidence(seen, resident.groups, self.early.whole, targets, self.source_features, options.seed)
        scores = CRITERIA.load(options.masks).scores(evidence)
        self.masks = choose(scores, resident.graph, self.recipe, share, self.masks)
        self.network = compact(self.full, resident.groups, self.masks)
        self.graph = trace(compact(resident.backbone, resident.groups, self.masks, share=True), resident.shape)
        estimate(self.network, self.early.whole)

    def _open(self) -> None:
        """Let the chosen parameters move, if a step of them fits the budget."""
        sizes = {name: p.numel() for name, p in self.network.named_parameters() if name in self.trained}
        counted = self.account(self.graph if self.masks else self.resident.graph)
        self.values, self.peak = sum(sizes.values()), max(self.peak, counted.peak(sizes))
        if self.options.memory is not None and self.peak > self.options.memory:
            found = f"{self.options.train} needs {self.peak:,} bytes a step"
            raise LbtError(
                f"memory: {found}, {self.options.memory:,} are given; try auto, a smaller batch or more masks"
            )
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(name in self.trained)

    def account(self, graph: Graph) -> Account:
        """The account of training the network of ``graph`` beside the backbone."""
        size, values = self.options.batch, self.targets.numel()
        whole = self.resident.graph
        return account(graph, self.recipe, whole, batch=size, images=len(self.early), predictions=values)

    def _scene(self) -> Scene:
        """Facts for the choice of what is trained: the budget of memory is judged on the whole network."""
        options, network = self.options, self.network
        whole, counted = dict(self.full.named_parameters()), self.account(self.resident.graph)
        limit = None if options.package is None else options.package * self.resident.bytes()
        masks = sum(len(mask) for mask in self.masks.values()) / 8
        vector = 2 if self.resident.half else 4
        fixed = HEADER + masks + sum(vector * b.numel() for b in network.buffers() if b.is_floating_point())

        def peak(names: object) -> int:
            return counted.peak({name: p.numel() for name, p in whole.items() if name in names})  # type: ignore[operator]

        def packed(name: str) -> int:
            count, bits = network.get_parameter(name).numel(), code_bits(weight_spec(network, name))
            return (
                (vector if network.get_parameter(name).dim() == 1 else 4) * count
                if bits == FLOAT
                else -(-count * bits // 8) + 4
            )

        def fits(names: object) -> bool:
            small = limit is None or fixed + sum(map(packed, names)) <= limit  # type: ignore[call-overload]
            return small and (options.memory is None or peak(names) <= options.memory)

        return Scene(self.full, fits, peak, packed, self._gradients, options.last, options.rank, options.seed)

    def _gradients(self) -> dict[str, Tensor]:
        """Gradient of the loss on a batch of the user's images, for every parameter."""
        network = self.network.requires_grad_(True)
        names, parameters = zip(*network.named_parameters(), strict=True)
        set_step(network, 0)
        found = torch.autograd.grad(self._loss(network, 0, 0), parameters, allow_unused=True)
        network.requires_grad_(False)
        return {name: gradient for name, gradient in zip(names, found, strict=True) if gradient is not None}

    def _train(self, number: int, steps: int) -> None:
        """Train the chosen parameters for a round."""
        options, network = self.options, self.network
        self._open()
        trainer = optimizer(network, self.recipe, name=options.optimizer, lr=options.lr, momentum=options.momentum)
        for group in trainer.param_groups:
            group["peak"] = options.lr
        for step in range(steps):
            set_step(network, number * steps + step)
            loss = self._loss(network, number, step)
            trainer.zero_grad()
            scale_loss(network, loss).backward()  # type: ignore[no-untyped-call]
            set_lr(trainer, warm_cosine(step, steps, warm=0.1))
            trainer.step()
        network.requires_grad_(False)
        estimate(network, self.early.whole)

    def _loss(self, network: nn.Module, number: int, step: int) -> Tensor:
        """Loss of one batch: labelled images, and under masks as many of all images for the agreement."""
        options, count = self.options, len(self.early)
        agree = options.agreement > 0 and bool(self.masks)
        labelled = 0 if not len(self.known) else options.batch // 2 if agree else options.batch
        parts = []
        if labelled:
            chosen = self.known[
                indices(len(self.known), labelled, options.seed, f"{self.early.name}/labelled/{number}", step)
            ]
            parts.append((chosen, self.labels[chosen], 1.0))
        if agree:
            chosen = indices(count, options.batch - labelled, options.seed, f"{self.early.name}/all/{number}", step)
            parts.append((chosen, self.targets[chosen], options.agreement))
        images = self.early.images[torch.cat([chosen for chosen, _, _ in parts])]
        random = generator(options.seed, self.early.name, "personal", number, step)
        logits = network(augment(images, options.augmentation, random)).split([len(chosen) for chosen, _, _ in parts])
        losses = [f * F.cross_entropy(y, target) for y, (_, target, f) in zip(logits, parts, strict=True)]
        return torch.stack(losses).sum()

    def _write_back(self) -> None:
        """Put what was learnt into the network of full size, whose next channels are to be judged."""
        state = self.network.state_dict()
        kept = slices_of(self.full, self.resident.groups, self.masks)
        with torch.no_grad():
            for name, tensor in self.full.state_dict().items():
                if tensor.is_floating_point():
                    kept.get(name, Slices()).put(tensor, state[name])
