"""The tables of a trace: what features cause."""

from __future__ import annotations

from cellprism.runs.layout import BOOL, F64, I32, I64, STR, Table

_EDGE = {
    "source": (I32, "feature of the source layer"),
    "target_layer": (I32, "a later layer"),
    "target": (I32, "feature of that layer"),
}
_EFFECT = {
    "effect": (F64, "mean over cells of edited minus clean activation at the positions where the source fires"),
    "sd": (F64, "standard deviation of the same over cells"),
}
EDGES = Table("edges", 1, {
    **_EDGE, **_EFFECT,
    "g": (F64, "Hedges' g of the effect over cells"),
    "agreement": (F64, "share of the cells with an effect other than 0 that have the sign of the mean"),
    "n_cells": (I32, "cells in which the source fires"),
    "n_nonzero": (I32, "cells with an effect other than 0"),
    "p": (F64, "sign-flip p-value"),
    "q": (F64, "Benjamini-Hochberg adjusted p within all live tests of the trace"),
    "sign": (I32, "1: supports, taking the source away lowers the target; -1: opposes"),
    "published": (BOOL, "passes the rule of the published work as well"),
    "replicated": (BOOL, "same sign and |g| above the threshold in each half of the cells"),
})
PUBLISHED_EDGES = Table("published_edges", 1, {
    **_EDGE,
    "d": (F64, "effect over its standard deviation"),
    "consistency": (F64, "larger share of cells above 0 or not above 0"),
    **_EFFECT,
    "n_cells": (I32, "cells in which the source fires"),
})
SOURCES = Table("sources", 1, {
    "source": (I32, "feature of the source layer"),
    "target_layer": (I32, "a later layer"),
    "n_cells": (I32, "cells in which the source fires"),
    "live": (I64, "targets of that layer with any effect other than 0: the tests"),
    "edges": (I64, "edges to that layer"),
    "supports": (I64, "those of sign 1"),
    "passing": (I64, "targets that pass the thresholds of size and agreement, whatever their q"),
    "null_passing": (F64, "the same under sign flips, mean"),
    "published": (I64, "targets that pass the rule of the published work"),
    "published_negative": (I64, "those that the edit lowers"),
})
FDR = Table("fdr", 1, {
    "rule": (STR, "thresholds; calibrated: with q < 0.05; published; `:half`: with half of the cells"),
    "g": (F64, "|g| above; |d| for the published rule"),
    "agreement": (F64, "agreement above, or reaching 1; consistency for the published rule"),
    "edges": (I64, "effects that pass"),
    "null_mean": (F64, "mean number under sign flips"),
    "null_low": (F64, "5 % quantile of that number over flips"),
    "null_high": (F64, "95 % quantile of that number over flips"),
    "fdr": (F64, "null_mean over edges"),
    "fdr_low": (F64, "null_low over edges"),
    "fdr_high": (F64, "null_high over edges"),
    "n_permutations": (I32, "flips, each a whole null graph"),
})
DEGREES = Table("degrees", 2, {
    "side": (STR, "out: edges from a source; in: edges to a target"),
    "layer": (I32, "layer of the feature"),
    "feature": (I32, "index of the feature in its layer's dictionary"),
    "degree": (I64, "its edges"),
    "supports": (I64, "those of sign 1"),
    "frequency": (F64, "share of all positions of the run at which the feature fires"),
    "n_cells": (I32, "traced cells in which it fires, 10 or more"),
    "expected": (F64, "degree expected from frequency and n_cells"),
    "residual": (F64, "log(1 + degree) minus its expectation"),
    "z": (F64, "the residual over its standard deviation, estimated without the feature"),
    "p": (F64, "one-sided p of a residual that large"),
    "q": (F64, "Benjamini-Hochberg adjusted p over the features of the side and layer"),
})
TAILS = Table("tails", 1, {
    "side": (STR, "out: edges from a source; in: edges to a target"),
    "layer": (I32, "layer of the features"),
    "n": (I32, "features with an edge"),
    "x_min": (I32, "degree from which on the tail is fitted"),
    "n_tail": (I32, "features in the tail"),
    "alpha": (F64, "exponent of the power law"),
    "ks": (F64, "largest distance of the observed from the fitted distribution of the tail"),
    "distribution": (STR, "what the power law is compared with; power_law: with its own bootstraps"),
    "ratio": (F64, "log-likelihood of the power law over the other; normalised unless nested; missing for power_law"),
    "nested": (BOOL, "the power law is a special case of the other"),
    "p": (F64, "of the comparison; for power_law: share of bootstraps that fit worse"),
})
DOMAIN_EDGES = Table("domain_edges", 1, {
    "source_term": (STR, "label of source features"),
    "target_term": (STR, "label of target features"),
    "n_edges": (I64, "edges from features of the one to features of the other"),
    "expected": (F64, "mean of that number with labels shuffled within layers"),
    "null_q95": (F64, "95 % quantile of the same"),
    "p": (F64, "permutation p of so many edges"),
    "q": (F64, "Benjamini-Hochberg adjusted p over all pairs of a source's and a target's label"),
    "mean_g": (F64, "mean g of these edges"),
    "supports": (F64, "share of them with sign 1"),
})
DOMAINS = Table("domains", 1, {
    "term": (STR, "label of features"),
    "out_edges": (I64, "edges from features of this label to labelled features"),
    "in_edges": (I64, "edges from labelled features to features of this label"),
    "pagerank": (F64, "PageRank in the graph of labels, weighted by edges"),
    "expected": (F64, "its mean with labels shuffled within layers"),
    "p": (F64, "permutation p of so large a PageRank"),
})
TRACE_RATES = Table("trace_rates", 1, {
    "rate": (STR, "name of the rate"),
    "target_layer": (I32, "the layer of the targets; -1 for all together"),
    "value": (F64, "observed rate"),
    "n": (I64, "units in the denominator"),
    "unit": (STR, "what is counted"),
    "null_mean": (F64, "mean of the rate under the null"),
    "null_q05": (F64, "5 % quantile of the rate under the null"),
    "null_q95": (F64, "95 % quantile of the rate under the null"),
    "p": (F64, "two-sided p-value under the null"),
    "n_permutations": (I32, "permutations of the null"),
    "null": (STR, "what the null keeps and what it breaks"),
    "protocol": (STR, "calibrated or published"),
})
DIRECTION_CONTROLS = Table("direction_controls", 1, {
    "control": (STR, "none: the trace itself; random: random directions; feature: atoms of other features"),
    "replicate": (I32, "number of the control of that kind"),
    "target_layer": (I32, "a later layer"),
    "sources": (I32, "sources that are in both"),
    "edges": (I64, "their edges"),
    "supports": (I64, "those of sign 1"),
    "passing": (I64, "targets that pass the thresholds of size and agreement, whatever their q"),
    "null_passing": (F64, "the same under sign flips, mean"),
    "published": (I64, "targets that pass the rule of the published work"),
    "more": (I32, "sources with more edges in the trace itself than here"),
    "fewer": (I32, "sources with fewer"),
    "p": (F64, "two-sided sign test over sources of more against fewer; missing where all are equal"),
})
AGREEMENT = Table("agreement", 1, {
    "target_layer": (I32, "a later layer"),
    "sources": (I32, "sources, drawn at random, that were ablated as well"),
    "pairs": (I64, "pairs of source and target with an estimated or exact effect other than 0"),
    "spearman": (F64, "rank correlation over these pairs of the mean effects over cells"),
    "edges": (I64, "exact edges, calibrated as a trace of these sources alone"),
    "estimated_edges": (I64, "edges from the estimates, calibrated alike"),
    "same_sign": (F64, "share of the exact edges whose estimated effect has the same sign"),
    "recall": (F64, "share of the exact edges that are estimated edges of the same sign"),
    "precision": (F64, "share of the estimated edges that are exact edges of the same sign"),
})

CAUSAL = (
    EDGES, PUBLISHED_EDGES, SOURCES, FDR, DEGREES, TAILS, DOMAIN_EDGES, DOMAINS, TRACE_RATES, DIRECTION_CONTROLS,
    AGREEMENT,
)
