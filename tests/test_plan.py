from __future__ import annotations

from typing import TYPE_CHECKING

from cellprism.models.stages import tokenize
from cellprism.plan import describe
from cellprism.runs.config import parse_config
from cellprism.runs.directory import create
from cellprism.runs.progress import Silent

if TYPE_CHECKING:
    from pathlib import Path


def test_the_plan_counts_the_very_cells_of_the_run(tmp_path: Path) -> None:
    cells = {"max_cells": 30, "where": {"bulk_labels": ["Dendritic", "CD14+ Monocyte"]}}
    config = parse_config({"out": str(tmp_path / "run"), "seed": 4, "cells": cells})
    text = describe(config)
    facts = tokenize(create(config), None, Silent())
    assert f"{facts['positions']:,} positions x 4 layers" in text
