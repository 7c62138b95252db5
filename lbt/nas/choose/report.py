"""The answer for people and for machines: ``report.md``, ``report.json``, the front as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from lbt.artifacts import atomic, write_json
from lbt.nas.choose.limits import kilobytes, millijoules
from lbt.nas.choose.points import NETWORK, RECIPE, Point, write_network
from lbt.nas.choose.real import BITS, FP32, Outcome, Run
from lbt.nas.choose.search import Found, front
from lbt.nas.choose.setting import Setting
from lbt.report.tables import NOT_MEASURED, Stat, markdown, shown

HEADER = ("", "network", "numbers", "method", "target accuracy, %", "agreement, %", "energy/image", "time/image", "LUT",
          "step's memory")  # fmt: skip


METRICS = "report.json"
"""Name of the file of :func:`numbers`."""


def accuracy(runs: Sequence[Run], point: str, method: str, recipe: str) -> Stat | None:
    """Target accuracy over the seeds; None where it was not measured."""
    found = [r.accuracy for r in runs if (r.point, r.method, r.recipe) == (point, method, recipe)]
    known = [value for value in found if value is not None]
    return Stat.of(known) if known else None


def table(setting: Setting, outcome: Outcome) -> str:
    """One row for each point, kind of numbers and method that was run; ``→`` is the answer."""
    body, runs = [], outcome.runs
    for place, point in enumerate(outcome.points):
        for recipe in (BITS, FP32):
            price = point.price if recipe == BITS else setting.price(point.trial.text, FP32)
            for method in dict.fromkeys(run.method for run in runs if (run.point, run.recipe) == (point.name, recipe)):
                mark = "→" if place == 0 and recipe == BITS and method == setting.options.method else ""
                numbers = FP32 if recipe == FP32 else "int8" if point.name == "digit_cnn" else "its bits"
                body.append([
                    mark, point.name, numbers, method, shown(accuracy(runs, point.name, method, recipe)),
                    _expected(outcome, point, method, recipe, setting), millijoules(price.energy),
                    f"{1e6 * price.seconds:.0f} µs", f"{price.lut:,}", kilobytes(price.memory),
                ])  # fmt: skip
    return markdown(HEADER, body)


def _expected(outcome: Outcome, point: Point, method: str, recipe: str, setting: Setting) -> str:
    """Agreement with the committee, of the networks that were asked."""
    known = method == setting.options.method and recipe == BITS and point.name in outcome.evidence
    return f"{outcome.evidence[point.name]:.1f}" if known else ""


def kendall(setting: Setting, outcome: Outcome, predicted: Mapping[str, float]) -> float | None:
    """Kendall's tau of a prediction by point with real accuracy in its formats, the first seed; None if unknown."""
    asked = (setting.options.method, BITS, setting.options.seed)
    known = {r.point: r.accuracy for r in outcome.runs if (r.method, r.recipe, r.seed) == asked}
    pairs = [(predicted[name], right) for name, right in known.items() if right is not None and name in predicted]
    if len(pairs) < 3:
        return None
    tau = float(kendalltau(*zip(*pairs, strict=True)).statistic)
    return tau if np.isfinite(tau) else None


def numbers(setting: Setting, outcome: Outcome) -> dict[str, Any]:
    """The answer as one flat object: accuracies in percent, joules, seconds, bytes; null where not measured."""
    points, runs = outcome.points, outcome.runs
    answer, hand = points[0], points[-1]
    found: dict[str, Any] = {"network": answer.trial.text, "board": setting.shop.name, "batch": setting.shop.batch}
    for name, point in (("found", answer), ("handmade", hand)):
        found |= {
            f"{name}/energy_joules": point.price.energy,
            f"{name}/seconds": point.price.seconds,
            f"{name}/lut": point.price.lut,
            f"{name}/memory_bytes": point.price.memory,
            f"{name}/agreement": outcome.evidence.get(point.name),
        }
        for recipe in (BITS, FP32):
            for method in dict.fromkeys(run.method for run in runs):
                stat = accuracy(runs, point.name, method, recipe)
                found[f"{name}/{method}/{recipe}/target_accuracy"] = None if stat is None else stat.mean
                found[f"{name}/{method}/{recipe}/target_accuracy_std"] = None if stat is None else stat.std
    ours = accuracy(runs, answer.name, setting.options.method, BITS)
    theirs = accuracy(runs, hand.name, setting.options.method, FP32)
    return found | {
        "found_minus_handmade": None if ours is None or theirs is None else ours.mean - theirs.mean,
        "energy_ratio": answer.price.energy / hand.price.energy,
        "front_kendall_tau": kendall(setting, outcome, outcome.evidence),
        "search_kendall_tau": kendall(setting, outcome, {point.name: point.worth for point in points}),
        "points": len(points) - 1,
        "seeds": setting.seeds,
        "trainings": sum(name.startswith("trial-") for name in (*setting.state.done, *setting.state.reused)),
        "dropped": "; ".join(setting.dropped),
        "seconds": setting.state.seconds,
    }


def text(setting: Setting, outcome: Outcome) -> str:
    """The report in Markdown, its first paragraph the answer."""
    answer, hand = outcome.points[0], outcome.points[-1]
    ours = accuracy(outcome.runs, answer.name, setting.options.method, BITS)
    theirs = accuracy(outcome.runs, hand.name, setting.options.method, FP32)
    if answer is hand:
        lines = [
            "No network in a mixture of formats meets the limits after a full training: the hand-made one is left."
        ]
    else:
        lines = [
            f"Take `{answer.trial.text}` in the formats of {RECIPE}: target accuracy after {setting.options.method} "
            f"{_percent(ours)} (digit_cnn in FP32: {_percent(theirs)}), {millijoules(answer.price.energy)} a trained "
            f"image on {setting.shop.name}, {answer.price.energy / hand.price.energy:.2f} times digit_cnn's in int8."
        ]
    lines += ["", f"Limits: {setting.limits}. Batches of {setting.shop.batch}.", "", table(setting, outcome), ""]
    worth = {point.name: point.worth for point in outcome.points}
    for words, predicted in (("agreement with the committee", outcome.evidence), ("the search's worth", worth)):
        tau = kendall(setting, outcome, predicted)
        told = NOT_MEASURED if tau is None else f"{tau:.2f}"
        lines.append(f"Kendall's tau of {words} and real accuracy over {len(outcome.points)} points, one seed: {told}.")
    lines += [f"Left out for want of time: {line}." for line in setting.dropped]
    return "\n".join(lines) + "\n"


def _percent(stat: Stat | None) -> str:
    return shown(stat) + (" %" if stat else "")


def write(setting: Setting, found: Found, outcome: Outcome) -> str:
    """Write everything into the folder of the results; return the report."""
    out, report, answer = setting.out, text(setting, outcome), outcome.points[0]
    with atomic(out / "report.md") as temporary:
        temporary.write_text(f"# Which network, which bits\n\n{report}", encoding="utf-8")
    write_json(out / METRICS, numbers(setting, outcome))
    write_network(out / NETWORK, answer.trial.text)
    with atomic(out / RECIPE) as temporary:
        temporary.write_bytes(answer.files[1].read_bytes())
    draw(setting, found, outcome.points, out)
    return report


def draw(setting: Setting, found: Found, points: Sequence[Point], out: Path) -> None:
    """``front.svg`` and ``front.png``: worth over energy, the front, and the answer."""
    from lbt.report.figures import colour, new, save

    figure, (axis,) = new(6.0, 4.0)
    energies = np.array([1e3 * setting.price(one.text).energy for one in found.short])
    axis.scatter(energies[1:], found.short_values[1:], s=14, color="0.7", label="short training, int8")
    order = front(setting, found.short, found.short_values)
    axis.step(energies[order], found.short_values[order], where="post", color=colour(0), label="front")
    axis.scatter(energies[:1], found.short_values[:1], marker="s", color=colour(2), label="digit_cnn, int8")
    for place, point in enumerate(points[:-1]):
        label = "answer, its bits" if place == 0 else "trained in full, its bits" if place == 1 else None
        worth = [one.text for one in found.short].index(point.trial.text)
        axis.scatter(
            1e3 * point.price.energy, found.short_values[worth], marker="*" if place == 0 else "o",
            s=120 if place == 0 else 30, color=colour(1 if place == 0 else 4), label=label, zorder=3,
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_xlabel("mJ a trained image")
    axis.set_ylabel("worth after a short training, points")
    axis.legend(fontsize=7)
    save(figure, out, "front")
