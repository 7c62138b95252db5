"""Incremental learning on the device: new classes or domains arrive one after another, and the old ones are to stay."""

from __future__ import annotations

from lbt.lazy import exports

__getattr__, __dir__ = exports(
    __name__,
    {
        "Job": "lbt.edge.incremental.options",
        "METHODS": "lbt.edge.incremental.options",
        "POLICIES": "lbt.edge.incremental.options",
        "Tasks": "lbt.edge.incremental.tasks",
        "cuts": "lbt.edge.incremental.cut",
        "learn": "lbt.edge.incremental.loop",
        "read_tasks": "lbt.edge.incremental.tasks",
        "scores": "lbt.edge.incremental.metrics",
    },
)
