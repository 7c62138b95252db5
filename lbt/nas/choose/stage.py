"""The jobs of the choose stage: the search, the final trainings of one network with one seed, and the answer.

They are `lbt choose` in parts. The waves, and not the clock, say when the search ends, and nothing of the host is in an
output. Networks are trained as the stages pretrain and adapt would train them, so that what these have made of the
hand-made network is taken from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lbt.adapt.params import AdaptParams
from lbt.artifacts import atomic, made_by, read_json, write_json
from lbt.config import narrowed
from lbt.hardware.boards import Board
from lbt.nas.choose import report
from lbt.nas.choose.answer import Answer, Run
from lbt.nas.choose.images import Task
from lbt.nas.choose.options import Options
from lbt.nas.choose.params import ChooseParams
from lbt.nas.choose.points import Contender, write_files
from lbt.nas.choose.price import Shop
from lbt.nas.choose.real import finals
from lbt.nas.choose.run import searched, state
from lbt.nas.choose.setting import SEARCHED, Made, Setting
from lbt.nas.choose.trial import model_file
from lbt.nas.spaces.chain import HAND_MADE
from lbt.pretrain.params import PretrainParams
from lbt.report.figures import save
from lbt.train.threads import fixed_threads

Files = Mapping[str, Path]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Data, and what other stages have made.

    Attributes:
        source, target: image tables by part.
        made: trainings of the hand-made network that are not done again.
    """

    source: Files
    target: Files
    made: Sequence[Made] = ()


@dataclass(frozen=True, kw_only=True)
class Sections:
    """The sections of the params file that say what is done.

    Attributes:
        choose: size of the search, board, limits.
        training: of a network on the source.
        adaptation: to the target.
    """

    choose: ChooseParams
    training: PretrainParams
    adaptation: AdaptParams


def setting_of(sections: Sections, inputs: Inputs, scratch: Path, say: Callable[[str], None]) -> Setting:
    """The setting of a job whose unfinished work lies in ``scratch``."""
    knobs, training, adaptation = sections.choose, sections.training, sections.adaptation
    options = narrowed(
        knobs, Options, seed=knobs.seed[0], batch=adaptation.batch, steps=training.steps, adapt_steps=adaptation.steps,
        source_steps=adaptation.source_steps,
    )  # fmt: skip
    task = Task.of(inputs.source, inputs.target, training.channels, training.size)
    return Setting(
        task=task,
        shop=Shop(
            Board.load(knobs.board), Path(knobs.board).stem, (task.channels, task.size, task.size), options.batch
        ),
        limits=knobs.limits,
        options=options,
        pair=str(knobs.pair),
        training=training,
        adaptation=adaptation,
        state=state(scratch / "state", task.identity, made_by=made_by()),
        out=scratch,
        say=say,
        made=inputs.made,
    )


def run_search(
    sections: Sections, inputs: Inputs, outputs: Files, scratch: Path, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Search, choose formats, adapt every point once, and let the evidence choose.

    Args:
        sections: of the params file.
        inputs: data, and what other stages have made.
        outputs: files to write: ``network``, ``recipe``, ``model`` (the answer after its training on the source),
            ``answer`` (JSON), ``svg`` and ``png`` (the front).
        scratch: folder of unfinished work.
        say: takes a line for a person.

    Returns:
        Trainings on the source, points, and worth of the answer.
    """
    answer, setting, winners = searched(setting_of(sections, inputs, scratch, say))
    best = winners[0]
    folder = outputs["network"].parent
    write_files(best, folder)
    model = model_file(setting, best.trial.text, setting.options.steps, setting.options.seed)
    with atomic(outputs["model"]) as temporary:
        temporary.write_bytes(model.read_bytes())
    answer.write(outputs["answer"])
    save(report.draw(answer), folder, report.FRONT)
    return {"trainings": answer.trainings, "points": len(answer.points) - 1, "worth": answer.best.worth}


@fixed_threads()
def run_finals(
    sections: Sections, inputs: Inputs, searched_in: Files, name: str, seed: int, runs: Path, scratch: Path,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:  # fmt: skip
    """The adaptations of the answer or of the hand-made network with one seed, those of the search left out.

    Args:
        sections: of the params file.
        inputs: data, and what other stages have made.
        searched_in: outputs of :func:`run_search`.
        name: ``found`` or ``digit_cnn``.
        seed: of pretraining and adaptation.
        runs: JSON file to write.
        scratch: folder of unfinished work.
        say: takes a line for a person.

    Returns:
        ``<method>/<numbers>/target_accuracy`` in percent, null without labels.
    """
    answer = Answer.read(searched_in["answer"])
    setting = setting_of(sections, inputs, scratch, say).with_batch(answer.batch)
    if name == HAND:
        one = Contender(answer.hand_made.name, HAND_MADE, SEARCHED)
    else:
        one = Contender(answer.best.name, answer.best.text, str(searched_in["recipe"]))
        trained = setting.pretraining(one.text, setting.options.steps, answer.seed)
        ready = Made(one.text, trained, searched_in["model"], {"validation_accuracy": answer.best.source})
        setting = replace(setting, made=[*setting.made, ready])
    found = [] if name != HAND and answer.best is answer.hand_made else finals(setting, one, seed, answer.known)
    write_json(runs, {"runs": [asdict(run) for run in found]})
    earlier = [run for run in answer.runs if (run.point, run.seed) == (one.name, seed)]
    return {f"{run.method}/{run.recipe}/target_accuracy": run.accuracy for run in (*earlier, *found)}


HAND = "digit_cnn"
"""Name of the hand-made network among the final trainings."""


def run_answer(answer: Path, runs: Sequence[Path], merged: Path, page: Path) -> dict[str, Any]:
    """Put the final trainings into the search's answer; write all of it, and the page for people.

    Returns:
        :func:`lbt.nas.choose.report.numbers`.
    """
    whole = Answer.read(answer)
    for path in runs:
        whole = whole.plus([Run(**one) for one in read_json(path)["runs"]])
    whole.write(merged)
    report.write_page(whole, page)
    return report.numbers(whole)
