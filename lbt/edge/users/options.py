"""Options of making one user's package, of asking for labels, and of a run over users."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from lbt.config import Section, Seed
from lbt.edge.users.masks import CriterionName
from lbt.edge.users.questions import QuestionName
from lbt.edge.users.trains import TrainName
from lbt.pretrain.params import ModelName
from lbt.train.params import Augmentation


def _nothing(value: object) -> object:
    """None for ``none``, as a command line says it."""
    return None if value in ("none", "null") else value


class Options(Section):
    """Masks, training and budgets of one user."""

    train: TrainName = "low_rank"
    """Parameters that move: name of a file in lbt/edge/users/trains."""
    masks: Annotated[CriterionName | None, BeforeValidator(_nothing)] = "taylor"
    """Criterion of the channel masks: name of a file in lbt/edge/users/masks; none: no masks."""
    operations: float = Field(0.5, gt=0, le=1)
    """Share of the backbone's multiply–accumulates that the masks leave."""
    rounds: int = Field(4, ge=1, le=1000)
    """Rounds of training: the first without masks, then the share falls by the cubic schedule of schedule.py."""
    steps: int = Field(200, ge=0, le=10_000_000)
    """Training steps, over all rounds."""
    batch: int = Field(32, ge=2, le=65536)
    """Images a step: half of them with labels where there are any."""
    optimizer: Literal["sgd", "adam"] = "sgd"
    """Update rule; the recipe says in which format its state and the weights are kept."""
    lr: float = Field(0.01, gt=0, le=100)
    """Peak learning rate of each round: up over a tenth of its steps, then a cosine to 0."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """Momentum of SGD, first decay of Adam."""
    agreement: float = Field(1.0, ge=0, le=1000)
    """Factor of the loss under masks: cross-entropy, on all images, with what the network said before the round."""
    last: int | None = Field(None, ge=1, le=100_000)
    """Number of layers that ``last`` trains. Default: as many as fit the budgets."""
    rank: int = Field(2, ge=1, le=4096)
    """Rank of the adapters of ``low_rank``."""
    memory: int | None = Field(None, ge=1)
    """Budget of a training step in bytes, by the account of lbt.hardware. Default: none."""
    package: Annotated[float | None, BeforeValidator(_nothing)] = Field(0.05, gt=0, le=100)
    """Budget of the package as a share of the backbone's bytes in the recipe's codes; binds ``auto`` and ``last``
    without a number; none: no budget."""
    augmentation: Augmentation = "minimal"
    """Random change of a training image, see lbt/train/augmentation.py."""
    guard: bool = True
    """Leave the backbone as it is where the evidence speaks against the personal network."""
    seed: Seed = 0
    """Order of the images, augmentation, adapters and stochastic rounding follow from it."""


class Asking(Section):
    """Labels that the device asks for while a user's images arrive."""

    ask: int = Field(0, ge=0, le=10_000_000)
    """Questions for each period of the stream, beside the labels that the user gives unasked; 0: none."""
    questions: QuestionName = "margin"
    """Choice of the images: name of a file in lbt/edge/users/questions."""
    ask_period: int | None = Field(None, ge=1, le=1_000_000_000)
    """Images after which the questions are renewed, such as a day's. Default: the whole stream."""
    ask_updates: int = Field(1, ge=0, le=1000)
    """Number of times that the network which judges the images is trained anew on the answers, at equal distances."""


class RunOptions(Options, Asking):
    """A run over users: labels, number formats, and the backbone where none is given."""

    layout: str | None = None
    """Meaning of a folder's folders, from the outside in, such as user/class. Default: by their names."""
    name: str | None = None
    """Pattern of file names that hold a label or a user: {label}_{user}_{index}."""
    labels: int = Field(5, ge=0, le=1_000_000)
    """Labels a class that each user gives, the earliest ones; 0: none."""
    recipe: str = "int8"
    """Number formats: name of a file in params/recipes, or path of a YAML file."""
    folds: int | None = Field(None, ge=2, le=1_000_000)
    """Groups of users that are left out together, each with a backbone of its own. Default: each user alone."""
    model: ModelName = "digit_cnn"
    """Network of the backbones: name of a file in lbt/models, or your own, as my_package.my_module:build."""
    channels: Literal[1, 3] = 3
    """Colour channels of its input."""
    size: int = Field(32, ge=8, le=512)
    """Height and width of its input in pixels."""
    pretrain_steps: int = Field(500, ge=1, le=10_000_000)
    """Steps of its pretraining in float32."""
    pretrain_augmentation: Augmentation = "standard"
    """Random change of an image in its training."""
    source_steps: int = Field(800, ge=0, le=10_000_000)
    """Steps of its training in the recipe's numbers, with and without random masks."""
