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
    from cellprism.benchmarks.atlas.browser import Measured, View

PUBLISHED = "data/published-geneformer-atlas"
"""The published atlas within the folder of real data that ``CELLPRISM_SHARED`` names."""
PUBLISHED_FEATURES = 82_944
VIEWS = {"overview": (130, 1.5), "layer": (180, 2.0), "feature": (170, 1.5), "gene": (160, 2.0),
         "circuit": (180, 2.0)}
"""kB over the wire and seconds on the slow profile until a first view is there; circuits as layers."""
LARGEST_SHARD = 64_000
INTERFERON = (
    "IFI6 IFI16 IFI27 IFI30 IFI35 IFI44 IFI44L IFIH1 IFIT1 IFIT2 IFIT3 IFIT5 IFITM1 IFITM2 IFITM3 ISG15 ISG20 IRF1 "
    "IRF7 IRF9 STAT1 STAT2 MX1 MX2 OAS1 OAS2 OAS3 OASL BST2 DDX58 DDX60 EIF2AK2 GBP1 GBP2 GBP4 GBP5 HERC5 HERC6 LY6E "
    "PARP9 PARP14 PLSCR1 PSMB8 PSMB9 RSAD2 SAMD9L SP110 TRIM22 UBE2L6 XAF1"
)
ANSWERS = {
    "frame": ("map: a frame while it is dragged", 12), "layer": ("layer: the next one, drawn", 100),
    "colour": ("layer: another colour, drawn", 16), "keystroke": ("layer: a letter in the filter, drawn", 16),
    "search": ("genes: a letter, suggestions", 10), "gene": ("genes: a gene, its features", 100),
    "ranked": ("gene list: about 50 genes, ranked", 150),
}
"""What is asked of a page that is there, and milliseconds until it is answered."""


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
    genes
        50 genes for the gene list, spaced.
    export_s
        Seconds that the export took.
    n_features
        Features in all layers.
    """

    shape: str
    path: Path
    paths: dict[str, str]
    genes: str
    export_s: float
    n_features: int

    @property
    def size(self) -> float:
        """How many times the published atlas it is, at least 1: what an export may cost grows with it."""
        return max(1.0, self.n_features / PUBLISHED_FEATURES)


def rows(quick: bool) -> list[Budget]:
    """The imported atlas where its files are, and a synthetic run of a million features (quick: 12,000)."""
    found: list[Budget] = []
    with tempfile.TemporaryDirectory(prefix="cellprism-bench-") as folder:
        subjects = [_synthetic(Path(folder), n_layers=12, n_features=1_000 if quick else 83_334)]
        published = Path(os.environ.get("CELLPRISM_SHARED", "../shared")) / PUBLISHED
        if published.is_dir():
            subjects.insert(0, _imported(published, Path(folder)))
        for subject in subjects:
            found += [*_size(subject), *_server(subject), *_views(subject, repeats=1 if quick else 3)]
    return found


def _imported(source: Path, folder: Path) -> Subject:
    from cellprism.atlas.published import import_atlas

    run = import_atlas(source, folder / "imported")
    return _exported(run, folder / "imported-atlas", "imported Geneformer atlas, 82,944 features", "RPL10", INTERFERON,
                     PUBLISHED_FEATURES)


def _synthetic(folder: Path, *, n_layers: int, n_features: int) -> Subject:
    from cellprism.benchmarks.atlas.synthetic import EDGES, write_synthetic
    from cellprism.reader import open_run

    run = write_synthetic(folder / "synthetic", n_layers=n_layers, n_features=n_features)
    n = n_layers * n_features
    gene = open_run(run).top_genes(0)["symbol"].iloc[0]
    source = json.loads((run / "causal/01-ablation/trace.json").read_text())["features"][0]
    subject = _exported(run, folder / "synthetic-atlas", f"synthetic, {n:,} features and {EDGES * n:,} edges", gene,
                        " ".join(f"G{i}" for i in range(50)), n)
    circuit = f"#/{run.name}/circuits?feature=1.{source}"
    return replace(subject, paths={**subject.paths, "circuit": circuit})


def _exported(run: Path, out: Path, shape: str, gene: str, genes: str, n_features: int) -> Subject:
    from cellprism.atlas.export import export

    started = time.perf_counter()
    export([run], out)
    seconds = time.perf_counter() - started
    paths = {"overview": "", "layer": "/layer/1", "feature": "/feature/1/7", "gene": f"/genes?gene={gene}"}
    return Subject(shape, out, {view: f"#/{run.name}{path}" for view, path in paths.items()}, genes, seconds,
                   n_features)


def _size(subject: Subject) -> list[Budget]:
    from cellprism.benchmarks.atlas.browser import gzipped_size

    files = [path for path in subject.path.rglob("*") if path.is_file()]
    shown = [path for path in files if path.relative_to(subject.path).parts[0] != "download"]
    shards = [path for path in shown if path.suffix == ".jz" and path.parent.name != "dict"]
    code = sum(gzipped_size(path) for path in (subject.path / "assets").iterdir() if path.suffix in {".js", ".css"})
    shape = subject.shape
    return [
        Budget("export, without the tables for download", shape, round(60 * subject.size),
               sum(p.stat().st_size for p in shown) / 1e6, "MB", f"{len(shown):,} files; 60 MB for 82,944 features"),
        Budget("largest shard", shape, LARGEST_SHARD / 1e3, max(p.stat().st_size for p in shards) / 1e3, "kB"),
        Budget("export", shape, round(60 * subject.size), subject.export_s, "s", "60 s for 82,944 features"),
        Budget("all code of the pages, gzipped", shape, 250, code / 1e3, "kB"),
    ]


def _server(subject: Subject) -> list[Budget]:
    from cellprism.benchmarks.atlas.serving import measure_server

    ready, memory = measure_server(subject.path)
    return [Budget("serve: first answer", subject.shape, 1.5, ready, "s", "from the start of the process"),
            Budget("serve: memory after every kind of question", subject.shape, 300, memory, "MB")]


def _views(subject: Subject, *, repeats: int) -> list[Budget]:
    from cellprism.benchmarks.atlas.browser import measured

    found: list[Budget] = []
    with measured(subject.path) as browser:
        for name in subject.paths:
            kilobytes, seconds = VIEWS[name]
            page = subject.paths[name]
            slow = [browser.view(page, slow=True) for _ in range(repeats)]
            fast = [browser.view(page, slow=False) for _ in range(repeats)]
            found += _of_view(name, subject, kilobytes, seconds, slow, fast)
        found += _answers(subject, browser, repeats=1 if repeats == 1 else 5)
    return found


def _answers(subject: Subject, browser: Measured, *, repeats: int) -> list[Budget]:
    from cellprism.benchmarks.atlas.interactions import Asked, answers

    paths = subject.paths
    run = paths["overview"]
    gene = paths["gene"].rpartition("=")[2]
    asked = Asked(paths["layer"], f"{run}/genes", f"{run}/list", gene, subject.genes, "cell")
    found = answers(browser, asked, repeats=repeats)
    return [Budget(name, f"{subject.shape}; {found.dots:,} dots", budget, getattr(found, key), "ms", "median")
            for key, (name, budget) in ANSWERS.items()]


def _of_view(
    name: str, subject: Subject, kilobytes: int, seconds: float, slow: list[View], fast: list[View]
) -> list[Budget]:
    from statistics import median

    first, shape = slow[0], subject.shape
    # Of a larger atlas the maps, which grow with their dots, are excepted.
    excepted = first.maps if subject.size > 1 else 0
    note = f"and {excepted / 1e3:,.0f} kB of maps" if excepted else ""
    found = [
        Budget(f"{name}: over the wire", shape, kilobytes, (first.bytes - excepted) / 1e3, "kB", note),
        Budget(f"{name}: code", shape, 90, first.code / 1e3, "kB"),
        Budget(f"{name}: there, slow profile", shape, seconds, median(view.ready for view in slow), "s",
               f"median of {len(slow)}; 10 Mbit/s, 40 ms, processor four times slower"),
        Budget(f"{name}: there, this machine", shape, 0.6, median(view.ready for view in fast), "s",
               f"median of {len(fast)}"),
        Budget(f"{name}: blocked, slow profile", shape, 300, median(view.blocked for view in slow), "ms",
               "what tasks took beyond 50 ms each, until the page is at rest"),
        Budget(f"{name}: nodes", shape, 2000, first.nodes, ""),
        Budget(f"{name}: requests to other hosts", shape, 0, first.outside, ""),
    ]
    if fast[0].axe is not None:
        found.append(Budget(f"{name}: serious findings of axe", shape, 0, fast[0].axe, ""))
    return found
