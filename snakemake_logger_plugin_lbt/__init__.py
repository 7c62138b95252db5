"""Snakemake logger plugin ``lbt``: a line a job, failures last; Snakemake's own output with ``--verbose``.

Snakemake finds it by this package's name. It imports every such package at each start, whichever it uses, so lbt is
imported only where the plugin is chosen.
"""

from __future__ import annotations

import sys
from logging import LogRecord
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

ROUTINE = (
    "Assuming unrestricted shared filesystem usage",
    "Building DAG of jobs",
    "Complete log(s):",
    "Elapsed time:",
    "Exiting because a job execution failed",
    "Processed ",
    "Reasons:",
    "Removing output files of failed job",
    "Select jobs to execute",
    "Using shell:",
)
"""Beginnings of messages that every run or every job brings, and that tell the user nothing."""


class LogHandler(LogHandlerBase):
    """Hands each of Snakemake's log records to :class:`lbt.pipeline.progress.Progress`."""

    def __post_init__(self) -> None:
        from lbt.pipeline.progress import Progress
        from lbt.pipeline.screen import Screen

        wanted = self.common_settings
        stream = sys.stdout if wanted.stdout else sys.stderr
        quiet = {str(topic) for topic in wanted.quiet or ()}
        self.silent = "all" in quiet and not wanted.dryrun
        self.full = (
            _snakemakes_own(wanted, stream) if wanted.verbose or wanted.debug_dag or wanted.printshellcmds else None
        )
        self.progress = Progress(Screen(stream), dry=wanted.dryrun, brief=bool(quiet & {"progress", "rules"}))

    writes_to_stream = property(lambda self: True)
    writes_to_file = property(lambda self: False)
    has_filter = property(lambda self: True)
    has_formatter = property(lambda self: True)
    needs_rulegraph = property(lambda self: False)

    def emit(self, record: LogRecord) -> None:
        try:
            if self.full is not None:
                self.full.handle(record)
            elif not self.silent:
                self._tell(record, record.__dict__)
        except BrokenPipeError:
            pass
        except Exception:
            self.handleError(record)

    def _tell(self, record: LogRecord, facts: dict[str, Any]) -> None:
        progress, now, text = self.progress, record.created, str(record.msg)
        match facts.get("event"):
            case LogEvent.RESOURCES_INFO:
                progress.slots = min(facts.get("cores") or facts.get("nodes") or progress.slots, 10**6)
            case LogEvent.RUN_INFO:
                progress.planned(facts["stats"], text)
            case LogEvent.JOB_INFO:
                progress.started(facts["jobid"], _job(facts, now), _reason(facts))
            case LogEvent.JOB_FINISHED:
                progress.ended(facts["job_id"], now)
            case LogEvent.JOB_ERROR:
                progress.failed(facts["jobid"], _job(facts, now), facts["shellcmd"] or "", now)
            case LogEvent.ERROR:
                progress.exception(text, facts["exception"])
            case None if not text.startswith(ROUTINE):
                progress.message(text)

    def close(self) -> None:
        if self.full is None and not self.silent:
            self.progress.close()
        super().close()


def _job(facts: dict[str, Any], now: float) -> Any:
    from lbt.pipeline.progress import Running, name_of

    rule, logs = facts["rule_name"], tuple(facts["log"])
    return Running(rule, name_of(rule, logs), logs, facts.get("threads", 1), now)


def _reason(facts: dict[str, Any]) -> str:
    from lbt.pipeline.progress import reason_of

    return reason_of(facts["rule_name"], facts["input"], facts["reason"])


def _snakemakes_own(wanted: Any, stream: Any) -> Any:
    from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter

    shown = DefaultFilter(wanted.quiet, wanted.debug_dag, wanted.verbose, wanted.dryrun, wanted.printshellcmds)
    return ColorizingTextHandler(wanted.nocolor, stream, DefaultFormatter(wanted.quiet, wanted.show_failed_logs), shown)
