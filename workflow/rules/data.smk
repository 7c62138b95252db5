"""Domains and the architecture table."""

from lbt.pipeline.stages.data import CELLS, TABLE


rule data_job:
    input:
        stamp=stamp("data"),
        needs=needs("data"),
    output:
        makes("data", "{domain}"),
    log:
        logged("data", "{domain}"),
    benchmark:
        logged("data", "{domain}", "benchmark.tsv")
    threads: 1
    params:
        file=PARAMS,
    shell:
        "lbt data --params {params.file:q} --job {wildcards.domain:q} > {log:q} 2>&1"


rule data_table:
    input:
        stamp=lambda wildcards: plan().stamp(plan().job("data", TABLE)),
    output:
        makes("data", TABLE, [CELLS]),
    log:
        logged("data", TABLE),
    benchmark:
        logged("data", TABLE, "benchmark.tsv")
    params:
        file=PARAMS,
        job=TABLE,
    shell:
        "lbt data --params {params.file:q} --job {params.job:q} > {log:q} 2>&1"
