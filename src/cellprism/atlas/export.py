"""Write runs as an atlas: a directory that any static host can serve."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism._version import __version__
from cellprism.atlas.ablation import ablated, ablation_files
from cellprism.atlas.circuits import circuit_files, edge_counts
from cellprism.atlas.columns import pack_columns
from cellprism.atlas.dictionaries import dictionaries
from cellprism.atlas.featuremap import map_columns, map_files, mini_columns
from cellprism.atlas.files import FORMAT, is_atlas
from cellprism.atlas.flow import CHAINS_PER_FILE, by_feature, chains, lasting
from cellprism.atlas.geneindex import gene_index, module_list
from cellprism.atlas.groupindex import group_index
from cellprism.atlas.highwayfiles import highway_files
from cellprism.atlas.morecolumns import more_columns
from cellprism.atlas.nameindex import known_names, name_files, name_index
from cellprism.atlas.packing import pack_json
from cellprism.atlas.regulation import regulation_files
from cellprism.atlas.shards import feature_shards
from cellprism.atlas.spread import file_name
from cellprism.atlas.steering import steering_files
from cellprism.atlas.summary import summary
from cellprism.atlas.tables import copy_tables
from cellprism.atlas.termindex import term_index
from cellprism.atlas.topgenes import top_columns
from cellprism.errors import UserError
from cellprism.reader import RunReader, open_run
from cellprism.runs.lock import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cellprism.atlas.ablation import Found
    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.atlas.flow import Chain

STATIC = Path(__file__).with_name("static")
"""The front end as built."""


def export(runs: Sequence[Path], out: Path) -> Path:
    """Write an atlas of finished runs. The same runs give the same bytes.

    The atlas is written beside ``out`` and renamed when it is whole, so an interrupted export leaves ``out`` as it was.

    Parameters
    ----------
    runs
        Run directories, at least one.
    out
        Directory to write: new, empty, or an older atlas, which is replaced.

    Returns
    -------
    pathlib.Path
        ``out``.

    Raises
    ------
    UserError
        A run is not finished, or ``out`` holds something else than an atlas.
    """
    readers = [open_run(path) for path in runs]
    if not readers:
        msg = "nothing to export: name at least one run directory."
        raise UserError(msg)
    _check_front_end()
    with _replacing(Path(out)) as folder:
        shutil.copytree(STATIC, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
        identifiers = run_identifiers([reader.path for reader in readers])
        entries, measured = [], False
        for identifier, reader in zip(identifiers, readers, strict=True):
            found = ablated(reader)
            measured = measured or any(found.values())
            _write_run(reader, identifier, folder / "runs" / identifier, found)
            listing = copy_tables(reader, folder / "download" / identifier)
            _write(folder / "runs" / identifier / "tables.jz", pack_json(listing))
            entries.append(_entry(reader, identifier))
        index = {"format": FORMAT, "generator": f"cellprism {__version__}", "mode": "export",
                 "capabilities": ["tables", *(["ablation"] if measured else []), *_shown(folder)], "runs": entries}
        (folder / "atlas.json").write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return Path(out)


def _shown(folder: Path) -> list[str]:
    """Pages of results that some run of the atlas has."""
    pages = {"circuits": "runs/*/circuit/[0-9]*", "steering": "runs/*/steer/L*", "regulation": "runs/*/regulation/L*"}
    return [name for name, pattern in pages.items() if any(folder.glob(pattern))]


def run_identifiers(paths: Sequence[Path]) -> list[str]:
    """A short unique name for each run, made of the name of its directory: it becomes part of URLs."""
    names: list[str] = []
    for path in paths:
        slug = re.sub(r"[^a-z0-9]+", "-", path.resolve().name.lower()).strip("-") or "run"
        name, count = slug, 1
        while name in names:
            count += 1
            name = f"{slug}-{count}"
        names.append(name)
    return names


def _write_run(reader: RunReader, identifier: str, folder: Path, found: Found) -> None:
    dictionary = dictionaries(reader)
    for name, content in dictionary.files().items():
        _write(folder / "dict" / f"{name}.jz", pack_json(content))
    spread = {"symbols": 1}
    for name, files in (("gene", gene_index(reader, dictionary)), ("term", term_index(reader, dictionary))):
        spread[name] = len(files)
        for i, records in enumerate(files):
            _write(folder / file_name(name, i, len(files)), pack_json(records))
    names = name_files(name_index(known_names(reader), dictionary))
    spread["name"] = len(names)
    for i, records in enumerate(names):
        _write(folder / file_name("dict/name", i, len(names)), pack_json(records))
    edges = edge_counts(reader)
    about = {**summary(reader, identifier, dictionary, edges), "files": spread, "ablation": found}
    _write(folder / "summary.jz", pack_json(about))
    for name, data in ablation_files(reader, dictionary, found):
        _write(folder / name, data)
    rows, matrix = group_index(reader, dictionary)
    _write(folder / "groups" / "matrix.jz", pack_json(matrix))
    for i, own in enumerate(rows):
        _write(folder / "groups" / f"{i}.jz", pack_json(own))
    lasted = chains(reader, dictionary)
    _write_flow(reader, dictionary, lasted, folder)
    for made in (circuit_files, steering_files, regulation_files):
        for name, data in made(reader, dictionary):
            _write(folder / name, data)
    chained = by_feature(reader, lasted)
    for layer in reader.layers:
        rng = np.random.default_rng([reader.config.seed, layer])
        features = reader.features(layer)
        columns = map_columns(features, dictionary, rng)
        for name, data in map_files(columns, layer):
            _write(folder / name, data)
        _write(folder / "mini" / f"L{layer:02d}.bin", pack_columns(mini_columns(columns)))
        for name, values in more_columns(reader, layer, edges).items():
            data = pack_columns({name: values[columns["feature"]]})
            _write(folder / "cols" / f"L{layer:02d}" / f"{name}.bin", data)
        _write(folder / "modules" / f"L{layer:02d}.jz", pack_json(module_list(reader, layer, dictionary)))
        top = top_columns(features, reader.top_genes(layer), dictionary)
        _write(folder / "top" / f"L{layer:02d}.bin", pack_columns(top))
        for i, shard in feature_shards(reader, layer, dictionary, chained[layer], found):
            _write(folder / "feat" / f"L{layer:02d}" / f"{i}.jz", pack_json(shard))


def _write_flow(reader: RunReader, dictionary: Dictionaries, lasted: list[Chain], folder: Path) -> None:
    pairs = []
    for layer in reader.layers:
        for name, data, entry in highway_files(reader, layer, dictionary):
            _write(folder / name, data)
            pairs += [] if entry is None else [entry]
    n_files = -(-len(lasted) // CHAINS_PER_FILE)
    for i in range(n_files):
        _write(folder / f"flow/chains/{i}.jz", pack_json(lasted[i * CHAINS_PER_FILE : (i + 1) * CHAINS_PER_FILE]))
    index = {"lasting": lasting(reader), "n_chains": len(lasted), "n_files": n_files, "pairs": pairs}
    _write(folder / "flow/index.jz", pack_json(index))


def _entry(reader: RunReader, identifier: str) -> dict[str, Any]:
    n_features = max(len(reader.run.read("features", layer)) for layer in reader.layers)
    return {"id": identifier, "title": reader.config.title, "layers": list(reader.layers), "n_features": n_features}


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _check_front_end() -> None:
    if not (STATIC / "index.html").exists():
        msg = "the atlas's pages are missing from this installation: build them with `npm run build` in atlas/web."
        raise UserError(msg)


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """Yield an empty directory beside ``out``; move it to ``out`` when the block ends without an error."""
    if out.exists() and not out.is_dir():
        msg = f"{out} is a file: choose another directory for the atlas."
        raise UserError(msg)
    if out.is_dir() and any(out.iterdir()) and not is_atlas(out):
        msg = f"{out} holds other files than an atlas: choose an empty or new directory."
        raise UserError(msg)
    out = out.resolve()
    partial, old = (out.with_name(f".{out.name}.{word}") for word in ("partial", "old"))
    with exclusive(partial):
        _empty(partial)
        try:
            yield partial
        except BaseException:
            shutil.rmtree(partial)
            raise
        (partial / ".lock").unlink()
        shutil.rmtree(old, ignore_errors=True)
        if out.exists():
            out.rename(old)
        partial.rename(out)
        shutil.rmtree(old, ignore_errors=True)


def _empty(folder: Path) -> None:
    """Remove what a killed export left, except the lock that we hold."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != ".lock":
            path.unlink()
