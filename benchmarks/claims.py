"""Claim: of the notes' ideas, those that a mean teacher on digits can test within minutes; docs/claims.md has all.

    python benchmarks/claims.py --runs docs/results/claims_runs.jsonl --json docs/results/claims.json
    python benchmarks/claims.py --only thesis --seeds 3 --runs mine.jsonl    # one experiment, its first seeds
    python benchmarks/claims.py --quick    # one seed of each, adaptations of 20 steps: some minutes

Experiments are the files of ``benchmarks/claims``, one a claim; their docstrings say what is run. Rows are
``claim/NUMBER/WHAT``: mean and sample standard deviation over seeds, and for a paired difference the half width of its
95 % interval (Student's t) as ``interval``. Every job is appended to ``--runs`` at once, and one that is there is not
done again. Data and pretrained networks are kept in .lbt/benchmarks/claims.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import _runs
import claims  # the folder beside this file: a package comes before a module of the same name
from claims import _setting


def main() -> None:
    """Run the jobs, print the rows, write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed, adaptations of 20 steps")
    parser.add_argument("--only", nargs="+", default=claims.NAMES, choices=claims.NAMES)
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds each job has at most")
    parser.add_argument("--jobs", default="", help="only jobs whose name contains this text, for several processes")
    parser.add_argument("--report", action="store_true", help="run nothing: rows of what --runs holds")
    parser.add_argument("--runs", type=Path, help="JSON lines, one a finished job")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    if options.quick:
        options.seeds, _setting.CAP = 1, 20
    found = _runs.run([] if options.report else all_jobs(options), options.runs)
    made = claims.rows(found)
    for row in made:
        print(f"{row['name']:<72} {row['value']:9.3f} {row['unit']:<7} n={row['n']} std={row['std']:.3f}")
    if options.json:
        _runs.write(options.json, made)


def all_jobs(options: argparse.Namespace) -> list[_runs.Job]:
    """The jobs of the experiments that are asked for, their names behind an experiment's own."""
    jobs = [(f"{name}/{job}", seed, run) for name in options.only for job, seed, run in claims.load(name).jobs()]
    return [job for job in jobs if job[1] < _setting.SEEDS[0] + options.seeds and options.jobs in job[0]]


if __name__ == "__main__":
    main()
