"""Training of several layers, killed at random moments, ends with the bytes of one that nobody disturbed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from cellprism.runs.files import sha256

if TYPE_CHECKING:
    from pathlib import Path

CHILD = """
import sys
import torch
from cellprism.models.stages import TOKENIZE
from cellprism.runs.config import parse_config
from cellprism.runs.directory import create
from cellprism.runs.progress import Silent
from cellprism.runs.stage import run_stages
from cellprism.sae import train
from cellprism.sae.stages import RESIDUALS, TRAIN

torch.set_num_threads(1)
train.SAVE_EVERY = 10
sae = {"layers": [0, 2], "k": 4, "steps": 120, "batch_size": 512}
run = create(parse_config({"out": sys.argv[1], "cells": {"max_cells": 40}, "sae": sae}))
run_stages((TOKENIZE, RESIDUALS, TRAIN), run, Silent())
"""
RESULTS = ("sae.safetensors", "training.parquet", "training.jsonl", "metrics.parquet")


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD]
    hard, quiet = tmp_path / "hard", tmp_path / "quiet"
    rng = random.Random()
    for layer in ("00", "02"):
        state = hard / "layers" / layer / "training.checkpoint"
        with subprocess.Popen([*command, str(hard)], stderr=subprocess.PIPE) as victim:
            while not state.exists():
                assert victim.poll() is None, victim.stderr.read() if victim.stderr else ""
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.2))
            victim.send_signal(signal.SIGKILL)
        assert victim.returncode in (-signal.SIGKILL, 0)
    for folder in (hard, quiet):
        subprocess.run([*command, str(folder)], check=True, capture_output=True)
    for layer in ("00", "02"):
        for name in RESULTS:
            assert sha256(hard / "layers" / layer / name) == sha256(quiet / "layers" / layer / name)
    assert not list(hard.rglob("*.checkpoint"))
    assert not list(hard.rglob("*.tmp"))
