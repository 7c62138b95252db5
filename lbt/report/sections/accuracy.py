"""Accuracy on the target domain, by method and recipe: what a run is made for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lbt.report import figures
from lbt.report.found import Found
from lbt.report.page import Block
from lbt.report.tables import NOT_MEASURED, Stat, grouped, markdown, shown

PLACE = 10


def block(found: Found) -> Block:
    """Bars with their deviation over seeds, and the table."""
    rows = found.rows("adapt")
    stats, source = grouped(rows, "target_accuracy"), grouped(rows, "student/source_accuracy")
    networks = {(row["parts"][0], row["start"]): {**row, "group": row["parts"][0]} for row in rows}
    pretrained = grouped(list(networks.values()), "before/target_accuracy")
    collapsed = grouped(rows, "collapsed")
    groups = dict.fromkeys(row["group"] for row in rows)
    header = ["pair", "method", "recipe", "target accuracy, %", "source accuracy, %", "seeds"]
    body = [
        [pair.replace("-", " → "), "none (pretrained)", "fp32", shown(pretrained.get(pair)), "", str(count)]
        for pair, count in Counter(pair for pair, _ in networks).items()
    ]
    for group in groups:
        pair, method, recipe = group.split("/")
        note = " (collapsed)" if collapsed[group].mean else ""
        target, kept = shown(stats.get(group)) + note, shown(source.get(group))
        body.append([pair.replace("-", " → "), method, recipe, target, kept, str(collapsed[group].n)])
    return Block(
        "Adaptation: accuracy on the target domain",
        "Mean and standard deviation over seeds on the target's test split, which is read once, at the end. The dashed "
        "line is the pretrained float network before any adaptation." + _guarded(rows) + _unknown(rows),
        _draw(stats, {pair: stat.mean for pair, stat in pretrained.items()})
        if stats
        else figures.nothing("no target of this run has labelled test images: accuracy is not measured"),
        [
            ("pair", "method", "recipe", "mean", "std", "n"),
            *((*group.split("/"), *_cells(stats.get(group))) for group in groups),
        ],
        markdown(header, body),
    )


def _guarded(rows: Sequence[Mapping[str, Any]]) -> str:
    """A sentence on the jobs in which the guard refused the adapted network."""
    refused = Counter("/".join(row["parts"][1:3]) for row in rows if row.get("rolled_back"))
    if not refused:
        return ""
    named = ", ".join(f"{name} ({count} seed{'s' if count > 1 else ''})" for name, count in sorted(refused.items()))
    return (
        f" In {sum(refused.values())} of {len(rows)} jobs the unlabelled evidence spoke against the adapted network, "
        f"and the pretrained one, in the recipe's numbers, was deployed instead: {named}."
    )


def _unknown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Sentences on the pairs whose target has classes that the network does not know."""
    sentences = []
    for pair in dict.fromkeys(row["parts"][0] for row in rows):
        mine = [row for row in rows if row["parts"][0] == pair and row.get("unknown_share")]
        if not mine:
            continue
        areas = []
        for name in ("entropy", "margin"):
            found = [row[f"unknown/{name}_auroc"] for row in mine if row.get(f"unknown/{name}_auroc") is not None]
            areas += [f"{name} {min(found):.2f} to {max(found):.2f}"] if found else []
        noticed = f" The jobs' AUROC of noticing them without labels: {', '.join(areas)}." if areas else ""
        sentences.append(
            f" Of the labelled test images of {pair.replace('-', ' → ')}, {100 * mine[0]['unknown_share']:.1f} % are "
            f"of classes that the network does not know, and are left out of its accuracy.{noticed}"
        )
    return "".join(sentences)


def _cells(stat: Stat | None) -> tuple[str, str, int]:
    return (NOT_MEASURED, NOT_MEASURED, 0) if stat is None else (f"{stat.mean:.4f}", f"{stat.std:.4f}", stat.n)


def _draw(stats: Mapping[str, Stat], before: Mapping[str, float]) -> Figure:
    """Target accuracy by method and recipe, one panel per pair, bars with the deviation over seeds.

    Args:
        stats: by group ``pair/method/recipe``, percent.
        before: accuracy of the pretrained network on the target, by pair.
    """
    pairs = list(dict.fromkeys(group.split("/")[0] for group in stats))
    recipes = list(dict.fromkeys(group.split("/")[2] for group in stats))
    longest = max(sum(group.startswith(f"{pair}/") for group in stats) for pair in pairs) / len(recipes)
    figure, axes = figures.new(max(5.0, 1.5 * longest) * len(pairs), 3.2, len(pairs))
    for axis, pair in zip(axes, pairs, strict=True):
        methods = list(dict.fromkeys(group.split("/")[1] for group in stats if group.startswith(f"{pair}/")))
        width = 0.8 / len(recipes)
        for index, recipe in enumerate(recipes):
            found = [
                (x, stats[f"{pair}/{m}/{recipe}"]) for x, m in enumerate(methods) if f"{pair}/{m}/{recipe}" in stats
            ]
            places = [x + width * (index - (len(recipes) - 1) / 2) for x, _ in found]
            axis.bar(places, [s.mean for _, s in found], width * 0.92, color=figures.colour(index), label=recipe,
                     yerr=[s.std for _, s in found], error_kw={"linewidth": 1})  # fmt: skip
        axis.axhline(before[pair], color="0.3", linestyle="--", linewidth=1, label="pretrained, float")
        axis.set_xticks(range(len(methods)), methods)
        axis.set_title(pair.replace("-", " → "))
        axis.set_ylabel("target accuracy, %")
        low = min([s.mean - s.std for g, s in stats.items() if g.startswith(f"{pair}/")] + [before[pair]])
        axis.set_ylim(max(0.0, np.floor(low / 10) * 10 - 5), 101)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8)
    return figure
