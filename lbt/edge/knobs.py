"""Knobs of the edge stage that every method has: a grid of (stream, method, recipe, seed), and the stream itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, Field

from lbt.config import OneOrMore, Section, Seed
from lbt.edge.corruptions import CorruptionName
from lbt.edge.streams import StreamName
from lbt.registry import Registry
from lbt.train.params import Augmentation

METHODS = Registry("method", "lbt.edge.methods")
OptimizerName = Literal["sgd", "adam"]
MethodName = Annotated[str, AfterValidator(METHODS.check)]


class Training(Section):
    """Update rule of an online method; each method has its own published defaults."""

    optimizer: OptimizerName = "adam"
    """Update rule; the recipe says in which format its state and the weights are kept."""
    lr: float = Field(1e-3, gt=0, le=100)
    """Learning rate, constant."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """Momentum of SGD, first decay of Adam."""


class Grid(Section):
    """The jobs of the stage."""

    stream: OneOrMore[StreamName] = Field(["continual"], min_length=1)
    """Protocols: names of files in lbt/edge/streams."""
    method: OneOrMore[MethodName] = Field(["none", "tent"], min_length=1)
    """Names of files in lbt/edge/methods."""
    recipe: OneOrMore[str] = Field(["fp32", "int8"], min_length=1)
    """Number formats: names of files in params/recipes, or paths of YAML files."""
    seed: OneOrMore[Seed] = Field([0], min_length=1)
    """The pretrained network, the order of the images, corruptions and stochastic rounding follow from it."""


class Knobs(Section):
    """Stream and deployment of each job."""

    source: str | None = None
    """Domain on which the network was pretrained. Default: the source of the adaptation's first pair."""
    target: str | None = None
    """Domain whose test images make the stream. Default: the source itself."""
    corruption: OneOrMore[CorruptionName] = Field(
        ["gaussian_noise", "defocus_blur", "fog", "contrast", "jpeg_compression"], min_length=1
    )
    """Corruptions in the order of a continual stream: names of files in lbt/edge/corruptions. The stream ``time``
    leaves its images as they are."""
    severity: int = Field(5, ge=1, le=5)
    """Severity of the corruptions."""
    images: int | None = Field(None, ge=1, le=1_000_000_000)
    """Test images that are used, chosen by the seed; each appears under every corruption. Default: all."""
    batch: int = Field(64, ge=1, le=65536)
    """Images that arrive together."""
    dirichlet: float = Field(0.1, gt=0, le=1e6)
    """Concentration of the class shares of the stream ``correlated``: smaller makes longer runs of a class."""
    source_steps: int = Field(40, ge=0, le=10_000_000)
    """Steps of low-bit training on the source before deployment, so that no method is judged by the rounding of a float
    network."""
    source_lr: float = Field(0.02, gt=0, le=100)
    """Peak learning rate of these steps."""
    augmentation: Augmentation = "affine"
    """Random change of an image for the methods that compare views, see lbt/train/augmentation.py."""
    checkpoint_every: int = Field(50, ge=1, le=10_000_000)
    """Batches between checkpoints from which a killed job resumes."""
    board: str = "zcu102"
    """Board of milliseconds and energy: a name in params/boards, or a path."""


class JobKnobs(Knobs):
    """One job, without the methods' options."""

    stream: StreamName
    """Name of a file in lbt/edge/streams."""
    method: MethodName
    """Name of a file in lbt/edge/methods."""
    recipe: str
    """Number formats: name of a file in params/recipes, or path of a YAML file."""
    seed: Seed
    """The order of the images, corruptions and stochastic rounding follow from it."""


class Deployed(Protocol):
    """Facts on a network's deployment that every online method uses; a job of any stage or command has them.

    Iterating gives names and values, among them the method's options.
    """

    @property
    def method(self) -> str:
        """Name of the method."""

    @property
    def seed(self) -> int:
        """Seed of everything random."""

    @property
    def batch(self) -> int:
        """Images that arrive together."""

    @property
    def augmentation(self) -> Augmentation:
        """Random change of an image."""

    @property
    def source_steps(self) -> int:
        """Steps of low-bit training before deployment."""

    @property
    def source_lr(self) -> float:
        """Peak learning rate of these steps."""

    @property
    def checkpoint_every(self) -> int:
        """Batches between checkpoints."""

    @property
    def board(self) -> str:
        """Board of milliseconds and energy."""

    def __iter__(self) -> Iterator[tuple[str, Any]]: ...
