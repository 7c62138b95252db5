"""Knobs of the adapt stage: a grid of (pair, method, recipe, seed) and how each job of it is trained."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lbt.config import OneOrMore, Section, Seed, narrowed
from lbt.errors import unknown
from lbt.registry import Registry
from lbt.train.params import Augmentation, Pair

METHODS = Registry("method", "lbt.adapt.methods")

MethodName = Annotated[str, AfterValidator(METHODS.check)]


class MeanTeacherParams(Section):
    """Self-ensembling (arXiv 1706.05208)."""

    weight: float = Field(10.0, ge=0, le=1e6)
    """Weight of the squared difference between the student's and the teacher's class probabilities."""
    teacher_augmentation: Augmentation | None = "standard"
    """Random change of the images that the teacher sees; the student sees the pair's. null: as the student."""
    ema: float = Field(0.99, ge=0, lt=1)
    """Decay of the teacher's moving average per step."""
    confidence: float = Field(0.9, ge=0, le=1)
    """A target image counts only if the teacher's largest probability exceeds this; 0 uses every image."""
    ramp_up: int = Field(0, ge=0, le=10_000_000)
    """Steps over which the weight rises as exp(-5(1-t)²), the alternative to a threshold."""
    class_balance: float = Field(3.0, ge=0, le=1e6)
    """Weight of the class-balance term, relative to ``weight``."""


class AdversarialParams(Section):
    """DANN (arXiv 1505.07818) and CDAN (arXiv 1705.10667)."""

    weight: float = Field(0.3, ge=0, le=1e6)
    """Final weight of the reversed gradient; it rises as 2/(1+exp(-10 p))-1 with progress p."""
    hidden: int = Field(128, ge=1, le=65536)
    """Width of the domain discriminator's hidden layer."""


class McdParams(Section):
    """Maximum classifier discrepancy (arXiv 1712.02560)."""

    weight: float = Field(1.0, ge=0, le=1e6)
    """Weight of the discrepancy between the two classifiers."""
    repeats: int = Field(2, ge=1, le=8)
    """Generator updates per step (the paper's n; it uses 4)."""


class TentParams(Section):
    """Entropy minimisation of the norm layers' affine parameters (arXiv 2006.10726)."""

    lr: float = Field(0.003, gt=0, le=100)
    """Learning rate of scale and offset; the classifier and the convolutions stay."""


class ShotParams(Section):
    """Source hypothesis transfer (arXiv 2002.08546)."""

    pseudo: float = Field(0.3, ge=0, le=1e6)
    """Weight of the cross-entropy with pseudo-labels from nearest class centroids."""
    refresh: int = Field(50, ge=1, le=10_000_000)
    """Steps between two computations of the pseudo-labels."""


class FixmatchParams(Section):
    """FixMatch (arXiv 2001.07685): few target labels and the unlabelled rest."""

    confidence: float = Field(0.95, ge=0, le=1)
    """A pseudo-label counts only if the largest probability on the weak view exceeds this."""
    weight: float = Field(1.0, ge=0, le=1e6)
    """Weight of the unlabelled loss."""


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
    """How each job is trained."""

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
    """How often each class comes up in the target: ``estimated`` from the predictions, without a label; ``equal``; or a
    number for each class name, if they are known. Batches, and the losses that aim at a mix of classes, follow it."""
    evaluate_every: int = Field(50, ge=1, le=10_000_000)
    """Steps between evaluations on the target's validation split (for the curve; nothing is chosen by it)."""
    checkpoint_every: int = Field(100, ge=1, le=10_000_000)
    """Steps between checkpoints from which a killed job resumes."""

    mean_teacher: MeanTeacherParams = Field(default_factory=lambda: MeanTeacherParams.model_validate({}))
    """Options of mean_teacher and mean_teacher_few_label."""
    adversarial: AdversarialParams = Field(default_factory=lambda: AdversarialParams.model_validate({}))
    """Options of dann and cdan."""
    mcd: McdParams = Field(default_factory=lambda: McdParams.model_validate({}))
    """Options of mcd."""
    tent: TentParams = Field(default_factory=lambda: TentParams.model_validate({}))
    """Options of tent."""
    shot: ShotParams = Field(default_factory=lambda: ShotParams.model_validate({}))
    """Options of shot."""
    fixmatch: FixmatchParams = Field(default_factory=lambda: FixmatchParams.model_validate({}))
    """Options of fixmatch and of dsbn's pseudo-labels."""

    def augmentation_of(self, pair: str) -> Augmentation:
        """The augmentation that ``pair`` is trained with."""
        return self.pair_augmentation.get(pair, self.augmentation)


class AdaptJob(Knobs, Cell):
    """One low-bit training on the target domain."""


class AdaptParams(Knobs, Grid):
    """Low-bit training on the target domain, from the pretrained network of the source domain."""

    def job(self, pair: str, method: str, recipe: str, seed: int) -> AdaptJob:
        """The job of these values, in the grid or not."""
        return narrowed(self, AdaptJob, pair=pair, method=method, recipe=recipe, seed=seed)

    def jobs(self) -> Iterator[AdaptJob]:
        """Every job of the grid, or of the parts of it that ``only`` names."""
        return (self.job(cell.pair, cell.method, cell.recipe, cell.seed) for cell in self.cells())
