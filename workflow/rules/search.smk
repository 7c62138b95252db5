"""Architecture search: one job per (strategy, seed)."""


rule search_job:
    input:
        stamp=stamp("search"),
        needs=needs("search"),
    output:
        makes("search", "{strategy}/{seed}", "metrics.json", "curve.parquet"),
    log:
        logged("search", "{strategy}/{seed}"),
    benchmark:
        logged("search", "{strategy}/{seed}", "benchmark.tsv")
    threads: 1
    params:
        file=PARAMS,
    shell:
        "lbt search --params {params.file:q} --job {wildcards.strategy:q}/{wildcards.seed:q} > {log:q} 2>&1"


rule search:
    input:
        stamp=stamp("search"),
        needs=needs("search"),
    output:
        makes("search", "summary", "metrics.json", "table.parquet"),
    log:
        logged("search", "summary"),
    benchmark:
        logged("search", "summary", "benchmark.tsv")
    params:
        file=PARAMS,
    shell:
        "lbt search --params {params.file:q} --job summary > {log:q} 2>&1"
