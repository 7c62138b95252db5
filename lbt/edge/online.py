"""Base of every online method: a deployed network, an optimizer, and one call for each batch that arrives.

A method is a class ``Method`` in a file of ``lbt/edge/methods``; the file's name is the method's name. Everything that
a batch changes is in :attr:`Base.networks`, the optimizer, :attr:`Base.extra` and the two counts, so that a checkpoint
holds it all.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from lbt.config import Section
from lbt.edge import kit
from lbt.edge.knobs import Deployed, Training
from lbt.errors import LbtError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from lbt.recipe import Recipe
    from lbt.train.batches import Examples

S = TypeVar("S", bound=Section)


@dataclass(frozen=True)
class Device:
    """A deployed network with its formats, knobs and source images, as a method receives them.

    Attributes:
        params: place in the grid, knobs, and the methods' options.
        recipe: number formats.
        network: the deployed network, quantized; methods adapt this very one.
        source: labelled training images of the source, for preparation before deployment only. None: there are none.
    """

    params: Deployed
    recipe: Recipe
    network: nn.Module
    source: Examples | None

    def options(self, kind: type[S]) -> S:
        """The section of the params that is a ``kind``: a method's options."""
        return next(value for _, value in self.params if isinstance(value, kind))


class Base:
    """A network that predicts, and by default does nothing else."""

    trains: ClassVar[Literal["nothing", "norms", "all"]] = "nothing"
    """Parameters that move."""
    needs_labels: ClassVar[bool] = False
    """True if labels of the stream are used: a bound that no device reaches."""
    smallest: ClassVar[int] = 1
    """Fewest images of a batch."""
    images_kept: int = 0
    """Images of the stream that the device keeps."""
    spare: int = 0
    """Copies of the trained parameters that a step makes and drops again."""
    in_flight: ClassVar[int] = 1
    """Batches whose activations wait for a backward pass at the same time."""

    def __init__(self, device: Device) -> None:
        batch = device.params.batch
        if batch < self.smallest:
            raise LbtError(f"edge.batch: found {batch}; {device.params.method} needs {self.smallest} or more")
        self.device, self.network = device, device.network
        self.networks: dict[str, nn.Module] = {"network": self.network}
        self.extra: dict[str, Tensor] = {}
        self.inferred = self.trained = 0
        self.training: Training | None = None
        self.optimizer: torch.optim.Optimizer | None = None
        self._choose()

    # Declared by a method --------------------------------------------------------------------------------------------

    def adapt(self, images: Tensor, labels: Tensor, step: int) -> Tensor:
        """Probabilities (B, K) of images (B, C, H, W) as they arrive; the network may change for the next ones.

        ``labels`` (B,) are all -1 unless the method declares :attr:`needs_labels`.
        """
        return self.predict(images)

    def predict(self, images: Tensor) -> Tensor:
        """Probabilities (B, K) without adapting, as :meth:`adapt` would predict."""
        kit.use_running(self.answering)
        return self.infer(self.answering, images).softmax(1)

    @property
    def answering(self) -> nn.Module:
        """The network that predicts: the teacher if there is one."""
        return self.networks.get("teacher", self.network)

    # Used by the loop ------------------------------------------------------------------------------------------------

    def begin(self, step: int) -> None:
        """Key the stochastic rounding of every network by ``step``."""
        kit.set_step(kit.nn.ModuleList(self.networks.values()), step)

    def parameters(self) -> list[nn.Parameter]:
        """The parameters that move."""
        return [p for p in self.network.parameters() if p.requires_grad]

    def state(self) -> dict[str, Any]:
        """Everything that batches change."""
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimizer": self.optimizer.state_dict() if self.optimizer else None,
            "extra": dict(self.extra),
            "counts": [self.inferred, self.trained],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Put a :meth:`state` back."""
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        if self.optimizer:
            self.optimizer.load_state_dict(state["optimizer"])
        self.extra = dict(state["extra"])
        self.inferred, self.trained = state["counts"]

    # Used by a method ------------------------------------------------------------------------------------------------

    def infer(self, network: nn.Module, images: Tensor) -> Tensor:
        """Logits (B, K) of a forward pass without a backward pass."""
        self.inferred += len(images)
        with kit.torch.no_grad():
            logits: Tensor = network(images)
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K) of the network's forward pass, for a backward pass."""
        self.trained += len(images)
        logits: Tensor = self.network(images)
        return logits

    def train_by(self, training: Training) -> None:
        """Make the optimizer of the parameters that move; the recipe says how its state and the weights are kept."""
        self.training = training
        self.optimizer = kit.optimizer(
            self.network,
            self.device.recipe,
            name=training.optimizer,
            lr=training.lr,
            momentum=training.momentum,
            fused=training.optimizer == "adam" or None,
        )

    def backward(self, loss: Tensor) -> None:
        """Gradients of ``loss`` alone."""
        assert self.optimizer is not None
        self.optimizer.zero_grad()
        kit.scale_loss(self.network, loss).backward()  # type: ignore[no-untyped-call]

    def update(self, loss: Tensor) -> None:
        """A step of the optimizer along the gradients of ``loss``."""
        assert self.optimizer is not None
        self.backward(loss)
        self.optimizer.step()

    def twin(self, name: str) -> nn.Module:
        """A further network, equal to the present one; it has no gradient."""
        self.networks[name] = copy.deepcopy(self.network).requires_grad_(False)
        return self.networks[name]

    def view(self, images: Tensor, step: int, number: int = 0) -> Tensor:
        """Images augmented at random, by (seed, step, number) and the params' ``augmentation``."""
        random = kit.generator(self.device.params.seed, "edge", self.device.params.method, step, number)
        return kit.augment(images, self.device.params.augmentation, random)

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """The parameters that move, by name."""
        return {name: p for name, p in self.network.named_parameters() if p.requires_grad}

    def keep_start(self) -> None:
        """Keep the parameters that move as they are now, for :meth:`start`."""
        self.extra |= {f"anchor/{name}": p.detach().clone() for name, p in self.named_parameters().items()}

    def start(self, name: str) -> Tensor:
        """The parameter ``name`` as it was when it was kept."""
        return self.extra[f"anchor/{name}"]

    def follow_mean(self, value: Tensor) -> Tensor:
        """The running mean of ``value``, 0.9 of the old one and 0.1 of the new; the first is its own mean."""
        mean = 0.9 * self.extra["mean"] + 0.1 * value if "mean" in self.extra else value
        self.extra["mean"] = mean
        return mean

    def _choose(self) -> None:
        """Let the parameters move that :attr:`trains` names."""
        self.network.requires_grad_(self.trains == "all")
        if self.trains == "norms":
            self.check_norms()
            for norm in self.chosen_norms():
                norm.requires_grad_(True)

    def check_norms(self) -> None:
        """Refuse a network whose norms cannot take the statistics of a batch, before anything runs."""
        kit.use_batch(self.network)

    def chosen_norms(self) -> list[nn.Module]:
        """The batch norms whose scale and offset move."""
        return kit.norm_layers(self.network)


class BatchStatistics(Base):
    """A method whose norms take the statistics of the batch that they see."""

    def predict(self, images: Tensor) -> Tensor:
        kit.use_batch(self.answering)
        return self.infer(self.answering, images).softmax(1)


def follow(teacher: nn.Module, student: nn.Module, momentum: float, moving: set[str]) -> None:
    """teacher ← momentum·teacher + (1 - momentum)·student, for the parameters named in ``moving``, in float32."""
    students = dict(student.named_parameters())
    with kit.torch.no_grad():
        for name, mine in teacher.named_parameters():
            if name in moving:
                mine.lerp_(students[name], 1 - momentum)
