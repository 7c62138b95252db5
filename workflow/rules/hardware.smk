"""What a training step costs: one job per (network, recipe)."""

from pathlib import Path


rule hardware_job:
    input:
        stamp=stamp("hardware"),
        needs=needs("hardware"),
    output:
        makes("hardware", "{network}/{recipe}"),
    log:
        logged("hardware", "{network}/{recipe}"),
    benchmark:
        logged("hardware", "{network}/{recipe}", "benchmark.tsv")
    threads: 1
    params:
        file=PARAMS,
    shell:
        "lbt hardware --params {params.file:q} --job {wildcards.network:q}/{wildcards.recipe:q} > {log:q} 2>&1"


rule synthesis:
    """The library of synthesised units anew: no part of the default run, which reads the one that ships with lbt."""
    input:
        sorted(str(file) for file in Path("lbt/hardware/rtl").glob("*.py")),
    output:
        "results/units.parquet",
    log:
        "logs/synthesis.log",
    threads: lambda wildcards: workflow.cores
    shell:
        "python -m lbt.hardware.rtl --jobs {threads} --out {output:q} > {log:q} 2>&1"
