"""A float network per source domain."""


rule pretrain_job:
    input:
        stamp=stamp("pretrain"),
        needs=needs("pretrain"),
    output:
        makes("pretrain", "{source}/{seed}"),
    log:
        logged("pretrain", "{source}/{seed}"),
    benchmark:
        logged("pretrain", "{source}/{seed}", "benchmark.tsv")
    threads: 1
    params:
        file=PARAMS,
    shell:
        "lbt pretrain --params {params.file:q} --job {wildcards.source:q}/{wildcards.seed:q} > {log:q} 2>&1"
