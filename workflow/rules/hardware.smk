"""What a training step costs: one job per (network, recipe)."""


rule hardware_job:
    input:
        stamp=stamp("hardware"),
        needs=needs("hardware"),
    output:
        makes("hardware", "{model}/{recipe}", "metrics.json", "cost.parquet"),
    log:
        logged("hardware", "{model}/{recipe}"),
    benchmark:
        logged("hardware", "{model}/{recipe}", "benchmark.tsv")
    threads: 1
    shell:
        "lbt hardware --params {PARAMS} --job {wildcards.model}/{wildcards.recipe} > {log} 2>&1"


rule hardware:
    input:
        stamp=stamp("hardware"),
        needs=needs("hardware"),
    output:
        makes("hardware", "summary", "metrics.json", "table.parquet"),
    log:
        logged("hardware", "summary"),
    benchmark:
        logged("hardware", "summary", "benchmark.tsv")
    shell:
        "lbt hardware --params {PARAMS} --job summary > {log} 2>&1"
