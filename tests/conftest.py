"""What every room's tests share: a finished run of the demo, and a way to make small cells."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellprism.cells.expression import Expression

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does, before torch is loaded


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("CELLPRISM_SHARED", "../shared")).resolve()
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data at {folder}: set CELLPRISM_SHARED")
    return folder


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of the demo, done once for all tests; the very config that `cellprism demo` uses."""
    from cellprism import cli
    from cellprism.pipeline import run
    from cellprism.runs.config import load_config

    config = load_config(Path(cli.__file__).with_name("demo.yaml"))
    return run(config.model_copy(update={"out": str(tmp_path_factory.mktemp("runs") / "demo")})).path


@pytest.fixture
def small_cells() -> Expression:
    """40 cells x 60 genes of two kinds that differ in ten genes each."""
    rng = np.random.default_rng(0)
    rate = np.full((40, 60), 1.0)
    rate[:20, :10] = rate[20:, 10:20] = 8.0
    counts = sparse.csr_matrix(rng.poisson(rate).astype(np.float32))
    return Expression(
        counts=counts,
        totals=np.asarray(counts.sum(axis=1)).ravel(),
        genes=[(f"G{i}",) for i in range(60)],
        names=np.array([f"cell{i}" for i in range(40)]),
        obs=pd.DataFrame({"kind": ["a"] * 20 + ["b"] * 20}),
        source="small cells",
    )
