"""The page, its figures, and the tables behind them."""

from lbt.pipeline.stages.report import FIGURES, TABLES


rule report:
    input:
        stamp=stamp("report"),
        needs=needs("report"),
    output:
        makes(
            "report", ".", "metrics.json", "results.md", *[f"{t}.csv" for t in TABLES]
        ),
        PLAN.root / "report/report.html",
        [PLAN.root / f"report/{figure}.png" for figure in FIGURES],
        report(
            [PLAN.root / f"report/{figure}.svg" for figure in FIGURES],
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
        "lbt report --params {params.file} --job . > {log} 2>&1"
