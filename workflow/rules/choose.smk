"""Which network and which number formats: a search, final trainings by network and seed, and the answer."""

from lbt.pipeline.stages.choose import ANSWER, ANSWER_OUTPUTS, RUNS, SEARCH


rule choose_search:
    input:
        stamp=stamp("choose", SEARCH),
        needs=needs("choose", SEARCH),
    output:
        makes("choose", f"{{pair}}/{SEARCH}"),
    log:
        logged("choose", f"{{pair}}/{SEARCH}"),
    benchmark:
        logged("choose", f"{{pair}}/{SEARCH}", "benchmark.tsv")
    threads: 1
    params:
        file=PARAMS,
        job=SEARCH,
    shell:
        "lbt choose --params {params.file:q} --job {wildcards.pair:q}/{params.job} > {log:q} 2>&1"


rule choose_job:
    input:
        stamp=stamp("choose"),
        needs=needs("choose"),
    output:
        makes("choose", "{pair}/{network}/{seed}", [RUNS]),
    log:
        logged("choose", "{pair}/{network}/{seed}"),
    benchmark:
        logged("choose", "{pair}/{network}/{seed}", "benchmark.tsv")
    threads: 1
    params:
        file=PARAMS,
    shell:
        "lbt choose --params {params.file:q} --job {wildcards.pair:q}/{wildcards.network:q}/{wildcards.seed:q} > {log:q} 2>&1"


rule choose_answer:
    input:
        stamp=stamp("choose", ANSWER),
        needs=needs("choose", ANSWER),
    output:
        makes("choose", f"{{pair}}/{ANSWER}", ANSWER_OUTPUTS.values()),
    log:
        logged("choose", f"{{pair}}/{ANSWER}"),
    benchmark:
        logged("choose", f"{{pair}}/{ANSWER}", "benchmark.tsv")
    threads: 1
    params:
        file=PARAMS,
        job=ANSWER,
    shell:
        "lbt choose --params {params.file:q} --job {wildcards.pair:q}/{params.job} > {log:q} 2>&1"
