"""Options of making one user's package."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lbt.config import Section, Seed
from lbt.edge.users.masks import CriterionName
from lbt.edge.users.trains import TrainName
from lbt.train.params import Augmentation


class Options(Section):
    """Masks, training and budgets of one user."""

    train: TrainName = "auto"
    """Parameters that move: name of a file in lbt/edge/users/trains."""
    masks: CriterionName | None = "taylor"
    """Criterion of the channel masks: name of a file in lbt/edge/users/masks; null: no masks."""
    operations: float = Field(0.5, gt=0, le=1)
    """Share of the backbone's multiply–accumulates that the masks leave."""
    rounds: int = Field(3, ge=1, le=1000)
    """Rounds of masking and training; the share falls to its end by the cubic schedule of schedule.py."""
    steps: int = Field(90, ge=0, le=10_000_000)
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
    """Factor of the loss on images without a label: cross-entropy with what the whole backbone says of them."""
    last: int | None = Field(None, ge=1, le=100_000)
    """Number of layers that ``last`` trains. Default: as many as fit the budgets."""
    rank: int = Field(1, ge=1, le=4096)
    """Rank of the adapters of ``low_rank``."""
    memory: int | None = Field(None, ge=1)
    """Budget of a training step in bytes, by the account of lbt.hardware. Default: none."""
    package: float | None = Field(0.05, gt=0, le=100)
    """Budget of the package as a share of the backbone's bytes in the recipe's codes; binds ``auto`` and ``last``
    without a number. null: none."""
    augmentation: Augmentation = "minimal"
    """Random change of a training image, see lbt/train/augmentation.py."""
    guard: bool = True
    """Leave the backbone as it is where the evidence speaks against the personal network."""
    seed: Seed = 0
    """Order of the images, augmentation, adapters and stochastic rounding follow from it."""
