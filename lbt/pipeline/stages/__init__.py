"""The part of each stage in a run: which jobs the params ask for, and how one job is run.

One file per stage. Each has ``SECTIONS`` (the sections of the params file that it reads), ``HEADLINE`` (patterns of the
metrics worth a line in the summary), ``jobs(params, made)`` and ``run(job, paths)``. These modules are light: what is
heavy is imported in ``run``.
"""
