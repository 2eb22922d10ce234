"""The tables of regulation: what features do when a gene is perturbed, and whether known targets answer first."""

from __future__ import annotations

from cellprism.runs.layout import F64, FEATURE, I32, STR, Table

_TARGET = {"target": (STR, "the perturbed gene")}
_NULL = {
    "null_mean": (F64, "mean of that number, at the same bar, with control replicates called perturbed"),
    "null_q95": (F64, "95 % quantile of that"),
    "n_permutations": (I32, "such relabellings; 0 where the control has too few replicates"),
}
PERTURBATIONS = Table("perturbations", 1, {
    **_TARGET,
    "n_cells": (I32, "perturbed cells"),
    "n_guides": (I32, "guides; missing where the screen names none"),
    "n_replicates": (I32, "replicates of the test: guides, or cells where the screen names no guides"),
    "n_control": (I32, "replicates of the control"),
    "knockdown": (F64, "log2 fold change of the perturbed gene's own expression; missing if it is not measured"),
    "knockdown_p": (F64, "p-value of that, by the same test"),
    "responding": (I32, "features that respond, q < 0.05"),
    **_NULL,
})
RESPONSES = Table("responses", 1, {
    **_TARGET, **FEATURE,
    "control": (F64, "mean activation over the positions of a control cell, but that of the perturbed gene"),
    "effect": (F64, "mean of perturbed less control replicates, batches held equal, in units of the activation"),
    "low": (F64, "lower end of its 95 % interval"),
    "high": (F64, "upper end of that interval"),
    "t": (F64, "moderated t: variances of features shrunk towards each other"),
    "p": (F64, "two-sided p-value of that"),
    "q": (F64, "Benjamini-Hochberg adjusted p within all perturbations and features tested"),
})
TF_TARGETS = Table("tf_targets", 1, {
    **_TARGET,
    "source": (STR, "network that names the targets"),
    "n_targets": (I32, "its known targets among the genes that were read"),
    "n_matched": (I32, "genes as strongly expressed that are no known targets"),
    "auroc": (F64, "probability that a known target answers more than a matched gene, by the features on it"),
    "p": (F64, "permutation p-value: members of each match exchanged"),
    "q": (F64, "Benjamini-Hochberg adjusted p over factors and networks"),
    "auroc_expression": (F64, "the same by the change of the gene's own expression"),
    "p_expression": (F64, "its p-value"),
    "q_expression": (F64, "adjusted over factors and networks"),
    "power": (F64, "share of planted answers of these targets that the same test finds at p < 0.05"),
    "planted": (F64, "AUROC that was planted"),
})
GENE_PAIRS = Table("gene_pairs", 1, {
    **_TARGET,
    "gene": (STR, "another gene, upper case"),
    "predicted": (F64, "-1 to 1: change that edges from features on the one to features on the other predict"),
    "n_edges": (I32, "such edges"),
    "change": (F64, "change of the gene's expression, log2 of 1 + counts per 10,000"),
    "t": (F64, "moderated t of that"),
    "p": (F64, "two-sided p-value of that"),
})

REGULATION_TABLES = (PERTURBATIONS, RESPONSES, TF_TARGETS, GENE_PAIRS)
