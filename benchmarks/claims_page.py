"""Writes docs/claims.md: every idea of docs/notes.md with its verdict, from the numbers in docs/results.

    python benchmarks/claims_page.py
    python benchmarks/claims_page.py --check    # say whether the page is up to date, change nothing

The page's prose stands in docs/claims.md itself; what is between ``<!-- table NAME -->`` and ``<!-- end -->`` is made
here from ``benchmarks/claims/ideas``. A row whose number is missing from docs/results is open and says which.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import _pages
import _runs
import adaptation
import claims.ideas
from claims import _fields, _tables
from claims.ideas import judge

from lbt.artifacts import read_table

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "docs" / "results", ROOT / "docs" / "claims.md"
TITLES = {
    "1": "Low-bit training for domain adaptation",
    "2": "An accelerator that also trains",
    "3": "Learning at the edge",
    "4": "GATES",
    "5": "SemiNAS",
    "6": "Surgery of evaluators",
}
VERDICTS = (judge.HOLDS, judge.PART, judge.REFUTED, judge.OPEN)


def main() -> None:
    """Rewrite the page, or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 where the page is out of date")
    options = parser.parse_args()
    text = PAGE.read_text(encoding="utf-8")
    made = filled(text, read_rows())
    if not options.check:
        PAGE.write_text(made, encoding="utf-8")
    elif made != text:
        sys.exit("docs/claims.md is out of date: run python benchmarks/claims_page.py")


def read_rows() -> judge.Rows:
    """All rows of docs/results, each named ``FILE: ROW``, with ``seeds`` where the file of its runs lies beside."""
    rows: dict[str, dict[str, Any]] = {}
    for path in sorted(RESULTS.glob("*.json")):
        rows |= {f"{path.stem}: {row['name']}": row for row in json.loads(path.read_text(encoding="utf-8"))}
    for path in sorted(RESULTS.glob("adaptation*.parquet")):
        found = read_table(path).to_pylist()
        made = [*adaptation.rows(found), *images(found)]
        rows |= {f"{path.stem}: {row['name']}": {**row, "seeds": of_seeds(found, row["name"])} for row in made}
    for path in sorted(RESULTS.glob("*.jsonl")):
        for run in _runs.lines(path):
            job = run.get("job", f"{run.get('task')}/{run.get('label')}")
            for metric, value in run.items():
                row = rows.get(f"{path.stem.removesuffix('_runs')}: {job}/{metric}")
                if row is not None and "seed" in run:
                    row.setdefault("seeds", {})[run["seed"]] = value
    return rows


def of_seeds(found: list[dict[str, Any]], name: str) -> dict[int, float]:
    """Target accuracy, or points against float32, of each seed of an adaptation row; none for other metrics."""
    recipe, pair, *method, metric = name.split("/")
    mine = {
        (one["recipe"], one["seed"]): one["target_accuracy"]
        for one in found
        if (one["pair"], one["method"]) == (pair, *(method or ["mean_teacher"]))
    }
    seeds = {seed: value for (of, seed), value in mine.items() if of == recipe}
    if metric == "minus_fp32":
        return {seed: value - mine["fp32", seed] for seed, value in seeds.items() if ("fp32", seed) in mine}
    return seeds if metric == "target_accuracy" else {}


def images(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Bytes of the images over those of the weights, of the mean teacher's first seed."""
    made = {}
    for one in found:
        if one["method"] == "mean_teacher":
            times = sum(one[f"memory/{side}_data_bytes"] for side in ("source", "target")) / one["memory/weights_bytes"]
            name = f"{one['recipe']}/{one['pair']}/images_over_weights"
            made.setdefault(name, {"name": name, "value": times, "unit": "1", "n": 1, "std": 0.0})
    return list(made.values())


def filled(text: str, rows: judge.Rows) -> str:
    """``text`` with each table that it marks written anew."""
    lines = {idea.number: line(idea, rows) for idea in claims.ideas.ideas()}
    tables = {f"part {part}": table([one for number, one in lines.items() if number[0] == part]) for part in TITLES}
    measured = {name.removeprefix("claims: "): row for name, row in rows.items() if name.startswith("claims: ")}
    verdicts = {number: one[5] for number, one in lines.items()}
    summary = {"count": count(lines), "refuted": refuted(lines), "fields": _fields.table(rows, verdicts)}
    return _pages.fill(text, {**tables, **summary, **_tables.tables(measured)})


def line(idea: claims.ideas.Idea, rows: judge.Rows) -> list[str]:
    """The cells of one idea: number, claim, where, experiment, data and n, verdict, sentence."""
    try:
        verdict, sentence, seeds = idea.verdict(rows)
    except KeyError as missing:
        verdict, sentence, seeds = judge.OPEN, f"no row {missing.args[0]} in docs/results", ""
    data = ", n=".join(part for part in (idea.data, seeds) if part) if seeds.isdigit() else idea.data
    where = f"`{idea.where}`" if idea.where else "not built"
    command = ", ".join(f"`{one}`" for one in idea.command.split("; ") if one)
    return [idea.number, idea.claim, where, command, data, verdict, sentence]


def table(lines: list[list[str]]) -> str:
    """One part of the notes."""
    head = ["", "the notes claim", "built in", "experiment", "data", "verdict"]
    return _pages.table(head, ([*one[:5], f"**{one[5]}**: {one[6]}"] for one in lines))


def count(lines: dict[str, list[str]]) -> str:
    """Number of ideas by part and verdict."""
    found = Counter((number[0], one[5]) for number, one in lines.items())
    body = [[title, *(str(found[part, verdict]) for verdict in VERDICTS)] for part, title in TITLES.items()]
    total = ["all", *(str(sum(found[part, verdict] for part in TITLES)) for verdict in VERDICTS)]
    return _pages.table(["part", *VERDICTS], [*body, total])


def refuted(lines: dict[str, list[str]]) -> str:
    """The claims that the numbers contradict."""
    wrong = ([one[0], one[1], one[6]] for one in lines.values() if one[5] == judge.REFUTED)
    return _pages.table(["", "the notes claim", "measured"], wrong)


if __name__ == "__main__":
    main()
