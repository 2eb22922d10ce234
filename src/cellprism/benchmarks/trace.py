"""Tracing a model of Geneformer V2 316M's architecture with dictionaries of full size."""

from __future__ import annotations

SOURCE, TARGETS = 5, (6, 11, 17)
