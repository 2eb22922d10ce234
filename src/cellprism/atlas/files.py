"""Read an atlas directory: the same files as the browser, under names instead of numbers."""

from __future__ import annotations

import json
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.atlas.featuremap import read_map
from cellprism.atlas.nameindex import place
from cellprism.atlas.packing import number, unpack_json
from cellprism.atlas.shards import SIZE
from cellprism.atlas.spread import file_name
from cellprism.errors import UserError
from cellprism.knowledge.genes import without_version

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
"""Version of the atlas format that is written, and the newest that is read; see ``docs/atlas-format.md``."""


NO_COUNT = 2**32 - 1
COLUMN_DIGITS = 4
"""Significant digits of the fractions in column files."""


PARTS = {
    "variance": ("gene", "cell", "rest", "static"), "axis": ("axis", "cosine"),
    "string": ("n_in_network", "edges", "expected", "effect", "p", "q"),
    "stability": ("n_seeds", "same_atom", "jaccard", "null_jaccard"),
    "nearest": ("feature", "cosine", "reliability"),
    "patching": ("source", "term", "n_genes", "n_cells", "effect", "low", "high", "p", "q", "random"),
}
"""Parts of a feature's record that are one row of numbers, and their names."""


class Missing(LookupError):
    """What was asked for is not in the atlas. The message says so in a sentence."""


class Atlas:
    """An exported atlas.

    Parameters
    ----------
    path
        Directory that holds ``atlas.json``.

    Raises
    ------
    UserError
        The directory is not an atlas, or is of a newer format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not is_atlas(path):
            msg = f"{path} is not an atlas: give a directory that `cellprism export` wrote."
            raise UserError(msg)
        self.index: dict[str, Any] = json.loads((path / "atlas.json").read_text(encoding="utf-8"))
        if self.index["format"] > FORMAT:
            msg = (
                f"{path} has atlas format {self.index['format']}, this cellprism reads up to {FORMAT}: "
                "update with `pip install -U cellprism`."
            )
            raise UserError(msg)
        self._runs = {entry["id"]: AtlasRun(path / "runs" / entry["id"], entry) for entry in self.index["runs"]}

    @property
    def runs(self) -> list[AtlasRun]:
        return list(self._runs.values())

    def run(self, identifier: str) -> AtlasRun:
        """The run of that id; raises `Missing`."""
        if identifier not in self._runs:
            msg = f"There is no run {identifier!r} in this atlas; it has {', '.join(self._runs)}."
            raise Missing(msg)
        return self._runs[identifier]


class AtlasRun:
    """One run of an atlas. Records name genes, terms and groups instead of numbering them."""

    def __init__(self, folder: Path, entry: dict[str, Any]) -> None:
        self.folder = folder
        self.id: str = entry["id"]
        self.title: str = entry["title"]
        self.layers: list[int] = entry["layers"]
        self._columns = lru_cache(maxsize=64)(self._read_columns)

    @cached_property
    def genes(self) -> dict[str, list[Any]]:
        genes: dict[str, list[Any]] = self._json("dict/genes.jz")
        return genes

    @cached_property
    def _spread(self) -> dict[str, int]:
        """Number of files that the records of genes and of terms are spread over."""
        spread: dict[str, int] = self._json("summary.jz")["files"]
        return spread

    @cached_property
    def _terms(self) -> list[dict[str, str]]:
        table = self._json("dict/terms.jz")
        return [{"source": s, "term": t} for s, t in zip(table["source"], table["term"], strict=True)]

    @cached_property
    def _groups(self) -> list[dict[str, str]]:
        table = self._json("dict/groups.jz")
        return [{"key": k, "value": v} for k, v in zip(table["key"], table["value"], strict=True)]

    @cached_property
    def _gene_numbers(self) -> dict[str, int]:
        """Identifiers and symbols in capitals; a symbol of several genes means the first."""
        names = list(zip(self.genes["id"], self.genes["symbol"], strict=True))
        known = {identifier.upper(): i for i, (identifier, _) in enumerate(names)}
        for i, (_, symbol) in enumerate(names):
            known.setdefault(symbol.upper(), i)
        return known

    def features(self, layer: int, offset: int, limit: int) -> tuple[int, list[dict[str, Any]]]:
        """Number of features of a layer, and rows ``offset`` to ``offset + limit - 1`` in order of their index."""
        columns = self._columns(self._known(layer))
        n = len(columns["feature"])
        return n, [self._row(columns, i) for i in range(offset, min(offset + limit, n))]

    def feature(self, layer: int, feature: int) -> dict[str, Any]:
        """Everything about one feature; raises `Missing`."""
        n = len(self._columns(self._known(layer))["feature"])
        if not 0 <= feature < n:
            msg = f"Layer {layer} has no feature {feature}; its features are 0 to {n - 1}."
            raise Missing(msg)
        record = self._json(f"feat/L{layer:02d}/{feature // SIZE}.jz")[str(feature)]
        label = record["label"]
        return {
            **record,
            "layer": layer,
            "label": None if label is None else {**self._terms[label["term"]], "q": label["q"],
                                                 "n_terms": label["n_terms"]},
            "genes": [_named(("seen", "fired", "mean", "sd", "lower"), row[1:]) | self._gene(row[0])
                      for row in record["genes"]],
            "annotations": [
                {**self._terms[row[0]], **_named(("overlap", "n_genes", "term_size"), row[1:4]),
                 "genes": [self.genes["symbol"][gene] for gene in row[4]], **_named(("effect", "p", "q"), row[5:])}
                for row in record["annotations"]
            ],
            "groups": [{**self._groups[row[0]], **_named(("n_units", "unit", "auroc", "log_ratio", "p", "q"), row[1:])}
                       for row in record["groups"]],
            "neighbours": [
                _named(("kind", "layer", "feature", "similarity", "null_q95"), row[:-1])
                | {"label": self._term(row[-1])}
                for row in record["neighbours"]
            ],
            **{name: _named(columns, record[name]) for name, columns in PARTS.items() if name in record},
            "odds": [_named(("key", "value", "n_cells", "log_odds", "q"), row) for row in record.get("odds", [])],
            "remarks": [_named(("label", "note", "author", "written"), row) for row in record.get("remarks", [])],
            "damage": [_named(("arm", "partner", "n_cells", "loss", "hit"), row) for row in record.get("damage", [])],
            **_results(record),
            "highways": [
                _named(("layer", "feature", "count", "pmi", "q"), row[:-1]) | {"label": self._term(row[-1])}
                for row in record["highways"]
            ],
            "chain": self._chain(record["chain"]),
        }

    def find_genes(self, text: str) -> list[dict[str, Any]]:
        """The genes whose symbol or identifier contains a text, or of which it is another name, in any case."""
        wanted = text.upper()
        genes = enumerate(zip(self.genes["symbol"], self.genes["id"], self.genes["n_seen"], strict=True))
        other = {gene for gene, _, _ in self._other_names(wanted)}
        return [{"symbol": symbol, "id": identifier, "n_seen": seen} for i, (symbol, identifier, seen) in genes
                if wanted in symbol.upper() or wanted in identifier.upper() or i in other]

    def find_terms(self, text: str) -> list[dict[str, Any]]:
        """The gene sets whose name contains every word of a text, in any case, with the number that names each."""
        words = text.upper().split()
        return [{"id": i, **term} for i, term in enumerate(self._terms)
                if all(word in term["term"].upper() for word in words)]

    def term(self, i: int) -> dict[str, Any]:
        """A gene set by its number, with the features that carry it; raises `Missing`."""
        if not 0 <= i < len(self._terms):
            msg = f"Run {self.id!r} has no gene set {i}; they are numbered 0 to {len(self._terms) - 1}."
            raise Missing(msg)
        record = self._json(file_name("term", i, self._spread["term"]))[str(i)]
        names = ("layer", "feature", "overlap", "n_genes", "term_size", "genes", "effect", "p", "q")
        rows = [{**_named(names, row), "genes": [self.genes["symbol"][gene] for gene in row[5]]}
                for row in record["rows"]]
        layers = [_named(("layer", "n_features"), row) for row in record["layers"]]
        return {"id": i, **self._terms[i], "n_tests": record["n"], "layers": layers, "features": rows}

    def groups(self) -> list[dict[str, Any]]:
        """The groups of cells, with the number that names each."""
        return [{"id": i, **group} for i, group in enumerate(self._groups)]

    def group(self, i: int) -> list[dict[str, Any]]:
        """The features that tell a group of cells apart, strongest first within a layer; raises `Missing`."""
        if not 0 <= i < len(self._groups):
            msg = f"Run {self.id!r} has no group of cells {i}; it has {len(self._groups)} of them."
            raise Missing(msg)
        names = ("layer", "feature", "n_units", "unit", "auroc", "log_ratio", "p", "q")
        return [_named(names, row[:-1]) | {"label": self._term(row[-1])} for row in self._json(f"groups/{i}.jz")]

    def modules(self, layer: int) -> list[dict[str, Any]]:
        """The modules of a layer; raises `Missing`."""
        rows = self._json(f"modules/L{self._known(layer):02d}.jz")
        module = self._columns(layer)["module"]
        return [{**row, "features": np.flatnonzero(module == row["module"]).tolist(), "term": self._term(row["term"])}
                for row in rows]

    def tables(self) -> list[dict[str, Any]]:
        """The files under ``download/`` with their sizes and hashes."""
        files: list[dict[str, Any]] = self._json("tables.jz")["files"]
        return [{"address": f"/download/{self.id}/{entry['file']}", **entry} for entry in files]

    def gene(self, name: str) -> dict[str, Any]:
        """The features of which a gene, named by any of its names in any case, is a top gene; raises `Missing`."""
        i = self._gene_number(name)
        rows = self._json(file_name("gene", i, self._spread["gene"]))[str(i)]
        names = ("layer", "feature", "rank", "lower", "fired", "seen")
        features = [{**_named(names, row[:-1]), "label": self._term(row[-1])} for row in rows]
        return {**self._gene(i), "n_seen": self.genes["n_seen"][i], "features": features}

    def _gene_number(self, name: str) -> int:
        i = self._gene_numbers.get(without_version(name).upper())
        others = [] if i is not None else self._other_names(name.upper())
        here = [gene for gene, _, _ in others if gene is not None]
        if i is not None or len(here) == 1:
            return here[0] if i is None else i
        if here:
            msg = f"{name!r} is a name of several genes: ask for {' or '.join(self.genes['symbol'][g] for g in here)}."
            raise Missing(msg)
        said = " or ".join(f"{symbol} ({kind})" for _, symbol, kind in others)
        msg = (
            f"The cells of run {self.id!r} have no gene {name!r} that the model knows; {len(self.genes['id'])} genes "
            f"are searched by symbol, identifier and other names{f', and this is a name of {said}' if said else ''}."
        )
        raise Missing(msg)

    def _other_names(self, name: str) -> list[tuple[int | None, str, str]]:
        """What a name, upper-case, may mean that is no symbol or identifier: gene of the run, symbol, kind of name."""
        n_files = self._spread.get("name", 0)
        if not n_files:
            return []
        records = self._json(file_name("dict/name", place(name, n_files), n_files)).get(name, [])
        return [(gene, symbol, kind) for gene, symbol, kind in records]

    def _term(self, i: int | None) -> dict[str, str] | None:
        return None if i is None else self._terms[i]

    def _gene(self, i: int) -> dict[str, Any]:
        return {"symbol": self.genes["symbol"][i], "id": self.genes["id"][i]}

    def _row(self, columns: dict[str, np.ndarray], i: int) -> dict[str, Any]:
        row = {name: column[i].item() for name, column in columns.items()}
        terms, groups = self._terms, self._groups
        q, auroc = (number(row[name], COLUMN_DIGITS) for name in ("label_q", "group_auroc"))
        label = {**terms[row["label"]], "q": q} if row["label"] < len(terms) else None
        group = {**groups[row["group"]], "auroc": auroc} if row["group"] < len(groups) else None
        return {
            "feature": row["feature"],
            **{name: row[name] for name in ("n_fired", "n_terms")},
            "n_cells": row["n_cells"] if row["n_cells"] < NO_COUNT else None,
            **{name: number(row[name], COLUMN_DIGITS) for name in ("frequency", "max_value")},
            "dead": bool(row["flags"] & 1),
            "rare": bool(row["flags"] & 2),
            "label": label,
            "module": row["module"] if row["module"] < 65535 else None,
            "group": group,
        }

    def _chain(self, chain: list[Any] | None) -> list[dict[str, Any]]:
        """The features of a chain, one per layer, with the cosine of each to the one before."""
        if chain is None:
            return []
        first, features, cosines, terms = chain
        layers = self.layers[self.layers.index(first) :]
        rows = zip(layers, features, [None, *cosines], terms, strict=False)
        return [{"layer": la, "feature": f, "cosine": c, "label": self._term(t)} for la, f, c, t in rows]

    def _known(self, layer: int) -> int:
        if layer not in self.layers:
            msg = f"Run {self.id!r} has no layer {layer}; it has {', '.join(map(str, self.layers))}."
            raise Missing(msg)
        return layer

    def _read_columns(self, layer: int) -> dict[str, np.ndarray]:
        columns = read_map(self.folder, layer)
        order = np.argsort(columns["feature"])
        return {name: column[order] for name, column in columns.items()}

    def _json(self, name: str) -> Any:
        return unpack_json((self.folder / name).read_bytes())


def _results(record: dict[str, Any]) -> dict[str, Any]:
    """What steering the feature did, and how it answers to perturbations, as far as that was asked."""
    found: dict[str, Any] = {}
    if "steering" in record:
        arm, alpha, rows = record["steering"]
        names = ("readout", "effect", "low", "high", "q", "span")
        found["steering"] = {"arm": arm, "alpha": alpha, "readouts": [_named(names, row) for row in rows]}
    if "responses" in record:
        n, responding, rows = record["responses"]
        names = ("target", "effect", "low", "high", "t", "q")
        found["responses"] = {"n_perturbations": n, "responding": responding,
                              "strongest": [_named(names, row) for row in rows]}
    return found


def is_atlas(path: Path) -> bool:
    """Whether a directory holds an atlas."""
    try:
        index = json.loads((path / "atlas.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(index, dict) and {"format", "runs"} <= index.keys()


def _named(names: tuple[str, ...], values: list[Any]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))
