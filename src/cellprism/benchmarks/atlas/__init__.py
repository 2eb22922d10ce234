"""The atlas against its budgets: bytes and times of first views, frames, nodes, requests, export and server."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cellprism.benchmarks import Budget

if TYPE_CHECKING:
    from cellprism.benchmarks.atlas.browser import View

PUBLISHED = "data/published-geneformer-atlas"
"""The published atlas within the folder of real data that ``CELLPRISM_SHARED`` names."""
VIEWS = {"overview": (130, 1.5), "layer": (180, 2.0), "feature": (170, 1.5), "gene": (160, 2.0),
         "circuit": (180, 2.0)}
"""kB over the wire and seconds on the slow profile until a first view is there; circuits as layers."""
LARGEST_SHARD = 64_000


@dataclass(frozen=True)
class Subject:
    """An atlas to measure.

    Attributes
    ----------
    shape
        The sizes, in words.
    path
        Directory of the atlas.
    paths
        View to the address after the hash.
    export_s
        Seconds that the export took.
    """

    shape: str
    path: Path
    paths: dict[str, str]
    export_s: float


def rows(quick: bool) -> list[Budget]:
    """The imported atlas where its files are, and a synthetic run of a million features (quick: 20,000)."""
    found: list[Budget] = []
    with tempfile.TemporaryDirectory(prefix="cellprism-bench-") as folder:
        subjects = [_synthetic(Path(folder), n_layers=20, n_features=1_000 if quick else 50_000)]
        published = Path(os.environ.get("CELLPRISM_SHARED", "../shared")) / PUBLISHED
        if published.is_dir():
            subjects.insert(0, _imported(published, Path(folder)))
        for subject in subjects:
            found += [*_size(subject), *_server(subject), *_views(subject, repeats=1 if quick else 3)]
    return found


def _imported(source: Path, folder: Path) -> Subject:
    from cellprism.atlas.published import import_atlas

    run = import_atlas(source, folder / "imported")
    return _exported(run, folder / "imported-atlas", "imported Geneformer atlas, 82,944 features", "RPL10")


def _synthetic(folder: Path, *, n_layers: int, n_features: int) -> Subject:
    from cellprism.benchmarks.atlas.synthetic import EDGES, write_synthetic

    run = write_synthetic(folder / "synthetic", n_layers=n_layers, n_features=n_features)
    n = n_layers * n_features
    source = json.loads((run / "causal/01-ablation/trace.json").read_text())["features"][0]
    subject = _exported(run, folder / "synthetic-atlas", f"synthetic, {n:,} features and {EDGES * n:,} edges", "G7")
    circuit = f"#/{run.name}/circuits?feature=1.{source}"
    return replace(subject, paths={**subject.paths, "circuit": circuit})


def _exported(run: Path, out: Path, shape: str, gene: str) -> Subject:
    from cellprism.atlas.export import export

    started = time.perf_counter()
    export([run], out)
    seconds = time.perf_counter() - started
    paths = {"overview": "", "layer": "/layer/1", "feature": "/feature/1/7", "gene": f"/genes?gene={gene}"}
    return Subject(shape, out, {view: f"#/{run.name}{path}" for view, path in paths.items()}, seconds)


def _size(subject: Subject) -> list[Budget]:
    from cellprism.benchmarks.atlas.browser import gzipped_size

    files = [path for path in subject.path.rglob("*") if path.is_file()]
    shown = [path for path in files if path.relative_to(subject.path).parts[0] != "download"]
    shards = [path for path in shown if path.suffix == ".jz" and path.parent.name != "dict"]
    code = sum(gzipped_size(path) for path in (subject.path / "assets").iterdir() if path.suffix in {".js", ".css"})
    shape = subject.shape
    return [
        Budget("export, without the tables for download", shape, 60, sum(p.stat().st_size for p in shown) / 1e6, "MB",
               f"{len(shown):,} files; budget for 82,944 features"),
        Budget("largest shard", shape, LARGEST_SHARD / 1e3, max(p.stat().st_size for p in shards) / 1e3, "kB"),
        Budget("export", shape, 60, subject.export_s, "s", "budget for 82,944 features"),
        Budget("all code of the pages, gzipped", shape, 250, code / 1e3, "kB"),
    ]


def _server(subject: Subject) -> list[Budget]:
    from cellprism.benchmarks.atlas.serving import measure_server

    ready, memory = measure_server(subject.path)
    return [Budget("serve: first answer", subject.shape, 1.5, ready, "s", "from the start of the process"),
            Budget("serve: memory after every kind of question", subject.shape, 300, memory, "MB")]


def _views(subject: Subject, *, repeats: int) -> list[Budget]:
    from cellprism.benchmarks.atlas.browser import Measured, measured

    found: list[Budget] = []
    with measured(subject.path) as browser:
        for name in subject.paths:
            kilobytes, seconds = VIEWS[name]
            page = subject.paths[name]
            slow = [browser.view(page, slow=True) for _ in range(repeats)]
            fast = [browser.view(page, slow=False) for _ in range(repeats)]
            found += _of_view(name, subject.shape, kilobytes, seconds, slow, fast)
        frame, points = browser.frame(subject.paths["layer"])
        found.append(Budget("map: a frame while it is dragged", f"{subject.shape}; {points:,} dots", 12, frame, "ms",
                            f"time of the page's thread; {Measured.FRAMES} frames"))
    return found


def _of_view(
    name: str, shape: str, kilobytes: int, seconds: float, slow: list[View], fast: list[View]
) -> list[Budget]:
    from statistics import median

    first = slow[0]
    found = [
        Budget(f"{name}: over the wire", shape, kilobytes, first.bytes / 1e3, "kB"),
        Budget(f"{name}: code", shape, 90, first.code / 1e3, "kB"),
        Budget(f"{name}: there, slow profile", shape, seconds, median(view.ready for view in slow), "s",
               f"median of {len(slow)}; 10 Mbit/s, 40 ms, processor four times slower"),
        Budget(f"{name}: there, this machine", shape, 0.6, median(view.ready for view in fast), "s",
               f"median of {len(fast)}"),
        Budget(f"{name}: nodes", shape, 2000, first.nodes, ""),
        Budget(f"{name}: requests to other hosts", shape, 0, first.outside, ""),
    ]
    if fast[0].axe is not None:
        found.append(Budget(f"{name}: serious findings of axe", shape, 0, fast[0].axe, ""))
    return found
