"""A served atlas in a process of its own: how soon it answers, and what memory it takes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

QUESTIONS = (
    "layers/{layer}/features?limit=500", "layers/{layer}/features/7", "layers/{layer}/modules", "genes?search=A",
    "terms?search=a", "terms/0", "tables",
)
PROCESS = "import sys; from cellprism.cli import main; sys.argv = ['cellprism', 'serve', sys.argv[1]]; main()"


def measure_server(atlas: Path) -> tuple[float, float]:
    """Seconds from the start of the process to the first answer, and MB resident after every kind of question."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", PROCESS, str(atlas)], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        address = next(word for word in line.split() if word.startswith("http"))
        runs = _asked(f"{address}api/runs")["items"]
        ready = time.perf_counter() - started
        for run in runs:
            for layer in run["layers"]:
                for question in QUESTIONS:
                    _asked(f"{address}api/runs/{run['id']}/{question.format(layer=layer)}")
        return ready, _resident(process.pid)
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()


def _asked(address: str) -> Any:
    with urllib.request.urlopen(address) as answer:
        return json.loads(answer.read())


def _resident(pid: int) -> float:
    """MB; not a number where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return float("nan")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1e3
