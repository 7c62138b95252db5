"""Params of the edge stage: the grid, the knobs, and each method's options, which stand in the method's file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from lbt.config import Section, narrowed
from lbt.edge.knobs import METHODS as METHODS
from lbt.edge.knobs import Grid, JobKnobs, Knobs
from lbt.edge.methods.cotta import CottaOptions
from lbt.edge.methods.eata import EataOptions
from lbt.edge.methods.lame import LameOptions
from lbt.edge.methods.mean_teacher import MeanTeacherOptions
from lbt.edge.methods.norm_prior import NormPriorOptions
from lbt.edge.methods.roid import RoidOptions
from lbt.edge.methods.rotta import RottaOptions
from lbt.edge.methods.sar import SarOptions
from lbt.edge.methods.supervised import SupervisedOptions
from lbt.edge.methods.tent import TentOptions


class MethodOptions(Section):
    """A section for each file of lbt/edge/methods that has options."""

    norm_prior: NormPriorOptions = NormPriorOptions()
    """Options of norm_prior."""
    tent: TentOptions = TentOptions()
    """Options of tent."""
    eata: EataOptions = EataOptions()
    """Options of eata."""
    cotta: CottaOptions = CottaOptions()
    """Options of cotta."""
    mean_teacher: MeanTeacherOptions = MeanTeacherOptions()
    """Options of mean_teacher."""
    rotta: RottaOptions = RottaOptions()
    """Options of rotta."""
    sar: SarOptions = SarOptions()
    """Options of sar."""
    lame: LameOptions = LameOptions()
    """Options of lame."""
    roid: RoidOptions = RoidOptions()
    """Options of roid."""
    supervised: SupervisedOptions = SupervisedOptions()
    """Options of supervised."""


class EdgeJob(MethodOptions, JobKnobs):
    """One stream through one deployed network."""


class EdgeParams(MethodOptions, Knobs, Grid):
    """Adaptation on the device, while a stream of corrupted images is predicted."""

    def job(self, stream: str, method: str, recipe: str, seed: int) -> EdgeJob:
        """The job of these values, in the grid or not."""
        return narrowed(self, EdgeJob, stream=stream, method=method, recipe=recipe, seed=seed)

    def jobs(self) -> Iterator[EdgeJob]:
        """Every job of the grid."""
        return (self.job(*cell) for cell in product(self.stream, self.method, self.recipe, self.seed))
