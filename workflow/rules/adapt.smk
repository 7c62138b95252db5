"""Low-bit training on the target domain: one job per (pair, method, recipe, seed)."""


rule adapt_job:
    input:
        stamp=stamp("adapt"),
        needs=needs("adapt"),
    output:
        makes("adapt", "{pair}/{method}/{recipe}/{seed}"),
    log:
        logged("adapt", "{pair}/{method}/{recipe}/{seed}"),
    benchmark:
        logged("adapt", "{pair}/{method}/{recipe}/{seed}", "benchmark.tsv")
    threads: 1
    params:
        file=PARAMS,
    shell:
        "lbt adapt --params {params.file:q} --job {wildcards.pair:q}/{wildcards.method:q}/{wildcards.recipe:q}/{wildcards.seed:q} > {log:q} 2>&1"
