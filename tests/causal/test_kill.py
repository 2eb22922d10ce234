"""`cellprism trace`, killed at random moments of all its work, ends with the bytes of one that nobody disturbed."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from cellprism.causal import cost
from cellprism.cli import main
from cellprism.models import differences
from cellprism.runs.files import sha256

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from cellprism.runs.directory import Run

KILLS = 6
METHODS = {
    "ablation": ["--features", "random:9"],
    "low rank": ["--features", "random:9"],
    "attribution": [
        "--features", "random:9", "--method", "attribution", "--target-features", "random:3", "--targets", "2",
    ],
}


def command(words: list[str], log: str, *, low_rank: bool) -> None:
    """The command line in a process that has loaded the libraries, with small blocks, and changes of any width."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    torch.set_num_threads(1)
    cost.MOST_SOURCES = 3
    if low_rank:
        differences.changes_format = lambda *_: "float32"
    sys.argv = ["cellprism", "trace", *words]
    main()


class Watch:
    """Counts how often a file of a folder is written or goes."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.events = folder, 0
        self._there = self._look()

    def _look(self) -> set[tuple[Path, int]]:
        found = set()
        for path in (Path(root, name) for root, _, names in os.walk(self._folder) for name in names):
            with suppress(FileNotFoundError):
                found.add((path, path.stat().st_mtime_ns))
        return found

    def until(self, process: BaseProcess, events: float) -> None:
        """Wait for so many of them, or for the end of the process."""
        while self.events < events and process.is_alive():
            now = self._look()
            self.events += len(now ^ self._there)
            self._there = now
            time.sleep(0.002)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_kills_at_random_moments_change_nothing(run: Run, tmp_path: Path, method: str) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.causal.warm"])
    asked = [str(run.path), "--source", "1", "--cells", "11", *METHODS[method]]
    rng, log = random.Random(), tmp_path / "log"

    def started(name: str) -> tuple[BaseProcess, Watch]:
        watch = Watch(run.path / "causal" / name)
        process = context.Process(
            target=command, args=([*asked, "--name", name], str(log)), kwargs={"low_rank": method == "low rank"},
        )
        process.start()
        return process, watch

    def finished(name: str) -> tuple[dict[str, str], int]:
        process, watch = started(name)
        watch.until(process, float("inf"))
        process.join()
        assert process.exitcode == 0, log.read_text()
        return {p.name: sha256(p) for p in (run.path / "causal" / name).glob("*.parquet")}, watch.events

    quiet, events = finished("quiet")
    ends = []
    for _ in range(KILLS):
        process, watch = started("hard")
        watch.until(process, rng.uniform(0, 1.5 * events / KILLS))
        time.sleep(rng.uniform(0, 0.01))
        process.kill()
        process.join()
        ends.append(process.exitcode)
    hard, _ = finished("hard")
    assert ends[0] == -signal.SIGKILL
    assert set(ends) <= {-signal.SIGKILL, 0}
    assert hard == quiet
    assert len(hard) > 8
    assert not list(run.path.rglob("*.tmp"))
    assert not list(run.path.rglob("blocks"))
    described = json.loads((run.path / "causal" / "hard" / "trace.json").read_text())
    assert ("low rank" in described["dtype"]) == (method == "low rank")
