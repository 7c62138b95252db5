"""The report stage: one page that holds everything, its figures apart, and the tables behind them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lbt.artifacts import atomic, read_json, read_table
from lbt.report import figures
from lbt.report.page import Block, write_page
from lbt.report.tables import Stat, grouped, markdown, rows

UPPER_BOUND = "target_supervised"
"""The method that no device can use: it has all labels of the target."""


@dataclass(frozen=True)
class Inputs:
    """What a run has made.

    Attributes:
        summaries: stage → folder with ``table.parquet``.
        jobs: stage → job's name → its folder.
    """

    summaries: Mapping[str, Path]
    jobs: Mapping[str, Mapping[str, Path]]


def run(inputs: Inputs, folder: Path) -> dict[str, Any]:
    """Write ``report.html``, ``results.md``, and the figures (SVG, PNG) and tables (CSV) into ``folder``.

    Returns:
        How many jobs of each stage the report speaks of, and how many adaptations collapsed.
    """
    blocks = [_accuracy(inputs, folder), _curves(inputs), _cost(inputs, folder), _pareto(inputs)]
    blocks += [_predictors(inputs, folder), _search(inputs), _supernet(inputs)]
    for block in blocks:
        figures.save(block.figure, folder, block.name)
    write_page(folder / "report.html", folder, blocks, _sheets(inputs))
    short = "\n\n".join(f"{block.title}\n\n{block.table}" for block in blocks if block.table)
    with atomic(folder / "results.md") as temporary:
        temporary.write_text(short + "\n", encoding="utf-8")
    return {f"jobs/{stage}": len(jobs) for stage, jobs in inputs.jobs.items()} | {
        "collapsed": sum(row["collapsed"] for row in rows(inputs.summaries["adapt"]))
    }


def _accuracy(inputs: Inputs, folder: Path) -> Block:
    found = rows(inputs.summaries["adapt"])
    stats, source = grouped(found, "target_accuracy"), grouped(found, "student/source_accuracy")
    pretrained = grouped([{**row, "group": row["parts"][0]} for row in found], "before/target_accuracy")
    collapsed = grouped(found, "collapsed")
    header = ["pair", "method", "recipe", "target accuracy, %", "source accuracy, %", "seeds"]
    body = [
        [pair.replace("-", " → "), "none (pretrained)", "fp32", f"{stat.mean:.1f}", "", ""]
        for pair, stat in pretrained.items()
    ]
    for group, stat in stats.items():
        pair, method, recipe = group.split("/")
        note = " (collapsed)" if collapsed[group].mean else ""
        body.append([pair.replace("-", " → "), method, recipe, stat.show() + note, source[group].show(), str(stat.n)])
    table: list[Sequence[Any]] = [("pair", "method", "recipe", "mean", "std", "n")]
    table += [(*group.split("/"), f"{s.mean:.4f}", f"{s.std:.4f}", s.n) for group, s in stats.items()]
    _write_csv(folder / "accuracy.csv", table)
    return Block(
        "accuracy",
        "Adaptation: accuracy on the target domain",
        "Mean and standard deviation over seeds on the target's test split, which is read once, at the end. The dashed "
        "line is the pretrained float network before any adaptation.",
        figures.accuracy(stats, {pair: stat.mean for pair, stat in pretrained.items()}),
        markdown(header, body),
    )


def _curves(inputs: Inputs) -> Block:
    by_group: dict[str, list[list[dict[str, Any]]]] = {}
    for name, folder in inputs.jobs["adapt"].items():
        method = name.split("/")[1]
        if method not in ("source_only", "adabn"):
            group = name.rpartition("/")[0]
            by_group.setdefault(group, []).append(read_table(folder / "curve.parquet").to_pylist())
    columns = {name for seeds in by_group.values() for rows_ in seeds for row in rows_ for name in row}
    choices = ("teacher_target_validation", "student_target_validation")
    column = next(name for name in choices if name in columns)
    return Block(
        "curves",
        "Adaptation: validation accuracy while training",
        "Accuracy on the target's validation split (for this curve only: nothing is chosen by it). Mean over seeds; "
        "the band reaches from the least to the greatest.",
        figures.curves(by_group, column, "target validation accuracy, %"),
    )


def _cost(inputs: Inputs, folder: Path) -> Block:
    found = rows(inputs.summaries["hardware"])
    passes = [key for key in found[0] if key.startswith("energy_") and key != "energy_per_image_mj"]
    names = {key: key.removeprefix("energy_").removesuffix("_mj") for key in passes}
    by_pass = {row["job"]: {names[key]: row[key] for key in passes if row[key]} for row in found}
    header = [
        "network",
        "recipe",
        "fits",
        "MAC style",
        "LUT per MAC",
        "array",
        "images/s",
        "mJ/image",
        "storage, MB",
        "limit",
    ]
    body = [
        [
            *row["parts"],
            "yes" if row["fits"] else "no",
            row["multiplier_style"],
            f"{row['mac_lut']:.0f}",
            f"{row['array_side']}×{row['array_side']}",
            f"{row['images_per_second']:,.0f}",
            f"{row['energy_per_image_mj']:.3f}",
            f"{row['storage_bytes'] / 1e6:.2f}",
            row["limit"],
        ]
        for row in found
    ]
    _write_csv(folder / "cost.csv", [header, *body])
    return Block(
        "cost",
        "Hardware: what a training step costs",
        "Forward, error, weight-gradient and update passes of one step on the board of the params file. LUTs come from "
        "synthesised units and name their multiplier style; energies are for 45 nm. docs/hardware.md has the formulas.",
        figures.cost(by_pass, {row["job"]: row["mac_lut"] for row in found}),
        markdown(header, body),
    )


def _pareto(inputs: Inputs) -> Block:
    cost = {row["parts"][1]: row for row in rows(inputs.summaries["hardware"]) if row["parts"][0] == "network"}
    stats = grouped(rows(inputs.summaries["adapt"]), "target_accuracy")
    best: dict[str, tuple[str, Stat]] = {}
    for group, stat in stats.items():
        _, method, recipe = group.split("/")
        if method != UPPER_BOUND and (recipe not in best or stat.mean > best[recipe][1].mean):
            best[recipe] = (method, stat)
    points = [
        (f"{recipe}, {m}", cost[recipe]["energy_per_image_mj"], s) for recipe, (m, s) in best.items() if recipe in cost
    ]
    return Block(
        "pareto",
        "Accuracy against cost",
        "Each recipe with its best method that needs no target labels: target accuracy against the energy of a "
        "training step. Along the dashed line nothing is both cheaper and better.",
        figures.pareto(points),
    )


def _predictors(inputs: Inputs, folder: Path) -> Block:
    found = rows(inputs.summaries["predictor"])
    sizes = sorted(int(key.split("/")[0]) for key in found[0] if key.endswith("/kendall_tau"))
    tau = {(group, size): stat for size in sizes for group, stat in grouped(found, f"{size}/kendall_tau").items()}
    encoders = list(dict.fromkeys(group for group, _ in tau))
    body = [[encoder, *(tau[encoder, size].show(3) for size in sizes)] for encoder in encoders]
    table: list[Sequence[Any]] = [("encoder", "size", "kendall_tau", "std", "n")]
    table += [(encoder, size, f"{s.mean:.4f}", f"{s.std:.4f}", s.n) for (encoder, size), s in tau.items()]
    _write_csv(folder / "predictors.csv", table)
    return Block(
        "predictors",
        "Predictors: Kendall's tau on held-out architectures",
        "NAS-Bench-201's cells; half of them are held out, and the predictor sees the accuracy of the given number of "
        "the others.",
        figures.predictors(tau),
        markdown(["encoder", *(f"{size} labels" for size in sizes)], body),
    )


def _search(inputs: Inputs) -> Block:
    regret: dict[str, list[list[float]]] = {}
    for name, folder in inputs.jobs["search"].items():
        values = read_table(folder / "curve.parquet").column("regret").to_pylist()
        regret.setdefault(name.split("/")[0], []).append(values)
    arrays = {strategy: np.array(values) for strategy, values in regret.items()}
    body = [
        [strategy, str(values.shape[1]), Stat.of(values[:, -1]).show(2), str(len(values))]
        for strategy, values in arrays.items()
    ]
    return Block(
        "search",
        "Search: regret by number of evaluated architectures",
        "How far the best architecture found so far is below the best one of the table; median and quartiles over "
        "seeds.",
        figures.search(arrays),
        markdown(["strategy", "queries", "final regret, points", "seeds"], body),
    )


def _supernet(inputs: Inputs) -> Block:
    ((name, folder),) = inputs.jobs["supernet"].items()
    scores, metrics = read_table(folder / "scores.parquet"), read_json(folder / "metrics.json")
    halves = [scores.column(f"accuracy_{half}").to_pylist() for half in ("even", "odd")]
    body = [[name.split("/")[0], str(metrics["architectures"]), f"{metrics['accuracy/best'] * 100:.1f}",
             f"{metrics['accuracy/mean'] * 100:.1f}", f"{metrics['halves/kendall_tau']:.3f}"]]  # fmt: skip
    return Block(
        "supernet",
        "Supernet: one-shot scores",
        "Accuracy of sampled architectures with the shared weights. Where two halves of the validation images rank the "
        "architectures differently, a single score cannot be trusted either.",
        figures.supernet(halves[0], halves[1], metrics["halves/kendall_tau"]),
        markdown(["domain", "architectures", "best, %", "mean, %", "tau between halves"], body),
    )


def _sheets(inputs: Inputs) -> dict[str, Path]:
    sheets = {name: folder / "sheet.png" for name, folder in inputs.jobs["data"].items()}
    return {name: path for name, path in sheets.items() if path.is_file()}


def _write_csv(path: Path, table: Sequence[Sequence[Any]]) -> None:
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(table)
