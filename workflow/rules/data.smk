"""Domains and the architecture table."""


rule data_job:
    input:
        stamp=stamp("data"),
        needs=needs("data"),
    output:
        makes(
            "data",
            "{domain}",
            "metrics.json",
            "train.parquet",
            "validation.parquet",
            "test.parquet",
            "sheet.png",
        ),
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
        stamp=lambda wildcards: plan().stamp(plan().job("data", "nasbench201")),
    output:
        makes("data", "nasbench201", "metrics.json", "cells.parquet"),
    log:
        logged("data", "nasbench201"),
    benchmark:
        logged("data", "nasbench201", "benchmark.tsv")
    params:
        file=PARAMS,
    shell:
        "lbt data --params {params.file:q} --job nasbench201 > {log:q} 2>&1"


rule data:
    input:
        stamp=stamp("data"),
        needs=needs("data"),
    output:
        makes("data", "summary", "metrics.json", "table.parquet"),
    log:
        logged("data", "summary"),
    benchmark:
        logged("data", "summary", "benchmark.tsv")
    params:
        file=PARAMS,
    shell:
        "lbt data --params {params.file:q} --job summary > {log:q} 2>&1"
