"""Tracing a model of Geneformer V2 316M's architecture with dictionaries of full size."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.benchmarks import Row, best_seconds
from cellprism.benchmarks.extract import SIZES, _bert, _cells

if TYPE_CHECKING:
    import torch

    from cellprism.causal.effects import CleanState
    from cellprism.causal.intervention import Edits
    from cellprism.models.geneformer import Geneformer
    from cellprism.sae.topk import SparseAutoencoder

SOURCE, TARGETS = 5, (6, 11, 17)
