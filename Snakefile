"""lbt's workflow. Stages, their code, params and data are declared in dvc.yaml; the rules take them from there."""


configfile: "params/default.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/adapt.smk"
include: "workflow/rules/supernet.smk"
include: "workflow/rules/predictor.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/hardware.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        rules.report.output,


onsuccess:
    tidy()
