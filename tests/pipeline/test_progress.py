"""Progress of a run: what each of Snakemake's log records becomes, for a log and for a terminal."""

import io
import logging
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from lbt.pipeline.estimate import Estimate
from lbt.pipeline.progress import Progress, name_of, reason_of, tail
from lbt.pipeline.screen import WIDTH, Screen, duration, shorten, wrap
from snakemake_logger_plugin_lbt import ROUTINE, LogHandler

TABLE = "Job stats:\njob          count\n---------  -------\nadapt_job        3\ntotal            5\n"
STATS = {"adapt_job": 3, "report": 1, "all": 1, "total": 5}
LONG = ", ".join(f"results/default/adapt/pair/method{n}/int8/0/student.safetensors" for n in range(400))


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Run:
    """A handler that is told a made-up run, and what it has written."""

    def __init__(self, monkeypatch, stream=None, **wanted):
        defaults = {"stdout": False, "quiet": None, "dryrun": False, "verbose": False, "debug_dag": False,
                    "printshellcmds": False, "nocolor": True, "show_failed_logs": True}  # fmt: skip
        self.stream, self.now = stream or io.StringIO(), 100.0
        monkeypatch.setattr("sys.stderr", self.stream)
        monkeypatch.setattr("sys.stdout", self.stream)
        self.handler = LogHandler(SimpleNamespace(**{**defaults, **wanted}), None)

    def tell(self, event=None, msg="", level=logging.INFO, **facts):
        record = logging.LogRecord("snakemake", level, "f.py", 1, msg, (), None)
        record.__dict__.update(facts, created=self.now)
        if event:
            record.event = event
        self.handler.emit(record)

    def begin(self, cores=2):
        self.tell(LogEvent.RESOURCES_INFO, cores=cores)
        self.tell(LogEvent.RUN_INFO, TABLE, stats=STATS)

    def start(self, jobid, rule="adapt_job", log=None, **facts):
        log = f"logs/default/adapt/pair/int8/{jobid}.log" if log is None else log
        self.tell(LogEvent.JOB_INFO, jobid=jobid, rule_name=rule, log=[log] if log else [], threads=1,
                  input=LONG.split(", "), reason=f"Missing output files: {LONG}", shellcmd=f"lbt adapt --job {jobid}",
                  **facts)  # fmt: skip

    def end(self, jobid, after):
        self.now += after
        self.tell(LogEvent.JOB_FINISHED, f"Finished jobid: {jobid}", job_id=jobid)
        self.tell(LogEvent.PROGRESS, "None", done=1, total=5)

    def fail(self, jobid, log):
        command = f"lbt adapt --job {jobid}"
        self.tell(LogEvent.ERROR, f"RuleException:\nCommand 'set -e; {command}' failed", logging.ERROR,
                  exception="RuleException")  # fmt: skip
        self.tell(LogEvent.JOB_ERROR, f"Error in rule adapt_job, jobid: {jobid}", logging.ERROR, jobid=jobid,
                  rule_name="adapt_job", log=[log], input=LONG.split(", "), shellcmd=command)  # fmt: skip

    @property
    def lines(self):
        return self.stream.getvalue().splitlines()


@pytest.fixture
def run(monkeypatch):
    return Run(monkeypatch)


def test_a_run_is_a_line_a_job_with_an_estimate_once_there_is_a_basis(run):
    run.begin()
    for message in ROUTINE:
        run.tell(msg=f"{message} {LONG}")
    run.start(1)
    run.tell(LogEvent.SHELLCMD, f"Shell command: {LONG}", shellcmd=LONG)
    run.end(1, after=10)
    run.start(2)
    run.start(3)
    run.end(2, after=10)
    run.end(3, after=1)
    run.start(4, "report", log="logs/default/report/page.log")
    run.end(4, after=7)
    run.start(5, "all", log="")
    run.end(5, after=0)
    run.handler.close()
    assert run.lines == [
        "4 jobs: adapt 3, report 1",
        "[1/4] adapt pair/int8/1  10 s   ~15 s left",  # 3 jobs of 10 s on 2 cores
        "[2/4] adapt pair/int8/2  10 s   ~5 s left",  # the last adapt job has run its 10 s; the report's 10 s are left
        "[3/4] adapt pair/int8/3  11 s   ~10 s left",
        "[4/4] report page  7 s",
    ]


def test_failures_are_told_at_once_and_explained_once_at_the_end(run, tmp_path):
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    for log, error in zip(logs, ("no such file", "no such file", "out of memory"), strict=True):
        log.write_text("".join(f"line {n} {'x' * 300}\n" for n in range(50)) + f"lbt: {error}\n")
    run.begin()
    for number, log in enumerate(logs):
        run.start(number, log=str(log))
        run.fail(number, str(log))
    assert [line.split()[0] for line in run.lines[1:]] == ["FAILED"] * 3
    run.tell(msg="Exiting because a job execution failed. Look above", level=logging.ERROR)
    run.tell(LogEvent.ERROR, "WorkflowError:\nAt least one job did not complete successfully.", logging.ERROR,
             exception="WorkflowError")  # fmt: skip
    run.handler.close()
    run.handler.close()
    text = run.stream.getvalue()
    assert text.count("lbt: no such file") == text.count("lbt: out of memory") == 1
    assert "line 30 " not in text
    assert "line 31 " in text  # 20 lines with the error
    assert "At least one" not in text
    assert "Exiting" not in text
    assert "Command" not in text
    assert text.rstrip().endswith("3 of 4 jobs failed, 0 done, 1 did not run")
    assert max(map(len, run.lines)) <= WIDTH


def test_a_second_attempt_that_succeeds_is_no_failure(run, tmp_path):
    run.begin()
    run.start(1)
    run.fail(1, str(tmp_path / "none.log"))
    run.tell(msg="Trying to restart job 1.")
    run.start(1)
    run.end(1, after=3)
    run.handler.close()
    assert "jobs failed" not in run.stream.getvalue()
    assert any(line.startswith("[1/4] adapt") for line in run.lines)


def test_what_is_wrong_with_the_workflow_is_shown_in_full(run):
    lock = "LockException:\nError: Directory cannot be locked. … It can be removed with the --unlock argument."
    missing = f"MissingInputException in rule adapt:\nMissing input files:\n    output: {LONG}\n        inputs/mine"
    run.tell(LogEvent.ERROR, lock, logging.ERROR, exception="LockException")
    run.tell(LogEvent.ERROR, missing, logging.ERROR, exception="MissingInputException")
    run.tell(LogEvent.ERROR, "RuleException:\nNameError: x", logging.ERROR, exception="RuleException")
    run.tell(msg="Nothing to be done (all requested files are present and up to date).")
    run.tell(msg="a file system of unknown kind", level=logging.WARNING)
    run.handler.close()
    text = run.stream.getvalue()
    for part in (lock, "Nothing to be done", "NameError: x", "of unknown kind", *missing.split()):
        assert part in text
    assert max(map(len, run.lines)) <= WIDTH


def test_a_dry_run_is_the_table_and_a_line_a_job(monkeypatch, tmp_path):
    run = Run(monkeypatch, dryrun=True, stdout=True)
    run.tell(LogEvent.RUN_INFO, TABLE, stats=STATS)
    run.start(1)
    stamp = tmp_path / "1.stamp"
    stamp.write_text("abc\ncode, params or inputs changed (123)\n")
    assert reason_of("adapt_job", [str(stamp)], "Missing output files") == "code, params or inputs changed"
    run.start(2, "all", log="")
    run.tell(LogEvent.RUN_INFO, TABLE, stats=STATS)
    run.handler.close()
    text = run.stream.getvalue()
    assert text.startswith(TABLE + "\n")
    assert text.count("Job stats:") == 1
    assert any(line.startswith("adapt pair/int8/1: Missing output files: results/") for line in run.lines)
    assert any(line.startswith("all: results/default/adapt/pair/method0/") for line in run.lines)
    assert reason_of("all", ["a/b.csv", "a/page.html"], "") == "a/page.html, a/b.csv"
    assert max(map(len, run.lines)) <= WIDTH


def test_a_terminal_has_a_last_line_with_what_runs(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    run = Run(monkeypatch, stream=Terminal())
    run.begin()
    run.start(1)
    assert run.stream.getvalue().endswith("[0/4]  adapt pair/int8/1")
    run.end(1, after=1)
    run.handler.close()
    text = run.stream.getvalue()
    assert "\r\x1b[K[1/4] adapt pair/int8/1  1 s   ~2 s left\n" in text
    assert text.endswith("\r\x1b[K")
    assert all(len(part) < 60 for line in text.split("\n") for part in line.split("\r\x1b[K"))


@pytest.mark.parametrize("topic", ["verbose", "printshellcmds"])
def test_snakemakes_own_output_is_there_for_the_asking(monkeypatch, topic):
    run = Run(monkeypatch, **{topic: True})
    run.begin()
    run.tell(LogEvent.SHELLCMD, "Shell command: lbt data", cmd="lbt data")
    run.tell(msg="Building DAG of jobs...")
    text = run.stream.getvalue()
    assert TABLE in text
    assert "Building DAG" in text
    assert ("lbt data" in text) == (topic == "printshellcmds")


@pytest.mark.parametrize(("quiet", "lines"), [({"progress"}, 2), ({"all"}, 0)])
def test_quiet_leaves_out_the_jobs_that_succeed(monkeypatch, quiet, lines, tmp_path):
    run = Run(monkeypatch, quiet=quiet)
    run.begin()
    run.start(1)
    run.end(1, after=1)
    run.start(2)
    run.fail(2, str(tmp_path / "2.log"))
    assert len(run.lines) == lines


def test_estimates_count_cores_threads_and_what_runs():
    estimate = Estimate({"a": 5, "b": 1}, slots=4)
    assert estimate.seconds() is None
    estimate.ended("a", 10, threads=2)
    assert estimate.seconds() == pytest.approx(5 * 20 / 4)  # four of a, and b like the average
    assert estimate.seconds([("a", 15), ("a", 99)]) == pytest.approx((100 - 15 - 20) / 4)
    for _ in range(4):
        estimate.failed("a")
    assert estimate.seconds() == pytest.approx(20)  # one job takes one slot
    assert Estimate({"a": 1, "b": 9}, slots=1).seconds() is None


def test_no_estimate_before_half_of_what_is_left_is_known():
    estimate = Estimate({"a": 2, "b": 5})
    estimate.ended("a", 1)
    assert estimate.seconds() is None
    estimate.ended("b", 100)
    assert estimate.seconds() == pytest.approx(1 + 400)


def test_words():
    assert name_of("adapt_job", ["logs/default/adapt/a-b/tent/int8/0.log"]) == "adapt a-b/tent/int8/0"
    assert name_of("synthesis", ["logs/synthesis.log"]) == "synthesis"
    assert name_of("all", []) == "all"
    assert [duration(s) for s in (0.4, 99, 150, 9000)] == ["0 s", "99 s", "2 min", "2.5 h"]
    assert shorten("a\nb  c") == "a b  c"
    assert len(shorten("x" * 300)) == WIDTH
    assert wrap("short\n\n    indented") == "short\n\n    indented"


def test_the_end_of_a_log(tmp_path):
    log = tmp_path / "a.log"
    assert tail([str(log)]) == []
    log.write_bytes(b"\xff first\n" + b"y" * 100_000 + b"\nlast\n\n")
    assert tail([str(tmp_path / "none.log"), str(log)])[-1] == "last"


def test_a_closed_pipe_is_no_error(monkeypatch, capsys):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    run = Run(monkeypatch, stream=Closed())
    monkeypatch.undo()
    run.tell(msg="Nothing to be done")
    assert capsys.readouterr().err == ""


def test_progress_is_told_nothing_before_the_plan():
    stream = io.StringIO()
    progress = Progress(Screen(stream))
    progress.ended(7, 1.0)
    progress.close()
    assert stream.getvalue() == ""
