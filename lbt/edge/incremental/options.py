"""Options of incremental learning: the stream, the network, and what all methods share. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SerializeAsAny

from lbt.config import Section, Seed
from lbt.edge.incremental.sizes import Bytes
from lbt.edge.knobs import OptimizerName, Training
from lbt.pretrain.params import ModelName
from lbt.registry import Registry
from lbt.train.params import Augmentation

METHODS = Registry("method", "lbt.edge.incremental.methods")
POLICIES = Registry("policy", "lbt.edge.incremental.policies")
MethodName = Annotated[str, AfterValidator(METHODS.check)]
PolicyName = Annotated[str, AfterValidator(POLICIES.check)]


class Options(Training):
    """Update rule of every method."""

    optimizer: OptimizerName = "sgd"
    """Update rule; the recipe says in which format its state and the weights are kept."""
    lr: float = Field(0.01, gt=0, le=100)
    """Learning rate, constant."""
    updates: int = Field(4, ge=1, le=10_000)
    """Updates for each batch that arrives; the batch is gone afterwards."""
    statistics: Literal["kept", "batch"] = "batch"
    """Statistics by which norms normalise in training: those that they have, as constants, or those of the batch, which
    then move the running ones."""


class Rehearsed(Options):
    """Update rule of every method that learns remembered examples."""

    rehearsed: int = Field(32, ge=1, le=65536)
    """Remembered examples beside each batch; fewer while the memory holds fewer."""


class RehearsalOptions(Rehearsed):
    """Update rule and bounded memory."""

    budget: Bytes = 64_000
    """Bytes of the memory: values, labels and counters. Accepts 64kB, 1MiB."""
    policy: PolicyName = "balanced"
    """Choice of what stays in the memory: name of a file in lbt/edge/incremental/policies."""


class Knobs(Section):
    """Stream and network, the same for every method."""

    classes_per_task: int | None = Field(None, ge=1, le=65536)
    """Classes of a domain that arrive together. Default: all, so that each domain is a task."""
    images: int | None = Field(None, ge=1, le=1_000_000_000)
    """Training images of a task, the first of its split. Default: all."""
    features: str | None = None
    """Domain on which the network's features are pretrained; its classifier is dropped. Default: the first task, whose
    classifier stays."""
    model: ModelName = "digit_cnn"
    """Network: name of a file in lbt/models, or your own, as my_package.my_module:build."""
    channels: Literal[1, 3] = 3
    """Colour channels of its input."""
    size: int = Field(32, ge=8, le=512)
    """Height and width of its input in pixels."""
    pretrain_steps: int = Field(300, ge=1, le=10_000_000)
    """Steps of its pretraining in float32."""
    source_steps: int = Field(40, ge=0, le=10_000_000)
    """Steps of low-bit training on the same images before deployment, so that no method is judged by the rounding of a
    float network."""
    source_lr: float = Field(0.02, gt=0, le=100)
    """Peak learning rate of these steps."""
    batch: int = Field(32, ge=2, le=65536)
    """Images that arrive together."""
    augmentation: Augmentation = "minimal"
    """Random change of an image that is learnt, see lbt/train/augmentation.py; of a remembered image, not of a latent
    one."""
    checkpoint_every: int = Field(50, ge=1, le=10_000_000)
    """Batches between checkpoints from which a killed run resumes."""
    board: str = "zcu102"
    """Board of milliseconds and energy: a name in params/boards, or a path."""


class Job(Knobs):
    """One method under one recipe."""

    method: MethodName
    """Name of a file in lbt/edge/incremental/methods."""
    recipe: str = "int8"
    """Number formats: name of a file in params/recipes, or path of a YAML file."""
    seed: Seed = 0
    """Pretraining, order of the images, augmentation, memory and stochastic rounding follow from it."""
    options: SerializeAsAny[Options]
    """Options of the method."""
