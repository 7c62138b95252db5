"""The answer for people and for machines: sentences, tables, numbers, the front as a figure and as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import kendalltau

from lbt.artifacts import atomic, write_json
from lbt.nas.choose.answer import BITS, FP32, WITHOUT, Answer, Candidate, Evidence, Short
from lbt.nas.choose.limits import kilobytes, millijoules
from lbt.report.tables import NOT_MEASURED, Stat, markdown, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS, PAGE, FRONT = "report.json", "report.md", "front"
"""Names of the files of :func:`numbers` and :func:`text`, and of the figure without its suffix."""
HEADER = ("network", "numbers", "target accuracy, %", "not adapted, %", "seeds", "mJ/image", "µs/image", "LUT",
          "step's memory, kB")  # fmt: skip


def text(answer: Answer) -> str:
    """The report in Markdown, its first paragraph the answer."""
    lines = [
        sentence(answer),
        "",
        f"Limits: {answer.limits}. Batches of {answer.batch}. Board: {answer.board}. Adaptation: {answer.method}.",
        "",
        table(answer),
        "",
        "Every network that was trained in full, adapted once in its formats:",
        "",
        points_table(answer),
        "",
    ]
    expected = {"the evidence (agreement and neighbours)": evidence(answer), "the search's worth": worth(answer)}
    for words, predicted in expected.items():
        tau = kendall(answer, predicted)
        told = NOT_MEASURED if tau is None else f"{tau:.2f}"
        lines.append(f"Kendall's tau of {words} and real accuracy over {len(answer.points)} points, one seed: {told}.")
    lines += [f"Left out for want of time: {line}." for line in answer.dropped]
    return "\n".join(lines) + "\n"


def sentence(answer: Answer) -> str:
    """The answer in words, and in one sentence what it loses or gains."""
    best, hand = answer.best, answer.hand_made
    if best is hand:
        return "No network in a mixture of formats meets the limits after a full training: the hand-made one is left."
    ratio = best.prices[BITS].energy / hand.prices[BITS].energy
    take = (
        f"Take `{best.text}` in the formats of recipe.yaml: {millijoules(best.prices[BITS].energy)} a trained image on "
        f"{answer.board}, {ratio:.2f} times digit_cnn's in int8."
    )
    ours, theirs = accuracies(answer)
    if ours is None or theirs is None:
        return f"{take} Accuracy on the target is not measured: no test image of it has a label."
    gain = round(ours.mean - theirs.mean, 1)
    told = "loses {:.1f} points of" if gain < 0 else "gains {:.1f} points of" if gain > 0 else "keeps the"
    return (
        f"{take} After {answer.method} it {told.format(abs(gain))} target accuracy against digit_cnn in FP32: "
        f"{ours.show()} % against {theirs.show()} %."
    )


def accuracies(answer: Answer) -> tuple[Stat | None, Stat | None]:
    """Target accuracy after adaptation of the answer in its formats, and of the hand-made network in float32."""
    ours = answer.accuracy(answer.best.name, answer.method, BITS)
    return ours, answer.accuracy(answer.hand_made.name, answer.method, FP32)


def table(answer: Answer) -> str:
    """The answer beside the hand-made network, each in its formats and in float32."""
    rows = []
    for point in dict.fromkeys((0, len(answer.points) - 1)):
        for recipe in (BITS, FP32):
            rows.append(_row(answer, answer.points[point], recipe))
    return markdown(HEADER, rows)


def _row(answer: Answer, point: Candidate, recipe: str) -> list[str]:
    name = "digit_cnn" if point is answer.hand_made else f"found: {point.text}"
    numbers_ = FP32 if recipe == FP32 else "int8" if point is answer.hand_made else "its own by layer"
    after, price = answer.accuracy(point.name, answer.method, recipe), point.prices[recipe]
    return [
        name, numbers_, shown(after), shown(answer.accuracy(point.name, WITHOUT, recipe)),
        str(sum((run.point, run.method, run.recipe) == (point.name, answer.method, recipe) for run in answer.runs)),
        f"{1e3 * price.energy:.3f}", f"{1e6 * price.seconds:.0f}", f"{price.lut:,}", f"{price.memory / 1e3:,.0f}",
    ]  # fmt: skip


def points_table(answer: Answer) -> str:
    """One row for each point, ``→`` is the answer."""
    first = answer.first
    body = [
        [
            "→" if place == 0 else "", point.name, point.text, *_shown(point.evidence), f"{point.worth:.1f}",
            _percent(first.get(point.name)), millijoules(point.prices[BITS].energy),
            kilobytes(point.prices[BITS].memory),
        ]
        for place, point in enumerate(answer.points)
    ]  # fmt: skip
    header = ["", "point", "network", "agreement, %", "neighbours, %", "worth", "target accuracy, %", "energy/image",
              "step's memory"]  # fmt: skip
    return markdown(header, body)


def _shown(evidence: Evidence | None) -> tuple[str, str]:
    return (NOT_MEASURED,) * 2 if evidence is None else (f"{evidence.agreement:.1f}", f"{evidence.neighbours:.1f}")


def _percent(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.1f}"


def evidence(answer: Answer) -> dict[str, float]:
    """Evidence without a label by point, where there is some."""
    return {point.name: point.evidence.mean for point in answer.points if point.evidence is not None}


def worth(answer: Answer) -> dict[str, float]:
    """Expectations of the search, by point."""
    return {point.name: point.worth for point in answer.points}


def kendall(answer: Answer, predicted: Mapping[str, float]) -> float | None:
    """Kendall's tau of a prediction by point with real accuracy in its formats, the first seed; None if unknown."""
    known = answer.first.items()
    pairs = [(predicted[name], right) for name, right in known if right is not None and name in predicted]
    if len(pairs) < 3:
        return None
    tau = float(kendalltau(*zip(*pairs, strict=True)).statistic)
    return tau if np.isfinite(tau) else None


def numbers(answer: Answer) -> dict[str, Any]:
    """The answer as one flat object: accuracies in percent, joules, seconds, bytes; null where not measured."""
    found: dict[str, Any] = {"network": answer.best.text, "board": answer.board, "batch": answer.batch}
    for name, point in (("found", answer.best), ("handmade", answer.hand_made)):
        price = point.prices[BITS]
        found |= {
            f"{name}/energy_joules": price.energy,
            f"{name}/seconds": price.seconds,
            f"{name}/lut": price.lut,
            f"{name}/memory_bytes": price.memory,
            f"{name}/agreement": None if point.evidence is None else point.evidence.agreement,
            f"{name}/neighbours": None if point.evidence is None else point.evidence.neighbours,
        }
        for recipe in (BITS, FP32):
            for method in answer.methods:
                stat = answer.accuracy(point.name, method, recipe)
                found[f"{name}/{method}/{recipe}/target_accuracy"] = None if stat is None else stat.mean
                found[f"{name}/{method}/{recipe}/target_accuracy_std"] = None if stat is None else stat.std
    ours, theirs = accuracies(answer)
    return found | {
        "found_minus_handmade": None if ours is None or theirs is None else ours.mean - theirs.mean,
        "energy_ratio": answer.best.prices[BITS].energy / answer.hand_made.prices[BITS].energy,
        "front_kendall_tau": kendall(answer, evidence(answer)),
        "search_kendall_tau": kendall(answer, worth(answer)),
        "points": len(answer.points) - 1,
        "seeds": len({run.seed for run in answer.runs}),
        "trainings": answer.trainings,
        "dropped": "; ".join(answer.dropped),
        **({} if answer.seconds is None else {"seconds": answer.seconds}),
    }


def write(answer: Answer, out: Path) -> None:
    """Write page, numbers and figure into the folder ``out``."""
    from lbt.report.figures import save

    write_page(answer, out / PAGE)
    write_json(out / METRICS, numbers(answer))
    save(draw(answer), out, FRONT)


def write_page(answer: Answer, path: Path) -> None:
    """Write :func:`text` under a title."""
    with atomic(path) as temporary:
        temporary.write_text(f"# Which network, which bits\n\n{text(answer)}", encoding="utf-8")


def front_lines(short: Sequence[Short]) -> list[str]:
    """The front of the short trainings as lines with bars for a terminal, the cheapest network first."""
    levels = [one.worth for one in short]
    low, high = min(levels), max(*levels, min(levels) + 1e-9)
    lines = [f"front after {len(short)} short trainings (worth: source accuracy + evidence on the target):"]
    for one in sorted((one for one in short if one.front), key=lambda one: one.energy):
        bar = "█" * (1 + round(24 * (one.worth - low) / (high - low)))
        lines.append(f"  {millijoules(one.energy):>10} {one.worth:6.1f} {bar}")
    return lines


def draw(answer: Answer) -> Figure:
    """Worth over energy: short trainings, the front, and the points in their formats."""
    from lbt.report.figures import colour, new

    figure, (axis,) = new(6.0, 4.0)
    hand, *others = answer.short
    axis.scatter(
        [1e3 * one.energy for one in others], [one.worth for one in others], s=14, color="0.7",
        label="short training, int8",
    )  # fmt: skip
    best = sorted((one for one in answer.short if one.front), key=lambda one: one.energy)
    axis.step(
        [1e3 * one.energy for one in best], [one.worth for one in best], where="post", color=colour(0), label="front"
    )
    axis.scatter([1e3 * hand.energy], [hand.worth], marker="s", color=colour(2), label="digit_cnn, int8")
    levels = {one.text: one.worth for one in answer.short}
    for place, point in enumerate(answer.points[:-1]):
        axis.scatter(
            1e3 * point.prices[BITS].energy, levels[point.text], marker="*" if place == 0 else "o",
            s=120 if place == 0 else 30, color=colour(1 if place == 0 else 4), zorder=3,
            label="answer, its formats" if place == 0 else "trained in full, its formats" if place == 1 else None,
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_xlabel("mJ a trained image")
    axis.set_ylabel("worth after a short training, points")
    axis.legend(fontsize=7)
    return figure
