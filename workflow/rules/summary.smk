"""A summary per stage, in a rule of the stage's name: `snakemake adapt` makes the stage's jobs, then this."""

from lbt.pipeline import summary

for stage in PLAN.declarations:
    if not PLAN.stage(stage):  # its section is not in the params file

        rule:
            name:
                stage

    elif PLAN.stage(stage)[-1].name == summary.NAME:

        rule:
            name:
                stage
            input:
                stamp=stamp(stage),
                needs=needs(stage),
            output:
                makes(stage, summary.NAME, [summary.TABLE]),
            log:
                logged(stage, summary.NAME),
            benchmark:
                logged(stage, summary.NAME, "benchmark.tsv")
            params:
                file=PARAMS,
                stage=stage,
                job=summary.NAME,
            shell:
                "lbt {params.stage} --params {params.file:q} --job {params.job} > {log:q} 2>&1"
