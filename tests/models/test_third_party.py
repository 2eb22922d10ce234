"""A model from a package that cellprism knows nothing of, installed and taken through a run."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch
import yaml

from cellprism.cells.expression import read_expression
from cellprism.errors import UserError
from cellprism.models import load_model
from cellprism.models.controls import as_control
from cellprism.reader import open_run

WHEEL = {
    "METADATA": "Metadata-Version: 2.1\nName: gated-cells\nVersion: 1.0\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "entry_points.txt": "[cellprism.models]\ngated = gated_cells:load\n",
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, installed by pip as any other."""
    wheel = tmp_path_factory.mktemp("wheel") / "gated_cells-1.0-py3-none-any.whl"
    files = {f"gated_cells-1.0.dist-info/{name}": text for name, text in WHEEL.items()}
    files["gated_cells.py"] = (Path(__file__).with_name("data") / "gated_cells.py").read_text()
    record = "gated_cells-1.0.dist-info/RECORD"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**files, record: "".join(f"{name},,\n" for name in [*files, record])}.items():
            archive.writestr(name, text)
    target = tmp_path_factory.mktemp("site")
    subprocess.run([
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check",
        "--target", str(target), str(wheel),
    ], check=True, capture_output=True, timeout=120)
    return target


def write_weights(folder: Path) -> None:
    torch.manual_seed(0)
    names = [gene[0] for gene in read_expression("demo").genes[:400]]
    tensors = {"embedding": torch.randn(401, 16)}
    for layer in range(2):
        tensors |= {f"A{layer}": torch.randn(16, 16) / 4, f"B{layer}": torch.randn(16, 16) / 4}
    torch.save({"tensors": tensors, "genes": names}, folder / "weights.pt")


def test_an_installed_model_goes_through_a_run(installed: Path, tmp_path: Path) -> None:
    write_weights(tmp_path)
    config = {
        "out": str(tmp_path / "run"), "model": {"kind": "gated", "path": str(tmp_path)},
        "cells": {"path": "demo", "max_cells": 40, "labels": ["bulk_labels"]},
        "sae": {"k": 4, "steps": 20, "batch_size": 256}, "annotation": {"permutations": 2},
        "controls": [],
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "cellprism", "run", str(tmp_path / "run.yaml")], env=env, capture_output=True, text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    run = open_run(tmp_path / "run")
    assert list(run.layers) == [0, 1]
    assert len(run.features(layer=1)) == 64


def test_settings_that_mean_nothing_to_a_model_are_refused(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(installed))
    write_weights(tmp_path)
    assert load_model(str(tmp_path), kind="gated", device="cpu").n_layers == 2
    for control in ("random_weights", "static_embedding"):
        with pytest.raises(UserError, match=f"kind 'gated' do not offer the control {control}"):
            as_control(load_model(str(tmp_path), kind="gated", device="cpu"), control, seed=0)
    with pytest.raises(UserError, match=r"kind 'gated' have no use for `model\.subfolder: x`"):
        load_model(str(tmp_path), kind="gated", subfolder="x")


def test_a_package_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("broken", "no_such_package:load", "cellprism.models")
    monkeypatch.setattr("cellprism.models.entry_points", lambda **_group: [broken])
    with pytest.raises(UserError, match=r"'no_such_package:load' cannot be imported \(No module named 'no_such_"):
        load_model("x", kind="broken")
