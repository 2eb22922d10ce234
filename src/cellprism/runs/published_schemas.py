"""Tables that only runs imported from published atlases have: numbers as published, behind which no test of ours is."""

from __future__ import annotations

from cellprism.runs.layout import BOOL, F64, FEATURE, I32, STR, Table

PUBLISHED_GROUPS = Table("published_groups", 1, {
    **FEATURE,
    "key": (STR, "cell_type or tissue"),
    "value": (STR, "its value"),
    "n_cells": (I32, "cells of it among the tenth of the cells in which the feature is strongest; missing for tissues"),
    "log_odds": (F64, "log2 of the odds ratio of being among those cells"),
    "q": (F64, "one-sided Fisher test, Benjamini-Hochberg within the feature, as published; at most ten of a feature"),
})
PUBLISHED_PATCHING = Table("published_patching", 1, {
    **FEATURE,
    "term": (STR, "what the feature was called when it was patched; missing if it was not said"),
    "own": (F64, "change of the logits of its own top genes, not hidden, when it is ablated: mean over positions"),
    "other": (F64, "the same of all other genes on which it fires"),
    "ratio": (F64, "the ratio of their absolute values, called specificity; a small denominator makes it large"),
})
PUBLISHED_RESPONSES = Table("published_responses", 1, {
    "target": (STR, "the perturbed gene"),
    "factor": (BOOL, "whether TRRUST has targets of it"),
    "n_known": (I32, "its targets in TRRUST"),
    "responding": (I32, "features among the twenty of the largest absolute effect whose effect exceeds 0.5"),
    "specific": (I32, "those whose top genes hold the perturbed gene or a known target"),
    "feature": (I32, "one of at most five features that were published; missing if none was"),
    "effect": (F64, "mean of 20 perturbed cells less that of control, in standard deviations over positions"),
})

PUBLISHED = (PUBLISHED_GROUPS, PUBLISHED_PATCHING, PUBLISHED_RESPONSES)
