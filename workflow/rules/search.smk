"""Architecture search: one job per (strategy, seed)."""


rule search_job:
    input:
        stamp=stamp("search"),
        needs=needs("search"),
    output:
        makes("search", "{strategy}/{seed}"),
    log:
        logged("search", "{strategy}/{seed}"),
    benchmark:
        logged("search", "{strategy}/{seed}", "benchmark.tsv")
    threads: 1
    params:
        file=PARAMS,
    shell:
        "lbt search --params {params.file:q} --job {wildcards.strategy:q}/{wildcards.seed:q} > {log:q} 2>&1"
