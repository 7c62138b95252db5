"""Knobs of the adapt stage that every method has: a grid of (pair, method, recipe, seed), and the training of a job."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lbt.config import OneOrMore, Section, Seed
from lbt.errors import unknown
from lbt.registry import Registry
from lbt.train.params import Augmentation, Pair

METHODS = Registry("method", "lbt.adapt.methods")

MethodName = Annotated[str, AfterValidator(METHODS.check)]


class Cell(Section):
    """A place in the grid."""

    pair: Pair
    """Source and target domain, written source-target."""
    method: MethodName
    """Name of a file in lbt/adapt/methods."""
    recipe: str
    """Number formats: name of a file in params/recipes, or path of a YAML file."""
    seed: Seed
    """Order of the images, augmentation and stochastic rounding follow from it."""


class Part(Section):
    """A part of the grid: the jobs whose pair, method, recipe and seed are among those named here."""

    pair: OneOrMore[Pair] | None = None
    """Pairs of the part. Default: all of the grid."""
    method: OneOrMore[MethodName] | None = None
    """Methods of the part. Default: all of the grid."""
    recipe: OneOrMore[str] | None = None
    """Recipes of the part. Default: all of the grid."""
    seed: OneOrMore[Seed] | None = None
    """Seeds of the part. Default: all of the grid."""

    def holds(self, cell: Cell) -> bool:
        """True if the job at ``cell`` belongs to the part."""
        return all(named is None or getattr(cell, key) in named for key, named in self)


class Grid(Section):
    """The jobs of the stage."""

    pair: OneOrMore[Pair] = Field(["mnist-optdigits"], min_length=1)
    """Source and target domain, written source-target."""
    method: OneOrMore[MethodName] = Field(["source_only", "adabn", "mean_teacher"], min_length=1)
    """Names of files in lbt/adapt/methods."""
    recipe: OneOrMore[str] = Field(["fp32", "int8", "int4"], min_length=1)
    """Number formats: names of files in params/recipes, or paths of YAML files."""
    seed: OneOrMore[Seed] = Field([0], min_length=1)
    """Order of the images, augmentation and stochastic rounding follow from it."""

    only: list[Part] = Field([])
    """Parts of the grid that are run, where not every combination is wanted; a job belongs to at least one of them.
    Default: the whole grid."""

    def cells(self) -> Iterator[Cell]:
        """Every place of the grid, or of the parts of it that ``only`` names."""
        for pair, method, recipe, seed in product(self.pair, self.method, self.recipe, self.seed):
            cell = Cell(pair=pair, method=method, recipe=recipe, seed=seed)
            if not self.only or any(part.holds(cell) for part in self.only):
                yield cell

    def starts(self) -> list[tuple[str, int]]:
        """Every pair with every seed that a job of the grid has, each once."""
        return list(dict.fromkeys((cell.pair, cell.seed) for cell in self.cells()))

    @model_validator(mode="after")
    def _parts_are_of_the_grid(self) -> Grid:
        for index, part in enumerate(self.only):
            for key, named in part:
                for value in named or ():
                    if value not in getattr(self, key):
                        raise unknown(key, value, getattr(self, key), where=f"only.{index}.{key}")
        return self


class Knobs(Section):
    """Training of each job."""

    steps: int = Field(400, ge=1, le=10_000_000)
    """Optimizer steps of adaptation."""
    source_steps: int = Field(60, ge=0, le=10_000_000)
    """Steps of low-bit training on the source before deployment, for the methods that have no source data later."""
    batch: int = Field(32, ge=2, le=65536)
    """Source images and, apart from them, target images a step."""
    optimizer: Literal["sgd", "adam"] = "sgd"
    """Update rule; the recipe says in which format its state and the weights are kept."""
    lr: float = Field(0.02, gt=0, le=100)
    """Peak learning rate; up over the first tenth, then a cosine to 0."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """Momentum of SGD, first decay of Adam."""
    weight_decay: float = Field(5e-4, ge=0, le=10)
    """L2 penalty."""
    augmentation: Augmentation = "affine"
    """Random change of each training image, see lbt/train/augmentation.py."""
    pair_augmentation: dict[Pair, Augmentation] = Field({"mnist-mnistm": "intensity"})
    """Augmentation of single pairs, where it differs: a colour gap asks for ``intensity``."""
    statistics: Literal["separate", "domain", "network", "shared"] = "separate"
    """Batch-norm statistics: per domain and per network (``separate``), per domain but the teacher's are the student's
    (``domain``), per network but one set for both domains (``network``), or neither (``shared``)."""
    labels_per_class: int = Field(5, ge=1, le=1_000_000)
    """Labelled target images per class for the few-label methods."""
    class_shares: Literal["estimated", "equal"] | dict[str, Annotated[float, Field(gt=0, le=1e9)]] = "estimated"
    """Share of each class in the target: ``estimated`` from the predictions, without a label; ``equal``; or a number
    for each class name, if they are known. Batches, and the losses that aim at a mix of classes, follow it."""
    guard: bool = True
    """Deploy the start (the pretrained network in the recipe's numbers) where the predictions for the target's images
    speak against the adapted one, see lbt/adapt/guard.py. No label is used; methods that have some are not guarded."""
    evaluate_every: int = Field(50, ge=1, le=10_000_000)
    """Steps between evaluations on the target's validation split (for the curve; nothing is chosen by it)."""
    checkpoint_every: int = Field(100, ge=1, le=10_000_000)
    """Steps between checkpoints from which a killed job resumes."""

    def augmentation_of(self, pair: str) -> Augmentation:
        """The augmentation that ``pair`` is trained with."""
        return self.pair_augmentation.get(pair, self.augmentation)


class JobKnobs(Knobs, Cell):
    """One job, without the methods' options."""
