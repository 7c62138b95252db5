"""Fills the tables of docs/predictors.md from docs/results/, and draws its figures.

    python benchmarks/predictors_page.py

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``; a test fails when page and numbers disagree.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import _pages
import _runs
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS, IMAGES = ROOT / "docs" / "predictors.md", ROOT / "docs" / "results", ROOT / "docs" / "images"

SIZES = (78, 390, 781, 3906, 7812)
ENCODERS = ("mlp", "lstm", "gcn", "gates", "ta_gates", "flan", "paths_gp", "best")
QUOTED: dict[str, tuple[str, ...]] = {
    "*one-hot MLP, same ranking loss (peer)*": (".599", ".747", ".807", "", ""),
    "*GATES of aw_nas (peer, 3 seeds)*": (".747 ± .020", ".858 ± .002", ".894 ± .004", "", ""),
    "*GP on live-path features (peer)*": (".778", ".839", ".865", "", ""),
    "*GATES, the paper, original table*": (".740", ".863", ".880", ".919", ".926"),
}
OWN = {
    "chain/100": "chains, 100 labels",
    "chain/400": "chains, 400",
    "cells/100": "cells, 100",
    "cells/400": "cells, 400",
}
STRATEGIES = ("random", "evolution", "annealing", "predictor")
QUERIES = (25, 50, 100, 150)
SEEDS = 5
FEW = {
    "labels alone": "contrast/{}/labels",
    "encoder, predictor, decoder": "reconstruction/{}/reconstruction",
    "momentum contrast": "contrast/{}/contrast",
    "pseudo-labels of its own": "pseudo_labels/{}/self",
    "pseudo-labels of the process": "pseudo_labels/{}/process",
    "the process itself": "pseudo_labels/{}/teacher",
}
NOISY = {
    "the scores": "noisy",
    "predictor, same cells": "fitted",
    "predictor, held out": "held_out",
    "with 20 true values": "fused",
    "20 true values alone": "alone",
}

Rows = dict[str, dict[str, Any]]


def main() -> None:
    """Rewrite the page and the figures."""
    rows = read_rows()
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")
    draw(rows)


def read_rows() -> Rows:
    """All rows of the committed results, by name; others begin with ``search/`` and ``own/``."""
    rows = {row["name"]: row for row in json.loads((RESULTS / "predictors.json").read_text())}
    searched = json.loads((RESULTS / "predictors_search.json").read_text())
    own = json.loads((RESULTS / "own_tables.json").read_text())
    return rows | {
        f"{kind}/{row['name']}": row for kind, found in (("search", searched), ("own", own)) for row in found
    }


def filled(page: str, rows: Rows) -> str:
    """The page with every marked table made from ``rows``."""
    return _pages.fill(page, tables(rows))


def tables(rows: Rows) -> dict[str, str]:
    """Every table of the page as Markdown."""
    tau = {f"**`{e}`**": [f"{e}/{size}/kendall_tau" for size in SIZES] for e in ENCODERS}
    details = {
        f"`{e}`, {size}": [f"{e}/{size}/{m}" for m in ("precision_at_5%", "n_at_10", "error_tau", "seconds")]
        for e in ("mlp", "gates", "paths_gp", "best")
        for size in SIZES
    }
    regret = {
        f"`{s}`": [tuple(f"search/{s}/{q}/regret_{k}" for k in ("median", "lower", "upper")) for q in QUERIES]
        for s in STRATEGIES
    }
    return {
        "tau": grid(rows, "predictor", [f"{size:,} cells" for size in SIZES], tau, QUOTED),
        "details": grid(rows, "predictor, cells", ["precision@5 %", "N@10", "τ of error", "seconds"], details),
        "few": few_labels(rows),
        "transfer": over(rows, "transfer", ("qat", "analog"), ("alone", "transfer"), (10, 20, 78, 390)),
        "active": active(rows),
        "denoise": denoise(rows),
        "one_shot": one_shot(rows),
        "subspace": subspaces(rows),
        "calibration": calibration(rows),
        "own": own_tables(rows),
        "bounds": bounds(rows),
        "reward": rewards(rows),
        "regret": grid(rows, "strategy", [f"{q} evaluations" for q in QUERIES], regret),
        "trade_off": grid(
            rows,
            "strategy",
            ["hypervolume share"],
            {f"`{s}`": [f"search/trade_off/{s}/hypervolume"] for s in STRATEGIES},
        ),
    }


def own_tables(rows: Rows) -> str:
    """Tau of ``auto`` and of single predictors on tables that they were not designed on."""
    names = ("auto", "best", "gates", "mlp", "paths_gp", "onehot_gp", "onehot_gp+columns")
    named = {f"`{name}`": [f"own/{place}/{name}/kendall_tau" for place in OWN] for name in names}
    named |= {"`auto` minus the best single one": [f"own/{place}/auto/minus_best_single" for place in OWN]}
    named |= {"seconds of `auto`": [f"own/{place}/auto/seconds" for place in OWN]}
    return grid(rows, "", list(OWN.values()), named)


def bounds(rows: Rows) -> str:
    """Shares of held-out values and ranks inside the bounds of ``auto``, and how wide those of the ranks are."""
    labels = {
        "values inside": "interval_coverage",
        "ranks inside": "rank_coverage",
        "width of the ranks' bounds": "rank_width",
    }
    named = {label: [f"own/{place}/auto/{key}" for place in OWN] for label, key in labels.items()}
    return grid(rows, "", list(OWN.values()), named)


def rewards(rows: Rows) -> str:
    """Regret with and without a fine objective, by the noise of the coarse one."""
    noises = (0.3, 1.0, 3.0)
    named = {"the noisy accuracy alone": [f"search/reward/nwot/{noise}/without/regret" for noise in noises]}
    named |= {
        f"with `{fine}` below the threshold": [f"search/reward/{fine}/{noise}/with/regret" for noise in noises]
        for fine in ("nwot", "analog")
    }
    return grid(rows, "search by", [f"noise {noise} points" for noise in noises], named)


def few_labels(rows: Rows) -> str:
    """GATES on k labels, alone and with each kind of help."""
    counts = (20, 78, 390)
    named = {label: [f"{pattern.format(k)}/kendall_tau" for k in counts] for label, pattern in FEW.items()}
    return grid(rows, "GATES with", [f"{k} labels" for k in counts], named)


def over(rows: Rows, job: str, targets: tuple[str, ...], ways: tuple[str, ...], counts: tuple[int, ...]) -> str:
    """An experiment's ways (rows) over the number of labels (columns), for each target."""
    named = {f"`{t}`, {way}": [f"{job}/{t}/{k}/{way}/kendall_tau" for k in counts] for t in targets for way in ways}
    named |= {f"`{t}`, source's predictor": [f"{job}/{t}/source/kendall_tau"] * len(counts) for t in targets}
    return grid(rows, "target, from", [f"{k} labels" for k in counts], named)


def active(rows: Rows) -> str:
    """Choice rules over the number of labels: tau, and regret in brackets' stead as a second table row."""
    rules, counts = ("random", "uncertain", "diverse", "improvement"), (40, 60, 80, 100, 120)
    named = {f"`{r}`, τ": [f"active/{r}/{k}/kendall_tau" for k in counts] for r in rules}
    named |= {f"`{r}`, regret": [f"active/{r}/{k}/regret" for k in counts] for r in rules}
    return grid(rows, "next cells by", [f"{k} labels" for k in counts], named)


def denoise(rows: Rows) -> str:
    """Noise strengths over what is judged."""
    named = {
        f"{strength}": [f"denoise/{strength}/{c}/kendall_tau" for c in NOISY.values()]
        for strength in (0.5, 1.0, 2.0, 4.0)
    }
    return grid(rows, "noise / signal", list(NOISY), named)


def one_shot(rows: Rows) -> str:
    """The supernet's scores, cleaned, and as a prior."""
    columns = {"one-shot scores": "score", "predictor, same cells": "fitted", "predictor, held out": "held_out",
               "20 labels": "20/alone", "20 and the prior": "20/prior", "78 labels": "78/alone",
               "78 and the prior": "78/prior"}  # fmt: skip
    return grid(rows, "", list(columns), {"τ": [f"one_shot/{c}/kendall_tau" for c in columns.values()]})


def subspaces(rows: Rows) -> str:
    """Tau of the one-shot scores with one edge fixed."""
    operations = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    edges = ("0>1", "0>2", "1>2", "0>3", "1>3", "2>3")
    named = {f"{e}": [f"one_shot/subspace/{e}/{o}/kendall_tau" for o in operations] for e in edges}
    return grid(rows, "edge", [o.replace("nor_", "") for o in operations], named)


def calibration(rows: Rows) -> str:
    """The difference between stated and observed coverage."""
    columns = ("calibration_error", "log_likelihood", "error_tau")
    named = {
        f"{label}, {k} cells": [f"calibration/{k}/{key}/{c}" for c in columns]
        for key, label in (("process", "process"), ("raw", "five GATES"), ("scaled", "five GATES, scaled"))
        for k in (78, 390)
    }
    return grid(rows, "uncertainty of", ["calibration error", "log likelihood", "τ with the error"], named)


def grid(
    rows: Rows,
    corner: str,
    columns: list[str],
    named: dict[str, list[Any]],
    quoted: dict[str, tuple[str, ...]] | None = None,
) -> str:
    """A Markdown table; lines without any number are left out."""
    lines = [[corner, *columns], ["---"] * (len(columns) + 1)]
    lines += [[label, *cells] for label, cells in (quoted or {}).items()]
    for label, names in named.items():
        cells = [cell(rows, name) for name in names]
        if any(cells):
            lines.append([label, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(rows: Rows, name: str | tuple[str, str, str]) -> str:
    """``mean ± deviation`` (with n where it is not the usual), ``median [lower, upper]``, or nothing."""
    if isinstance(name, tuple):
        found = [rows.get(part) for part in name]
        return "{:.2f} [{:.2f}, {:.2f}]".format(*(row["value"] for row in found if row)) if all(found) else ""
    row = rows.get(name)
    if row is None:
        return ""
    digits = 1 if name.endswith(("seconds", "n_at_10")) else 2 if "regret" in name else 3
    count = "" if row["n"] == SEEDS or name.startswith("search/") else f" (n={row['n']})"
    return f"{row['value']:.{digits}f} ± {row['std']:.{digits}f}{count}"


def draw(rows: Rows) -> None:
    """The page's figures."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4))
    for encoder in ENCODERS:
        curve(axes, rows, encoder, SIZES, [f"{encoder}/{size}/kendall_tau" for size in SIZES])
    axes.plot(SIZES, (0.740, 0.863, 0.880, 0.919, 0.926), "k:", label="GATES, the paper")
    axes.set(xscale="log", xlabel="evaluated cells", ylabel="Kendall's τ on the held-out half")
    save(figure, axes, "predictor_tau.png")

    figure, panels = plt.subplots(2, 2, figsize=(9, 7))
    few, counts = panels[0, 0], (20, 78, 390)
    for label, pattern in FEW.items():
        curve(few, rows, label, counts, [f"{pattern.format(k)}/kendall_tau" for k in counts])
    few.set(xscale="log", xlabel="labels", ylabel="τ, held out", title="GATES with unlabelled cells")
    counts = (40, 60, 80, 100, 120)
    for rule in ("random", "uncertain", "diverse", "improvement"):
        curve(panels[0, 1], rows, rule, counts, [f"active/{rule}/{k}/kendall_tau" for k in counts])
    panels[0, 1].set(xlabel="labels", ylabel="τ, held out", title="active learning")
    strengths = (0.5, 1.0, 2.0, 4.0)
    for label, key in NOISY.items():
        curve(panels[1, 0], rows, label, strengths, [f"denoise/{s}/{key}/kendall_tau" for s in strengths])
    panels[1, 0].set(xscale="log", xlabel="noise / signal", ylabel="τ", title="390 noisy scores")
    counts = (10, 20, 78, 390)
    for target in ("qat", "analog"):
        for way in ("alone", "transfer"):
            names = [f"transfer/{target}/{k}/{way}/kendall_tau" for k in counts]
            curve(panels[1, 1], rows, f"{target}, {way}", counts, names)
    panels[1, 1].set(xscale="log", xlabel="labels of the new target", ylabel="τ, held out", title="transfer")
    save(figure, panels, "predictor_labels.png")
    draw_search(plt)


def draw_search(plt: Any) -> None:
    """Regret by evaluations with quartiles, and fronts of value and cost."""
    results = _runs.read(RESULTS / "predictors_search.jsonl")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
    for strategy in STRATEGIES:
        curves = np.array([r["regret"] for r in results if r["job"] == strategy])
        if len(curves):
            lower, middle, upper = np.percentile(curves, (25, 50, 75), axis=0)
            steps = np.arange(1, len(middle) + 1)
            (line,) = left.plot(steps, middle, label=strategy)
            left.fill_between(steps, lower, upper, color=line.get_color(), alpha=0.2)
        fronts = [r for r in results if r["job"] == f"trade_off/{strategy}"]
        for number, front in enumerate(fronts[:3]):
            cost, value = (np.array(front[f"front_{k}"]) for k in ("cost", "value"))
            label = strategy if number == 0 else None
            right.plot(cost * 1e3, value, drawstyle="steps-post", color=f"C{STRATEGIES.index(strategy)}", label=label)
    left.set(xlabel="evaluations", ylabel="regret, points of accuracy", yscale="log", ylim=(0.01, 20))
    right.set(xlabel="energy of a training step, mJ per image", ylabel="accuracy, %", ylim=(86, 95))
    save(figure, [left, right], "predictor_search.png")


def curve(axes: Any, rows: Rows, label: str, at: tuple[float, ...], names: list[str]) -> None:
    """A line with error bars through the rows that exist."""
    found = [(x, rows[name]["value"], rows[name]["std"]) for x, name in zip(at, names, strict=True) if name in rows]
    if found:
        axes.errorbar(
            *zip(*[f[:2] for f in found], strict=True), yerr=[f[2] for f in found], label=label, marker=".", capsize=2
        )


def save(figure: Any, axes: Any, name: str) -> None:
    """Legends, grids, and a file whose bytes do not depend on the clock."""
    for one in np.ravel(axes):
        if one.get_xscale() == "log":  # plain numbers where the points are
            at = sorted({float(x) for line in one.lines for x in np.ravel(line.get_xdata())})
            one.set_xticks(at, [f"{x:g}" for x in at])
            one.set_xticks([], minor=True)
        one.grid(alpha=0.3)
        one.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(IMAGES / name, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
