from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml
from tests.atlas.published_json import write_published

from cellprism.cli import DISK_FULL, main
from cellprism.cli.demo import annotated_line, traced_line
from cellprism.reader import open_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Call the command line in this process; get exit code, output and error output."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cellprism", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


def write_config(folder: Path, **sections: object) -> Path:
    (folder / "run.yaml").write_text(yaml.safe_dump({"out": str(folder / "run"), **sections}))
    return folder / "run.yaml"


def write_cells(folder: Path, matrix: np.ndarray, genes: list[str]) -> str:
    obs = pd.DataFrame(index=[f"c{i}" for i in range(len(matrix))])
    anndata.AnnData(matrix.astype(np.float32), obs=obs, var=pd.DataFrame(index=genes)).write_h5ad(folder / "cells.h5ad")
    return str(folder / "cells.h5ad")


def test_help_needs_no_heavy_import() -> None:
    code = (
        "import sys, cellprism.cli as c; sys.argv = ['cellprism', '--help']\n"
        "try: c.main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'scanpy', 'pandas', 'scipy', 'pyarrow', 'fastapi'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in ("demo", "init", "plan", "run", "status", "serve", "export", "doctor"))


@pytest.mark.parametrize("command", [
    "demo", "init", "plan", "run", "status", "serve", "export", "import-atlas", "doctor", "pretrain", "bench",
    "knowledge", "report",
])
def test_every_command_has_an_example(command: str, cli: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = cli(command, "--help")
    assert code == 0
    assert "Example" in out


def test_bad_input_is_one_sentence_and_exit_code_2(cli: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(1.0, (30, 40)).astype(float)
    unknown = [f"X{i}" for i in range(40)]
    (tmp_path / "text.h5ad").write_text("no cells here")
    cases: list[tuple[dict[str, object], list[str]]] = [
        ({"cells": {"path": str(tmp_path / "none.h5ad")}}, ["no file", "none.h5ad"]),
        ({"cells": {"path": str(tmp_path / "text.h5ad")}}, ["cannot be read", "text.h5ad"]),
        ({"cels": {}}, ["unknown key `cels`", "`cells`"]),
        ({"sae": {"layers": [0, 9]}}, ["layer [9]", "0 to 3"]),
        ({"cells": {"path": write_cells(tmp_path, counts, unknown)}}, ["0 of 40 genes"]),
        ({"cells": {"path": "demo", "labels": ["colour"]}}, ["no column 'colour'", "bulk_labels"]),
        ({"cells": {"path": "demo", "min_tokens": 5000}}, ["no cell has 5000"]),
        ({"model": {"path": str(tmp_path)}}, ["no checkpoint"]),
    ]
    for sections, words in cases:
        code, _, err = cli("run", write_config(tmp_path, **sections))
        assert code == 2, err
        sentence = err.splitlines()[-1]
        assert sentence.startswith("error: ")
        assert all(word in sentence for word in words), err


@pytest.mark.parametrize(("bad", "word"), [(np.nan, "NaN"), (-1.0, "negative")])
def test_values_that_cannot_be_counts(
    bad: float, word: str, cli: Callable[..., tuple[int, str, str]], tmp_path: Path,
) -> None:
    matrix = np.ones((5, 3))
    matrix[2, 1] = bad
    path = write_cells(tmp_path, matrix, ["CD3E", "CD79A", "LYZ"])
    code, _, err = cli("run", write_config(tmp_path, cells={"path": path}))
    assert (code, word in err) == (2, True)


def test_a_run_of_a_newer_format_is_refused(cli: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "format.json").write_text('{"format": 2}')
    (tmp_path / "run" / "run.yaml").write_text("{}")
    for words in (["run", write_config(tmp_path)], ["status", tmp_path / "run"], ["export", tmp_path / "run"]):
        code, _, err = cli(*words)
        assert (code, "format 2" in err) == (2, True), err


def test_init_plan_and_status_tell_their_story(cli: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    config = tmp_path / "new.yaml"
    assert cli("init", config)[0] == 0
    code, _, err = cli("init", config)
    assert (code, "already there" in err) == (2, True)
    code, out, _ = cli("plan", config, "--out", tmp_path / "run")
    assert code == 0
    assert all(word in out for word in ("174,400 positions", "disk", "memory", "time"))
    code, _, err = cli("status", tmp_path)
    assert (code, "not a cellprism run" in err) == (2, True)


def test_status_of_a_finished_run(cli: Callable[..., tuple[int, str, str]], demo_run: Path) -> None:
    code, out, _ = cli("status", demo_run)
    assert code == 0
    assert "waiting" not in out
    assert "train.03" in out
    assert "static_embedding: train.00" in out


def test_the_annotated_share_is_told_beside_its_null(demo_run: Path) -> None:
    reader = open_run(demo_run)
    rates, controls = reader.rates(), reader.controls()
    line = annotated_line(rates, controls)
    observed = rates[rates["rate"] == "annotated"].set_index("layer")
    assert all(f"{share:.1%} ({null:.1%})" in line for share, null in observed[["value", "null_mean"]].to_numpy())
    control = controls[controls["rate"] == "annotated"].iloc[0]
    assert f"any layer: {control['control_value']:.1%} ({control['control_null_mean']:.1%})." in line
    assert "controls" not in annotated_line(rates, controls.iloc[:0])
    assert (observed["value"] > 0.05).all()
    assert (observed["null_q95"] < 0.01).all()


def test_edges_are_told_beside_flipped_signs() -> None:
    sources = pd.DataFrame({"source": [3, 3, 8], "target_layer": [2, 3, 2]})
    fdr = pd.DataFrame({"rule": ["published", "calibrated"], "edges": [9, 1234], "null_mean": [5.0, 1.26]})
    line = traced_line(sources, fdr)
    assert "Taking away 2 features" in line
    assert "1,234 edges; with the signs of the effects flipped at random, 1.3." in line


def test_the_doctor_finds_what_is_installed(cli: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = cli("doctor")
    assert code == 0, out
    assert all(word in out for word in ("torch", "threads", "disk", "demo model", "atlas pages", "chromium"))


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here, so no small disk can be made")
    script = (
        f"mount -t tmpfs -o size=64k tmpfs {tmp_path} || exit 77; "
        f"cat /dev/zero > {tmp_path}/filler 2>/dev/null; exec {sys.executable} -m cellprism init {tmp_path}/run.yaml"
    )
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr or done.returncode == 77:
        pytest.skip(f"no small disk can be made here: {done.stderr.strip()}")
    assert done.returncode == 2, done.stderr
    assert done.stderr == f"error: {DISK_FULL}\n"


def test_import_atlas_writes_a_run(tmp_path: Path, cli: Callable[..., tuple[int, str, str]]) -> None:
    source = write_published(tmp_path / "published")
    code, out, _ = cli("import-atlas", source, "--out", tmp_path / "run")
    assert code == 0
    assert f"cellprism serve {tmp_path / 'run'}" in " ".join(out.split())
    code, _, err = cli("import-atlas", tmp_path / "run", "--out", tmp_path / "other")
    assert code == 2
    assert "no global_summary.json" in err
