"""Stages of a run: the jobs that the params ask for, and running one of them.

One file per stage. Each has ``SECTIONS`` (the sections of the params file that it reads), ``OUTPUTS`` (the files that a
job makes, by what the stage calls them: the only place that says their names), ``HEADLINE`` (patterns of the metrics
worth a line in the summary), ``jobs(params, made)`` and ``run(job, paths)``. These modules are light: heavy ones are
imported in ``run``.
"""
