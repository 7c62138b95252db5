"""A stream through a deployed network: one job per (stream, method, recipe, seed)."""


rule edge_job:
    input:
        stamp=stamp("edge"),
        needs=needs("edge"),
    output:
        makes("edge", "{stream}/{method}/{recipe}/{seed}"),
    log:
        logged("edge", "{stream}/{method}/{recipe}/{seed}"),
    benchmark:
        logged("edge", "{stream}/{method}/{recipe}/{seed}", "benchmark.tsv")
    threads: 1
    params:
        file=PARAMS,
    shell:
        "lbt edge --params {params.file:q} --job {wildcards.stream:q}/{wildcards.method:q}/{wildcards.recipe:q}/{wildcards.seed:q} > {log:q} 2>&1"
