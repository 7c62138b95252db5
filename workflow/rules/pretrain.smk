"""A float network per source domain."""


rule pretrain_job:
    input:
        stamp=stamp("pretrain"),
        needs=needs("pretrain"),
    output:
        makes(
            "pretrain",
            "{source}/{seed}",
            "metrics.json",
            "model.safetensors",
            "curve.parquet",
        ),
    log:
        logged("pretrain", "{source}/{seed}"),
    benchmark:
        logged("pretrain", "{source}/{seed}", "benchmark.tsv")
    threads: 1
    params:
        file=PARAMS,
    shell:
        "lbt pretrain --params {params.file:q} --job {wildcards.source:q}/{wildcards.seed:q} > {log:q} 2>&1"


rule pretrain:
    input:
        stamp=stamp("pretrain"),
        needs=needs("pretrain"),
    output:
        makes("pretrain", "summary", "metrics.json", "table.parquet"),
    log:
        logged("pretrain", "summary"),
    benchmark:
        logged("pretrain", "summary", "benchmark.tsv")
    params:
        file=PARAMS,
    shell:
        "lbt pretrain --params {params.file:q} --job summary > {log:q} 2>&1"
