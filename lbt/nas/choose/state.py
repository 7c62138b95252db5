"""Finished work of a choice, one JSON file each with the seconds that it took: what was done is not done again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lbt.artifacts import read_json, write_json
from lbt.errors import LbtError, warn

Result = dict[str, Any]
TOOK = "took_seconds"
"""Key of the seconds that a result took, beside the numbers of the result itself."""


@dataclass
class State:
    """Results by what they depend on.

    Attributes:
        folder: holds a file for each result.
        common: what every result depends on (images, version of the library).
        reused: seconds of the results of earlier runs that were asked for, by file.
        done: files of this run's results.
    """

    folder: Path
    common: Mapping[str, Any]
    reused: dict[str, float] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    _begun: float = field(default_factory=time.monotonic)

    def kept(self, kind: str, of: Mapping[str, Any], compute: Callable[[], Result]) -> Result:
        """The result of ``compute``, from the file of an earlier run if there is one; its time is counted either way.

        Args:
            kind: a word, the beginning of the file's name.
            of: what the result depends on, beside ``common``; JSON-able.
            compute: gives a flat, JSON-able result.
        """
        path = self.folder / f"{kind}-{self.name(of)}.json"
        found = _read(path)
        if found is None:
            begun = time.monotonic()
            found = compute()
            found[TOOK] = round(time.monotonic() - begun, 3)
            write_json(path, found)
            self.done.add(path.name)
        elif path.name not in self.done:
            self.reused[path.name] = float(found[TOOK])
        return found

    def name(self, of: Mapping[str, Any]) -> str:
        """A short name of what ``of`` says."""
        text = json.dumps([dict(self.common), dict(of)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def count(self, kind: str) -> int:
        """Results of a kind that this run asked for, done by it or by an earlier one."""
        return sum(name.startswith(f"{kind}-") for name in (*self.done, *self.reused))

    @property
    def seconds(self) -> float:
        """Seconds since the beginning, and those that earlier runs spent on what was reused."""
        return time.monotonic() - self._begun + sum(self.reused.values())


def _read(path: Path) -> Result | None:
    """Content of the file; None where there is none, or it is damaged."""
    if not path.is_file():
        return None
    try:
        found = read_json(path)
        float(found[TOOK])
    except (LbtError, KeyError, TypeError, ValueError) as error:
        warn(f"{path}: ignored, done again: {error}")
        return None
    return found
