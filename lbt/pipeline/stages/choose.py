"""Which network and which number formats: searched, trained, adapted, and compared with the hand-made one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lbt.config import find_yaml
from lbt.params import Params
from lbt.pipeline.job import METRICS, Job, Paths
from lbt.pipeline.stages.adapt import OUTPUTS as ADAPTED
from lbt.pipeline.stages.data import splits
from lbt.pipeline.stages.pretrain import OUTPUTS as PRETRAINED

SECTIONS = ("choose",)
OUTPUTS = {
    "network": "network.yaml",
    "recipe": "recipe.yaml",
    "model": "model.safetensors",
    "answer": "found.json",
    "svg": "front.svg",
    "png": "front.png",
}
"""Files of the search."""
RUNS = "runs.json"
"""File of the final trainings of one network with one seed."""
ANSWER_OUTPUTS = {"answer": "answer.json", "page": "report.md"}
"""Files of the answer."""
HEADLINE = ("found_minus_handmade", "energy_ratio", "front_kendall_tau", "*/target_accuracy")
SEARCH, ANSWER = "search", "answer"
NETWORKS = ("found", "digit_cnn")
"""Networks of the final trainings: the answer, and the hand-made one."""
NUMBERS = ("fp32", "int8")
"""Recipes of the hand-made network."""


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """The search, the final trainings by network and seed, and the answer; none without a section."""
    if params.choose is None:
        return
    pair, knobs = params.choose_pair, params.choose
    source, target = pair.split("-")
    domains = {"source": made[f"data/{source}"], "target": made[f"data/{target}"]}
    files = (find_yaml("boards", knobs.board).as_posix(), *(find_yaml("recipes", name).as_posix() for name in FORMATS))

    def known(seed: int) -> dict[str, Any]:
        """Params of a job with this seed, which know nothing of the other seeds."""
        section = knobs.model_copy(update={"pair": pair, "seed": [knobs.seed[0]]}).model_dump()
        grid = {"pair", "method", "recipe", "seed", "only"}
        adapting = params.adapt.model_dump(exclude=grid)
        training = params.pretrain.model_dump(exclude={"model", "weights"})
        return {"choose": section, "choose.seed": seed, "pretrain": training, "adapt": adapting}

    first = knobs.seed[0]
    ready = _ready(params, made, first, [(knobs.method, "int8")])
    search = Job("choose", f"{pair}/{SEARCH}", known(first), tuple(OUTPUTS.values()), {**domains, **ready}, files)
    yield search
    finals = {}
    for name in NETWORKS:
        for seed in knobs.seed:
            grid = [(method, recipe) for recipe in NUMBERS for method in ("source_only", knobs.method)]
            own = {} if name == NETWORKS[0] else _ready(params, made, seed, grid)
            needs = {**domains, SEARCH: search, **own}
            one = Job("choose", f"{pair}/{name}/{seed}", known(seed), (RUNS,), needs, files, group=f"{pair}/{name}")
            finals[one.name] = one
            yield one
    needs = {SEARCH: search, **finals}
    yield Job("choose", f"{pair}/{ANSWER}", {}, tuple(ANSWER_OUTPUTS.values()), needs, group=pair)


FORMATS = ("fp32", "int8", "int6", "int4")
"""Recipes that formats are taken from."""


def _ready(params: Params, made: Mapping[str, Job], seed: int, kinds: list[tuple[str, str]]) -> dict[str, Job]:
    """The jobs that train and adapt the hand-made network as the choice would, where the params ask for them."""
    if params.pretrain.model != NETWORKS[1] or params.pretrain.weights is not None:
        return {}
    pair = params.choose_pair
    keys = [f"pretrain/{params.pretrain.start_name(pair, seed)}"]
    keys += [f"adapt/{pair}/{method}/{recipe}/{seed}" for method, recipe in kinds]
    shipped = {find_yaml("recipes", recipe).as_posix() for _, recipe in kinds}  # not another file of that name
    return {
        key: made[key] for key in keys if key in made and (made[key].stage != "adapt" or made[key].files[0] in shipped)
    }


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Run one part of the choice."""
    from lbt.nas.choose.stage import run_answer, run_finals, run_search

    if job.name.endswith(f"/{ANSWER}"):
        found = paths.needs[SEARCH] / OUTPUTS["answer"]
        runs = [folder / RUNS for role, folder in paths.needs.items() if role != SEARCH]
        return run_answer(found, runs, *paths.outs(ANSWER_OUTPUTS).values())
    sections, inputs = _sections(job), _inputs(job, paths)
    if job.name.endswith(f"/{SEARCH}"):
        return run_search(sections, inputs, paths.outs(OUTPUTS), paths.scratch)
    _, name, seed = job.name.split("/")
    found_in = {role: paths.needs[SEARCH] / file for role, file in OUTPUTS.items()}
    return run_finals(sections, inputs, found_in, name, int(seed), paths.out(RUNS), paths.scratch)


def _sections(job: Job) -> Any:
    from lbt.adapt.params import AdaptParams
    from lbt.nas.choose.params import ChooseParams
    from lbt.nas.choose.stage import Sections
    from lbt.pretrain.params import PretrainParams

    return Sections(
        choose=ChooseParams.model_validate(job.params["choose"]),
        training=PretrainParams.model_validate(job.params["pretrain"]),
        adaptation=AdaptParams.model_validate(job.params["adapt"]),
    )


def _inputs(job: Job, paths: Paths) -> Any:
    """Tables of both domains, and what other stages have made of the hand-made network."""
    from lbt.adapt.params import AdaptJob
    from lbt.artifacts import read_json
    from lbt.nas.choose.setting import Made
    from lbt.nas.choose.stage import Inputs
    from lbt.nas.spaces.chain import HAND_MADE
    from lbt.pretrain.params import PretrainJob

    made = []
    for key, need in job.needs.items():
        folder = paths.needs[key]
        if need.stage == "pretrain":
            training = PretrainJob.model_validate({**need.params["pretrain"], "model": HAND_MADE})
            made.append(Made(HAND_MADE, training, folder / PRETRAINED["model"], read_json(folder / METRICS)))
        elif need.stage == "adapt":
            adapting = AdaptJob.model_validate({**need.params["adapt"], "recipe": Path(need.files[0]).stem})
            made.append(Made(HAND_MADE, adapting, folder / ADAPTED["teacher"], read_json(folder / METRICS)))
    return Inputs(source=splits(paths.needs["source"]), target=splits(paths.needs["target"]), made=made)
