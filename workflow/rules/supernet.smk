"""A weight-sharing network, and the one-shot accuracy of the architectures that it holds."""


rule supernet_job:
    input:
        stamp=stamp("supernet"),
        needs=needs("supernet"),
    output:
        makes("supernet", "{domain}/{seed}"),
    log:
        logged("supernet", "{domain}/{seed}"),
    benchmark:
        logged("supernet", "{domain}/{seed}", "benchmark.tsv")
    threads: 1
    params:
        file=PARAMS,
    shell:
        "lbt supernet --params {params.file:q} --job {wildcards.domain:q}/{wildcards.seed:q} > {log:q} 2>&1"
