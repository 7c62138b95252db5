"""A choice from its images to its answer: the story of ``lbt choose`` and of the stage of that name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from lbt.adapt.params import AdaptParams
from lbt.hardware.boards import Board
from lbt.models import build
from lbt.nas.choose import report
from lbt.nas.choose.answer import BITS, FP32, Answer, Candidate, Evidence
from lbt.nas.choose.images import prepare
from lbt.nas.choose.limits import Limits, millijoules
from lbt.nas.choose.options import Options
from lbt.nas.choose.points import Point, points, write_files
from lbt.nas.choose.price import Shop
from lbt.nas.choose.propose import cheapest
from lbt.nas.choose.real import finals, first
from lbt.nas.choose.search import search, shorts
from lbt.nas.choose.setting import SEARCHED, Setting
from lbt.nas.choose.state import State
from lbt.nas.spaces.chain import HAND_MADE
from lbt.pretrain.params import PretrainParams
from lbt.train.threads import fixed_threads

LEAST_BATCH = 4
"""Images of a step below which batch norm has no statistics."""
HALF = 0.5
"""Share of the hand-made network's energy in int8 that is the limit where none is given."""


def choose(
    source: Path,
    target: Path,
    board: str,
    out: Path,
    *,
    limits: Limits | None = None,
    minutes: float = 30.0,
    seeds: int = 3,
    options: Options | None = None,
    say: Callable[[str], None] = print,
) -> Answer:
    """Choose, train, adapt, and write the report into ``out``; what ``out`` holds already is not done again.

    Args:
        source: labelled images, anything that `lbt look` reads.
        target: images to adapt to, with or without labels.
        board: name or path of a board.
        out: folder of the results.
        limits: of energy and memory. Without one of energy: half of what ``digit_cnn`` takes in int8.
        minutes: of searching; training and adapting the winners comes on top.
        seeds: final trainings of the answer and of the hand-made network.
        options: lengths and sizes.
        say: takes a line for a person.

    Raises:
        LbtError: images or board that cannot be read, or limits that no network meets.
    """
    options, limits = options or Options(), limits or Limits()
    task = prepare(source, target, out / "data")
    for line in task.notes:
        say(f"note: {line}")
    shape = (task.channels, task.size, task.size)
    setting = Setting(
        task=task,
        shop=Shop(Board.load(board), Path(board).stem, shape, options.batch),
        limits=limits,
        options=options,
        pair="source-target",
        training=PretrainParams(steps=options.steps, evaluate_every=max(1, options.steps // 5), pair_augmentation={}),
        adaptation=AdaptParams(
            steps=options.adapt_steps, source_steps=options.source_steps, pair_augmentation={},
            evaluate_every=max(50, options.adapt_steps // 4),
        ),
        state=state(out / "state", task.identity),
        out=out,
        say=say,
        minutes=minutes,
    )  # type: ignore[call-arg]  # fmt: skip
    answer, setting, winners = searched(setting)
    with fixed_threads():
        for seed in range(options.seed, options.seed + seeds):
            for point in winners:
                answer = answer.plus(finals(setting, point.contender, seed, answer.known))
    answer = replace(answer, seconds=setting.state.seconds, trainings=setting.state.count("trial"))
    report.write(answer, out)
    write_files(winners[0], out)
    say("\n" + report.text(answer))
    return answer


def state(folder: Path, images: list[str], **more: str) -> State:
    """The finished work in ``folder`` on these images, with these versions of the libraries."""
    return State(folder, {"images": images, "lbt": version("lbt"), "torch": version("torch"), **more})


@fixed_threads()
def searched(setting: Setting) -> tuple[Answer, Setting, list[Point]]:
    """Search, choose formats, adapt every point once, and let the evidence choose.

    Returns:
        The answer; the setting with its limits and its batch; the winner and the hand-made network, each once.

    Raises:
        LbtError: limits that no network meets.
    """
    setting = feasible(setting)
    found = search(setting)
    setting.say("formats by layer:")
    made = points(setting, found)
    setting.say("adaptation:")
    ordered, runs, evidence = first(setting, made)
    answer = Answer(
        board=setting.shop.name,
        batch=setting.shop.batch,
        limits=str(setting.limits),
        method=setting.options.method,
        seed=setting.options.seed,
        short=shorts(setting, found.short, found.short_values),
        points=[candidate(setting, point, evidence.get(point.name)) for point in ordered],
        runs=runs,
        trainings=setting.state.count("trial"),
        dropped=setting.dropped,
    )
    return answer, setting, list({point.name: point for point in (ordered[0], ordered[-1])}.values())


def candidate(setting: Setting, point: Point, evidence: Evidence | None) -> Candidate:
    """A point as data."""
    prices = {BITS: point.price, FP32: setting.price(point.trial.text, FP32)}
    return Candidate(point.name, point.trial.text, point.trial.source, point.worth, evidence, prices)


def feasible(setting: Setting) -> Setting:
    """The setting with a limit of energy, and with a batch in which some network meets the limits."""
    options, limits, task = setting.options, setting.limits, setting.task
    if math.isinf(limits.energy):
        hand = setting.shop.price(build(HAND_MADE, len(task.classes), task.channels), SEARCHED)
        limits = replace(limits, energy=HALF * hand.energy)
        setting.say(f"no limit of energy: half of digit_cnn's in int8, {millijoules(limits.energy)} a trained image")
    setting = smaller_batches(replace(setting, limits=limits))
    waves = f"{options.waves} waves" if math.isinf(setting.minutes) else f"{setting.minutes:g} minutes"
    setting.say(f"{len(task.classes)} classes, {task.channels}×{task.size}×{task.size}; {limits}; searching {waves}")
    if setting.options.batch < options.batch:
        setting.say(f"no network meets the limits in batches of {options.batch}: batches of {setting.options.batch}")
    return setting


def smaller_batches(setting: Setting) -> Setting:
    """``setting`` with a batch that is halved, down to ``LEAST_BATCH``, until some network meets the limits."""
    batch = setting.options.batch
    while batch >= 2 * LEAST_BATCH and not setting.feasible(cheapest(setting)):
        batch //= 2
        setting = setting.with_batch(batch)
    return setting
