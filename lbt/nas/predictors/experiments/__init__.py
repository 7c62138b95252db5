"""Experiments on getting by with fewer labels: one file each, ``run(table, target, seed) -> {name: value}``."""

from lbt.registry import Registry

EXPERIMENTS = Registry("experiment", "lbt.nas.predictors.experiments")
