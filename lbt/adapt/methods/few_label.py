"""Fine-tuning on k labelled target images per class and nothing else; statistics follow the labelled images."""

from __future__ import annotations

from lbt.adapt.method import Task
from lbt.adapt.methods import target_supervised


class Method(target_supervised.Method):
    prepared = True
    few_labels = True
    uses_target = False
    domains = ("source", "target")

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.labels = self.few()
