"""Architecture predictors: one job per (encoder, seed), over all training sizes."""


rule predictor_job:
    input:
        stamp=stamp("predictor"),
        needs=needs("predictor"),
    output:
        makes("predictor", "{encoder}/{seed}"),
    log:
        logged("predictor", "{encoder}/{seed}"),
    benchmark:
        logged("predictor", "{encoder}/{seed}", "benchmark.tsv")
    threads: 1
    params:
        file=PARAMS,
    shell:
        "lbt predictor --params {params.file:q} --job {wildcards.encoder:q}/{wildcards.seed:q} > {log:q} 2>&1"
