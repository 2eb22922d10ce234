"""The tables of steering: what amplifying the features that switch along an ordering of cells does to early cells."""

from __future__ import annotations

from cellprism.runs.layout import BOOL, F64, FEATURE, I32, STR, Table

_ALPHA = {"alpha": (F64, "what the activation is multiplied by wherever the feature fires; 0 ablates")}
_READOUT = {"readout": (STR, "state, progress, fate or markers: see the table steering_readouts")}
_INTERVAL = {
    "low": (F64, "lower end of its 95 % interval"),
    "high": (F64, "upper end of that interval"),
}
_ALGEBRAIC = {
    "algebraic": (BOOL, "last layer: no block follows, so that the effect is atom times readout, not a response"),
}
SWITCHES = Table("switches", 1, {
    **FEATURE,
    "share_cells": (F64, "share of the cells that choose in which it fires"),
    "early": (F64, "mean activation over the positions of a cell, mean over early cells that choose"),
    "late": (F64, "the same over late cells"),
    "g": (F64, "Hedges' g of late against early, over cells"),
    "p": (F64, "Wilcoxon rank-sum p-value over cells"),
    "q": (F64, "Benjamini-Hochberg adjusted p within the features of the layer"),
    "arm": (STR, "on, off, matched (a control of one of these) or missing: not steered"),
})
STEERING = Table("steering", 1, {
    **FEATURE,
    "arm": (STR, "on (rises along the ordering), off (falls) or matched (as frequent, does not switch)"),
    "partner": (I32, "the on or off feature that a matched one stands beside; missing for the others"),
    "direction": (STR, "atom, or random: one fixed direction, as far and at the same positions"),
    **_ALPHA, **_READOUT,
    "n_cells": (I32, "early cells in which the feature fires"),
    "effect": (F64, "change of the readout, mean over these cells"),
    **_INTERVAL,
    "positive": (F64, "share of the cells that move towards late"),
    "p": (F64, "sign-flip p-value over cells; missing where algebraic"),
    "q": (F64, "Benjamini-Hochberg adjusted p within all rows of direction atom that have one"),
    **_ALGEBRAIC,
})
STEERING_ARMS = Table("steering_arms", 1, {
    "arm": (STR, "on or off"),
    **_ALPHA, **_READOUT,
    "against": (STR, "matched features, or random directions for the same features"),
    "n_features": (I32, "features of the arm, the units of the test"),
    "chosen": (F64, "mean effect over the features of the arm"),
    "other": (F64, "mean effect over their controls"),
    "difference": (F64, "chosen less other"),
    **_INTERVAL,
    "p": (F64, "sign-flip p-value over features, each less its control"),
    "q": (F64, "Benjamini-Hochberg adjusted p within the table"),
    **_ALGEBRAIC,
})
STEERING_READOUTS = Table("steering_readouts", 1, {
    **_READOUT,
    "what": (STR, "what it measures, in a sentence"),
    "unit": (STR, "unit of its changes"),
    "n_fit": (I32, "cells it was fitted on; they neither chose features nor were steered"),
    "n_test": (I32, "cells it was judged on, which it was not fitted on"),
    "measure": (STR, "how it was judged: correlation with the ordering, or AUROC of late against early"),
    "quality": (F64, "that measure on the test cells"),
    "null_mean": (F64, "the same with the ordering permuted among the cells it is fitted on, mean"),
    "null_q95": (F64, "95 % quantile of that"),
    "n_permutations": (I32, "permutations"),
    "span": (F64, "mean of late less mean of early test cells: the whole way, in the unit of the changes"),
})
STEERING_GENES = Table("steering_genes", 1, {
    **FEATURE, **_ALPHA,
    "gene": (STR, "gene whose logit, or predicted value, changes"),
    "rank": (I32, "1 is the largest change of its sign"),
    "change": (F64, "mean change over cells and gene positions"),
})

STEERING_TABLES = (SWITCHES, STEERING, STEERING_ARMS, STEERING_READOUTS, STEERING_GENES)
