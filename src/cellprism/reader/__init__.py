"""A finished run as notebooks see it: every table as a DataFrame, one call each."""
from __future__ import annotations

from cellprism.reader.findings import best_groups, rank_findings
from cellprism.reader.run import RunReader, open_run

__all__ = ["RunReader", "best_groups", "open_run", "rank_findings"]
