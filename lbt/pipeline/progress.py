"""Progress of a run in one line a job: how far it is, what is left, and at the end why jobs failed.

Snakemake tells :mod:`snakemake_logger_plugin_lbt` what happens, which tells it to :class:`Progress`.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lbt.pipeline.estimate import Estimate
from lbt.pipeline.screen import Screen, duration, shorten, wrap

TARGET = "all"
"""The rule that only names what is wanted; no job of the run."""

TAIL = 20
"""Lines of a failed job's log that are shown."""


@dataclass(frozen=True)
class Running:
    """A job that runs.

    Attributes:
        rule: name of its rule.
        name: stage and job, in words for the user.
        logs: files that its output goes to.
        threads: cores that it takes.
        start: seconds since the epoch.
    """

    rule: str
    name: str
    logs: tuple[str, ...]
    threads: int
    start: float


class Progress:
    """The state of a run, told line by line: jobs done, running, failed and left.

    Args:
        screen: where the lines go.
        dry: nothing runs: the jobs are listed with the reason why each would.
        brief: no line per job that succeeds.
    """

    def __init__(self, screen: Screen, *, dry: bool = False, brief: bool = False) -> None:
        self.screen, self.dry, self.brief = screen, dry, brief
        self.slots, self.total, self.done = 1, 0, 0
        self._estimate = Estimate({})
        self._running: dict[int, Running] = {}
        self._failed: dict[int, Running] = {}
        self._exceptions: list[str] = []

    def planned(self, counts: Mapping[str, int], table: str) -> None:
        """The jobs to run, by rule (with Snakemake's ``total``), and Snakemake's table of them."""
        if self.total:  # a dry run tells it again at its end
            return
        rules = {rule: count for rule, count in counts.items() if rule not in (TARGET, "total")}
        self.total = sum(rules.values())
        self._estimate = Estimate(rules, self.slots)
        if self.dry:
            self.screen.write(table)
        elif self.total:
            stages: Counter[str] = Counter()
            for rule, count in rules.items():
                stages[rule.partition("_")[0]] += count
            noun = "job" if self.total == 1 else "jobs"
            self.screen.write(shorten(f"{self.total} {noun}: {', '.join(f'{n} {c}' for n, c in stages.items())}"))

    def started(self, jobid: int, job: Running, reason: str) -> None:
        """A job starts (in a dry run: would)."""
        if self.dry:
            self.screen.write(shorten(f"{job.name}: {reason}"))
        elif job.rule != TARGET:
            self._failed.pop(jobid, None)  # a second attempt
            self._running[jobid] = job
            self._show(job.start)

    def ended(self, jobid: int, now: float) -> None:
        """A job has made its outputs."""
        job = self._running.pop(jobid, None)
        if job is None:
            return
        self.done += 1
        self._estimate.ended(job.rule, now - job.start, job.threads)
        if not self.brief:
            line = f"{self._count()} {job.name}  {duration(now - job.start)}"
            self.screen.write(shorten(f"{line}   {left}" if (left := self._left(now)) else line))
        self._show(now)

    def failed(self, jobid: int, job: Running, command: str, now: float) -> None:
        """A job has failed; ``command`` is its shell command, which Snakemake's exception about it quotes."""
        self._exceptions = [text for text in self._exceptions if not command or command not in text]
        started = self._running.pop(jobid, job)
        if jobid not in self._failed:
            self._failed[jobid] = job
            self._estimate.failed(job.rule)
            self.screen.write(
                shorten(
                    f"FAILED {job.name} after {duration(now - started.start)} (log: {', '.join(job.logs) or 'none'})"
                )
            )
        self._show(now)

    def exception(self, text: str, kind: str) -> None:
        """An exception of Snakemake's or the workflow's. One about a job is kept back: the job's log says more."""
        if kind == "RuleException":
            self._exceptions.append(text)
        elif not (self._failed and text.endswith("At least one job did not complete successfully.")):
            self.message(text)

    def message(self, text: str) -> None:
        """Anything else that the user has to read, in full."""
        self.screen.write(wrap(text))

    def close(self) -> None:
        """The end: why jobs failed, and how many. A second call tells nothing (Python closes log handlers twice)."""
        self.screen.status("")
        exceptions, self._exceptions = self._exceptions, []
        failed, self._failed = self._failed, {}
        for text in exceptions:
            self.message(text)
        ends: dict[str, list[Running]] = {}
        for job in failed.values():
            ends.setdefault("\n".join(f"    {line}" for line in tail(job.logs)), []).append(job)
        for end, jobs in ends.items():  # jobs that failed alike share the end of one log
            self.screen.write("")
            for job in jobs:
                self.screen.write(shorten(f"FAILED {job.name}, log: {', '.join(job.logs) or 'none'}"))
            self.screen.write(end or "    (the log is empty)")
        if failed:
            waiting = self.total - self.done - len(failed)
            others = f", {waiting} did not run" if waiting > 0 else ""
            self.screen.write(f"\n{len(failed)} of {self.total} jobs failed, {self.done} done{others}")

    def _count(self) -> str:
        return f"[{self.done:{len(str(self.total))}}/{self.total}]"

    def _left(self, now: float) -> str:
        running = [(job.rule, (now - job.start) * job.threads) for job in self._running.values()]
        seconds = self._estimate.seconds(running)
        return "" if seconds is None else f"~{duration(seconds)} left"

    def _show(self, now: float) -> None:
        filled = 20 * self.done // max(self.total, 1)
        bar = f"{'█' * filled}{'░' * (20 - filled)}"
        names = ", ".join(job.name for job in self._running.values())
        self.screen.status("  ".join(filter(None, [bar, self._count(), self._left(now), names])))


def name_of(rule: str, logs: Sequence[str]) -> str:
    """Stage and job from where a job's log lies, ``logs/<run>/<stage>/<job>.log``; otherwise the rule's name."""
    parts = Path(logs[0]).with_suffix("").parts if logs else ()
    return f"{parts[2]} {'/'.join(parts[3:])}" if len(parts) > 3 else rule


def reason_of(rule: str, inputs: Sequence[str], otherwise: str) -> str:
    """The reason why a job would run, as its stamp gives it (:meth:`lbt.pipeline.Plan.write_stamps`).

    The target is there for its inputs, pages first.
    """
    if rule == TARGET:
        return ", ".join(sorted(inputs, key=lambda path: (not path.endswith(".html"), path)))
    for stamp in (Path(path) for path in inputs if path.endswith(".stamp")):
        lines = stamp.read_text(encoding="utf-8").splitlines() if stamp.is_file() else []
        if len(lines) > 1:
            return re.sub(r" \(\d+\)$", "", lines[1])
    return otherwise


def tail(logs: Sequence[str]) -> list[str]:
    """The last lines of the first of ``logs`` that has any."""
    for log in logs:
        try:
            with Path(log).open("rb") as file:
                file.seek(max(file.seek(0, os.SEEK_END) - 65536, 0))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            continue
        if lines := text.rstrip().splitlines():
            return [line if len(line) <= 190 else f"{line[:188]} …" for line in lines[-TAIL:]]
    return []
