"""A float network per source domain."""


rule pretrain_job:
    input:
        stamp=stamp("pretrain"),
        needs=needs("pretrain"),
    output:
        makes(
            "pretrain",
            "{source}",
            "metrics.json",
            "model.safetensors",
            "curve.parquet",
        ),
    log:
        logged("pretrain", "{source}"),
    benchmark:
        logged("pretrain", "{source}", "benchmark.tsv")
    threads: 1
    params:
        file=PARAMS,
    shell:
        "lbt pretrain --params {params.file} --job {wildcards.source} > {log} 2>&1"


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
        "lbt pretrain --params {params.file} --job summary > {log} 2>&1"
