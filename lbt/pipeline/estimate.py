"""Time that a run still takes, from the jobs that have ended."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean


class Estimate:
    """Seconds left of a run whose jobs are known by kind.

    A kind's jobs take what its ended jobs took on average; a kind without an ended job takes the average of all. There
    is no estimate until half of the jobs left are of a kind that has an ended one.

    Args:
        counts: jobs to run, by kind.
        slots: cores, of which a job takes as many as it has threads.
    """

    def __init__(self, counts: Mapping[str, int], slots: int = 1) -> None:
        self.slots = max(slots, 1)
        self._left = Counter(counts)
        self._work: dict[str, list[float]] = defaultdict(list)
        self._based = False

    def ended(self, kind: str, seconds: float, threads: int = 1) -> None:
        """Count a job that made its outputs."""
        self._left[kind] -= 1
        self._work[kind].append(seconds * threads)

    def failed(self, kind: str) -> None:
        """Count a job that failed; how long it took says nothing about the others."""
        self._left[kind] -= 1

    def seconds(self, running: Iterable[tuple[str, float]] = ()) -> float | None:
        """Seconds left, None without a basis. ``running``: kind and core seconds so far of each running job."""
        left = +self._left
        known = sum(count for kind, count in left.items() if kind in self._work)
        self._based = self._based or (known > 0 and 2 * known >= left.total())
        if not left or not self._based:
            return None
        overall = fmean(work for kind in self._work.values() for work in kind)
        typical = {kind: fmean(self._work[kind]) if kind in self._work else overall for kind in left}
        work = sum(count * typical[kind] for kind, count in left.items())
        work -= sum(min(so_far, typical.get(kind, 0.0)) for kind, so_far in running)
        return max(work, 0.0) / min(self.slots, left.total())
