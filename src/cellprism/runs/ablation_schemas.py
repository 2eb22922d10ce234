"""The tables of patching, of features ablated together and of the damage that ablation does."""

from __future__ import annotations

from cellprism.runs.layout import F64, FEATURE, I32, I64, STR, TERM, Table

PATCHING = Table("patching", 1, {
    **FEATURE, **TERM,
    "n_genes": (I32, "held-out genes: of the term, not among the feature's top genes, with a control"),
    "n_controls": (I32, "their controls: not of the term, matched on expression and activation"),
    "n_cells": (I32, "cells that read a held-out gene and a control, in all of which the feature fires"),
    "effect": (F64, "change of the score of hidden held-out genes less that of their controls, mean over cells"),
    "low": (F64, "lower end of its 95 % interval, bootstrap over cells"),
    "high": (F64, "upper end of that interval"),
    "p": (F64, "two-sided p-value from gene sets that take a random member of each held-out gene's match"),
    "q": (F64, "Benjamini-Hochberg adjusted p within the features tested"),
    "logit": (F64, "the effect in logits in place of log-probabilities"),
    "random": (F64, "the effect of moving as far, at the same positions, along a random direction"),
    "change_held_out": (F64, "mean change of the score at held-out genes"),
    "change_control": (F64, "mean change of the score at controls"),
    "level_held_out": (F64, "mean expression of the held-out genes: value, or rank from 1 (first) to 0 (last)"),
    "level_control": (F64, "the same of the controls"),
    "activation_held_out": (F64, "mean activation of the feature at hidden held-out genes"),
    "activation_control": (F64, "the same at hidden controls"),
    "published_target": (F64, "protocol published: mean change of the logit at its own top genes, not hidden"),
    "published_other": (F64, "the same at all other genes on which it fires"),
    "published_ratio": (F64, "the ratio of the absolute values of these two: the papers' specificity"),
    "published_random": (F64, "that ratio for a random direction in place of the feature's"),
})
_COMBINATION = {"combination": (I32, "index of the combination")}
COMBINATIONS = Table("combinations", 1, {
    **_COMBINATION,
    "scheme": (STR, "how it was drawn: same term, different terms, random, or named"),
    "layer_a": (I32, "layer of the first part"),
    "feature_a": (I32, "the first part"),
    "layer_b": (I32, "layer of the second part"),
    "feature_b": (I32, "the second part"),
    "layer_c": (I32, "layer of the third part; missing for a pair"),
    "feature_c": (I32, "the third part; missing for a pair"),
    "target_layer": (I32, "the layer that is read"),
    "n_cells": (I32, "cells, in all of which every part fires"),
    "live": (I32, "targets that any condition changes: the tests"),
    "interactions": (I32, "those with q < 0.05"),
    "additivity": (F64, "slope of the effects together on the summed effects alone, over live targets; 1 is additive"),
    "low": (F64, "lower end of its 95 % interval, bootstrap over cells"),
    "high": (F64, "upper end of that interval"),
    "published_ratio": (F64, "protocol published: mean of |d together| over summed |d alone|, standardised effects"),
    "published_if_additive": (F64, "that ratio if the same effects added up exactly"),
    "published_targets": (I32, "targets behind that ratio"),
})
INTERACTIONS = Table("interactions", 1, {
    **_COMBINATION,
    "target": (I32, "feature of the target layer"),
    "alone": (F64, "sum of the mean effects of the parts alone"),
    "together": (F64, "mean effect of all parts together"),
    "contrast": (F64, "AB - A - B, or ABC - AB - AC - BC + A + B + C, mean over cells"),
    "low": (F64, "lower end of its 95 % interval, Student's t over cells"),
    "high": (F64, "upper end of that interval"),
    "relative": (F64, "contrast over the summed absolute mean effects of the parts"),
    "n_nonzero": (I32, "cells in which the contrast is not 0"),
    "p": (F64, "sign-flip p-value over cells"),
    "q": (F64, "Benjamini-Hochberg adjusted p within all live targets of all combinations"),
})
DAMAGE = Table("damage", 1, {
    **FEATURE,
    "arm": (STR, "chosen, matched (on frequency) or random"),
    "partner": (I32, "the chosen feature that a matched one stands beside; missing for the others"),
    "frequency": (F64, "share of all positions at which it fires"),
    "n_cells": (I32, "cells in which it fires while genes are hidden, of those measured"),
    "loss": (F64, "mean change of the loss at hidden genes when it is ablated, over all cells measured"),
    "hit": (F64, "mean change of the share of hidden genes that are guessed first; missing for models of values"),
})
DAMAGE_ARMS = Table("damage_arms", 1, {
    "metric": (STR, "loss (cross-entropy, or squared error for models of values) or hit (guessed first)"),
    "arm": (STR, "what the chosen features are compared with: matched or random"),
    "n_features": (I32, "features of each arm"),
    "n_cells": (I32, "cells, the same for all features"),
    "n_hidden": (I64, "hidden genes, the same for all features"),
    "clean": (F64, "the metric without ablation, mean over cells"),
    "chosen": (F64, "mean change over cells and chosen features"),
    "other": (F64, "mean change over cells and the features of the arm"),
    "difference": (F64, "chosen less other, mean over cells"),
    "low": (F64, "lower end of its 95 % interval, bootstrap over cells"),
    "high": (F64, "upper end of that interval"),
    "p": (F64, "sign-flip p-value over cells: do these features differ?"),
    "p_features": (F64, "p-value with the feature as unit: do such features differ?"),
})

ABLATION = (PATCHING, COMBINATIONS, INTERACTIONS, DAMAGE, DAMAGE_ARMS)
