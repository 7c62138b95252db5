"""The params file as a whole: the stages' sections put together, and what only the whole can check."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from lbt.adapt.params import AdaptParams
from lbt.config import Section, load_yaml
from lbt.data.params import DataParams
from lbt.edge.params import EdgeParams
from lbt.errors import LbtError, told, unknown
from lbt.hardware.boards import Board
from lbt.hardware.params import HardwareParams
from lbt.nas.choose.params import ChooseParams
from lbt.nas.predictors.params import PredictorParams
from lbt.nas.search.params import SearchParams
from lbt.nas.supernet.params import SupernetParams
from lbt.pretrain.params import PretrainParams
from lbt.recipe import Recipe


class Params(Section):
    """The settings of one run. Every section and every key has a default."""

    reproducible: bool = True
    """Float results that are the same on every x86-64 processor with AVX2 (docs/reliability.md): one thread a job, and
    no newer instructions. false: as fast as the machine can."""
    data: DataParams = DataParams()
    """Domains: where the images come from."""
    pretrain: PretrainParams = PretrainParams()
    """The float network that every adaptation starts from."""
    adapt: AdaptParams = AdaptParams()
    """Low-bit training on the target domain: a grid of pairs, methods, recipes and seeds."""
    edge: EdgeParams = EdgeParams()
    """Adaptation on the device while a stream is predicted: a grid of streams, methods, recipes and seeds."""
    supernet: SupernetParams = SupernetParams()
    """A weight-sharing network over a cell space, and the one-shot scores that it gives."""
    predictor: PredictorParams = PredictorParams()
    """Architecture predictors on the benchmark table."""
    search: SearchParams = SearchParams()
    """Architecture search on the benchmark table."""
    choose: ChooseParams | None = None
    """Which network and which number formats for the user's images and board (docs/choose.md). Default: not asked."""
    hardware: HardwareParams = HardwareParams()
    """The cost of a training step on a device."""

    @property
    def supernet_domain(self) -> str:
        """The domain that the supernet is trained on."""
        return self.supernet.domain or self.adapt.pair[0].split("-")[0]

    @property
    def choose_pair(self) -> str:
        """The pair that a network is chosen for."""
        return (self.choose and self.choose.pair) or self.adapt.pair[0]

    @property
    def edge_source(self) -> str:
        """The domain on which the network of the edge stage was pretrained."""
        return self.edge.source or self.adapt.pair[0].split("-")[0]


def load_params(path: str | Path) -> Params:
    """Read and check a params file.

    Raises:
        LbtError: one line with file, key, what was found and what is accepted.
    """
    params = load_yaml(path, Params)
    for error in _contradictions(params):
        raise LbtError(f"{path}: {error}")
    return params


def _contradictions(params: Params) -> Iterator[str]:
    """Mistakes between sections, or in a name that stands for a file."""
    domains = params.data.domains
    for index, pair in enumerate(params.adapt.pair):
        yield from _unknown_domains(pair, domains, f"adapt.pair.{index}")
    if params.choose is not None:
        yield from _unknown_domains(params.choose_pair, domains, "choose.pair")
        if params.pretrain.steps == 0:
            yield "choose: trains networks of its own; accepted: pretrain.steps of 1 or more"
    single = {"supernet.domain": params.supernet.domain}
    single |= {"edge.source": params.edge.source, "edge.target": params.edge.target}
    for key, named in single.items():
        if named is not None and named not in domains:
            yield str(unknown("domain", named, domains, where=key))
    recipes = [(f"adapt.recipe.{index}", name) for index, name in enumerate(params.adapt.recipe)]
    recipes += [(f"edge.recipe.{index}", name) for index, name in enumerate(params.edge.recipe)]
    boards = [("hardware.board", params.hardware.board), ("edge.board", params.edge.board)]
    boards += [] if params.choose is None else [("choose.board", params.choose.board)]
    if params.search.cost != "none":
        recipes.append(("search.recipe", params.search.recipe))
        boards.append(("search.board", params.search.board))
    for load, given in ((Recipe.load, recipes), (Board.load, boards)):
        for key, name in given:
            try:
                load(name)
            except LbtError as error:
                yield f"{key}: {error}"
            except OSError as error:  # a name that is too long for the system
                yield f"{key}: found {told(name)}: {error.strerror}"


def _unknown_domains(pair: str, domains: Collection[str], where: str) -> Iterator[str]:
    for domain in pair.split("-"):
        if domain not in domains:
            yield str(unknown("domain", domain, domains, where=where))
