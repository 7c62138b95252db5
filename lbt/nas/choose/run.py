"""A choice from two paths to the report: the story of ``lbt choose``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from lbt.adapt.params import METHODS
from lbt.errors import LbtError
from lbt.hardware.boards import Board
from lbt.models import build
from lbt.nas.choose import report
from lbt.nas.choose.images import prepare
from lbt.nas.choose.limits import Limits, millijoules
from lbt.nas.choose.options import Options
from lbt.nas.choose.points import points
from lbt.nas.choose.price import Shop
from lbt.nas.choose.propose import cheapest
from lbt.nas.choose.real import Outcome, real
from lbt.nas.choose.search import search
from lbt.nas.choose.setting import SEARCHED, Setting
from lbt.nas.choose.state import State
from lbt.nas.spaces.chain import HAND_MADE
from lbt.train.threads import fixed_threads

LEAST_BATCH = 4
"""Images of a step below which batch norm has no statistics."""
HALF = 0.5
"""Share of the hand-made network's energy in int8 that is the limit where none is given."""


@fixed_threads()
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
) -> Outcome:
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

    Returns:
        The points, the answer first and the hand-made network last, with their adaptations and evidence.

    Raises:
        LbtError: images or board that cannot be read, or limits that no network meets.
    """
    options, limits = options or Options(), limits or Limits()
    if not METHODS.load(options.method, "method").Method.guarded():
        raise LbtError(f"method: found {options.method}; accepted: one that adapts to the target without its labels")
    device = Board.load(board)
    task = prepare(source, target, out / "data")
    for line in task.notes:
        say(f"note: {line}")
    shop = Shop(device, Path(board).stem, (task.channels, task.size, task.size), options.batch)
    hand = shop.price(build(HAND_MADE, len(task.classes), task.channels), SEARCHED)
    if math.isinf(limits.energy):
        limits = replace(limits, energy=HALF * hand.energy)
        say(f"no --energy: half of digit_cnn's in int8, {millijoules(limits.energy)} a trained image")
    common = {"images": task.identity, "lbt": version("lbt"), "torch": version("torch")}
    setting = Setting(task, shop, limits, options, State(out / "state", common), minutes, seeds, out, say)
    setting = smaller_batches(setting)
    say(
        f"{len(task.classes)} classes, {task.channels}×{task.size}×{task.size}; {limits}; searching {minutes:g} minutes"
    )
    if setting.options.batch < options.batch:
        say(f"no network meets the limits in batches of {options.batch}: batches of {setting.options.batch}")
    found = search(setting)
    say("formats by layer:")
    made = points(setting, found)
    say("adaptation:")
    outcome = real(setting, made)
    say("\n" + report.write(setting, found, outcome))
    return outcome


def smaller_batches(setting: Setting) -> Setting:
    """``setting`` with a batch that is halved, down to ``LEAST_BATCH``, until some network meets the limits."""
    batch = setting.options.batch
    while batch >= 2 * LEAST_BATCH and not setting.feasible(cheapest(setting)):
        batch //= 2
        shop, options = replace(setting.shop, batch=batch), setting.options.model_copy(update={"batch": batch})
        setting = replace(setting, shop=shop, options=options, _prices={})
    return setting
