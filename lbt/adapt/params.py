"""Params of the adapt stage: the grid, the knobs, and each method's options, which stand in the method's file."""

from __future__ import annotations

from collections.abc import Iterator

from lbt.adapt.knobs import METHODS as METHODS
from lbt.adapt.knobs import Grid, JobKnobs, Knobs
from lbt.adapt.methods.dann import AdversarialOptions
from lbt.adapt.methods.fixmatch import FixmatchOptions
from lbt.adapt.methods.mcd import McdOptions
from lbt.adapt.methods.mean_teacher import MeanTeacherOptions
from lbt.adapt.methods.shot import ShotOptions
from lbt.adapt.methods.tent import TentOptions
from lbt.config import Section, narrowed


class MethodOptions(Section):
    """A section for each file of lbt/adapt/methods that has options."""

    mean_teacher: MeanTeacherOptions = MeanTeacherOptions()
    """Options of mean_teacher and mean_teacher_few_label."""
    adversarial: AdversarialOptions = AdversarialOptions()
    """Options of dann and cdan."""
    mcd: McdOptions = McdOptions()
    """Options of mcd."""
    tent: TentOptions = TentOptions()
    """Options of tent."""
    shot: ShotOptions = ShotOptions()
    """Options of shot."""
    fixmatch: FixmatchOptions = FixmatchOptions()
    """Options of fixmatch and of dsbn's pseudo-labels."""


class AdaptJob(MethodOptions, JobKnobs):
    """One low-bit training on the target domain."""


class AdaptParams(MethodOptions, Knobs, Grid):
    """Low-bit training on the target domain, from the pretrained network of the source domain."""

    def job(self, pair: str, method: str, recipe: str, seed: int) -> AdaptJob:
        """The job of these values, in the grid or not."""
        return narrowed(self, AdaptJob, pair=pair, method=method, recipe=recipe, seed=seed)

    def jobs(self) -> Iterator[AdaptJob]:
        """Every job of the grid, or of the parts of it that ``only`` names."""
        return (self.job(cell.pair, cell.method, cell.recipe, cell.seed) for cell in self.cells())
