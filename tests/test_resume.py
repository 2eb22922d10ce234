"""Kill a run at five moments; what it ends with equals a run that nobody disturbed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from cellprism import cli
from cellprism.pipeline import run
from cellprism.runs.config import load_config
from cellprism.runs.files import sha256

TIMED = {"stages", "manifest.json", "run.yaml", ".lock"}
"""What differs between two runs: times, process numbers, the name of the directory."""


def results(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file() and TIMED.isdisjoint(p.relative_to(folder).parts))
    return {p.relative_to(folder).as_posix(): sha256(p) for p in files}


@pytest.mark.slow
def test_five_kills_change_nothing(tmp_path: Path) -> None:
    demo = load_config(Path(cli.__file__).with_name("demo.yaml"))
    config = demo.model_copy(update={"sae": demo.sae.model_copy(update={"steps": 40})})
    quiet = run(config.model_copy(update={"out": str(tmp_path / "quiet")})).path
    hard = tmp_path / "hard"
    yaml_file = tmp_path / "hard.yaml"
    yaml_file.write_text(yaml.safe_dump({**config.model_dump(mode="json"), "out": str(hard)}))
    command = [sys.executable, "-m", "cellprism", "run", str(yaml_file)]
    for moment in (
        "stages/residuals.begun", "stages/train.02.begun", "layers/03/codes/value.00000.npy",
        "stages/annotate.01.begun", "stages/layout.00.begun",
    ):
        with subprocess.Popen(command, stderr=subprocess.PIPE) as victim:
            while not (hard / moment).exists():
                assert victim.poll() is None, f"ended before {moment}: {victim.stderr.read() if victim.stderr else ''}"
                time.sleep(0.005)
            victim.send_signal(signal.SIGKILL)
    assert not (hard / "stages" / "neighbours.json").exists()
    subprocess.run(command, check=True, capture_output=True)
    assert results(hard) == results(quiet)
    assert not list(hard.rglob("*.tmp"))
