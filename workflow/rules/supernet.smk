"""A weight-sharing network, and the one-shot accuracy of the architectures that it holds."""


rule supernet_job:
    input:
        stamp=stamp("supernet"),
        needs=needs("supernet"),
    output:
        makes(
            "supernet",
            "{domain}/{seed}",
            "metrics.json",
            "curve.parquet",
            "scores.parquet",
            "supernet.safetensors",
        ),
    log:
        logged("supernet", "{domain}/{seed}"),
    benchmark:
        logged("supernet", "{domain}/{seed}", "benchmark.tsv")
    threads: 1
    params:
        file=PARAMS,
    shell:
        "lbt supernet --params {params.file:q} --job {wildcards.domain:q}/{wildcards.seed:q} > {log:q} 2>&1"


rule supernet:
    input:
        stamp=stamp("supernet"),
        needs=needs("supernet"),
    output:
        makes("supernet", "summary", "metrics.json", "table.parquet"),
    log:
        logged("supernet", "summary"),
    benchmark:
        logged("supernet", "summary", "benchmark.tsv")
    params:
        file=PARAMS,
    shell:
        "lbt supernet --params {params.file:q} --job summary > {log:q} 2>&1"
