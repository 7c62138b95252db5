"""The page, its figures, and the tables behind them."""

from lbt.pipeline.stages.report import FINDINGS


rule report:
    input:
        stamp=stamp("report"),
        needs=needs("report"),
    output:
        makes("report", ".", "metrics.json", "results.md", "report.html"),
        [PLAN.root / f"report/{name}.csv" for name in FINDINGS],
        [PLAN.root / f"report/{name}.png" for name in FINDINGS],
        report(
            [PLAN.root / f"report/{name}.svg" for name in FINDINGS],
            caption="../report/figure.rst",
            category="Figures",
        ),
    log:
        logged("report", "report"),
    benchmark:
        logged("report", "report", "benchmark.tsv")
    params:
        file=PARAMS,
    shell:
        "lbt report --params {params.file:q} --job . > {log:q} 2>&1"
