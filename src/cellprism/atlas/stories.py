"""Where to start: up to eight stories found in the run itself, each a feature or a module with its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from cellprism.atlas.optional import optional
from cellprism.atlas.packing import number
from cellprism.atlas.traces import graphs

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.reader import RunReader

MOST = 8
GENES = 5
Q = 0.05


def stories(reader: RunReader, dictionary: Dictionaries) -> list[dict[str, Any]]:
    """The stories of a run, no feature, gene set or group of cells in two of them.

    Returns
    -------
    list of dict
        ``kind``, ``layer``, ``feature`` (None for a module), ``module``, ``term`` and ``group`` (indices or None),
        ``genes`` (``[gene, mean activation]``), ``evidence``: ``[table, column, value]``, and for an edge ``within``,
        the folder of its trace. The kinds are

        label: the gene set with the smallest q, then the largest effect.
        group: the largest AUROC of a group of cells at q < 0.05.
        both: the feature that a gene set and a group explain best together; see `RunReader.findings`.
        surprise: of the features without a label the one that lasts over most layers and fires most reliably.
        cell: the largest share of activation that the cell explains whatever the gene.
        lasting: the longest chain of matched features, then the largest mean cosine.
        circuit: the largest effect at q < 0.05 that both halves of the cells have, of the first graph of traces.
        highway: the largest PMI with a feature of a later layer.
        module: the module with the smallest q of its name, then the most stable.
    """
    tables = pd.concat([_sure(reader, layer) for layer in reader.layers], ignore_index=True)
    found: list[dict[str, Any]] = []
    for kind, candidates in _FINDERS.items():
        rows = (_record(reader, dictionary, kind, row) for row in candidates(reader, tables))
        new = next((row for row in rows if not any(_alike(row, other) for other in found)), None)
        found += [] if new is None else [new]
    return found[:MOST]


def _alike(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two stories are about the same feature, or carry the same name."""
    same = a["feature"] is not None and (a["layer"], a["feature"]) == (b["layer"], b["feature"])
    return same or any(a[name] is not None and a[name] == b[name] for name in ("term", "group"))


def _sure(reader: RunReader, layer: int) -> pd.DataFrame:
    table = reader.features(layer).assign(layer=layer)
    return table[~table["dead"] & ~table["rare"]]


def _label(_reader: RunReader, table: pd.DataFrame) -> list[dict[str, Any]]:
    table = table[table["label_q"] < Q].sort_values(["label_q", "n_terms", "layer"], ascending=[True, False, True])
    return _rows(table, [("labels", "q", "label_q"), ("labels", "n_terms", "n_terms")])


def _group(_reader: RunReader, table: pd.DataFrame) -> list[dict[str, Any]]:
    table = table[table["group_q"] < Q].sort_values(["group_auroc", "group_q"], ascending=[False, True])
    return _rows(table, [("celltypes", "auroc", "group_auroc"), ("celltypes", "q", "group_q")])


def _both(reader: RunReader, _table: pd.DataFrame) -> list[dict[str, Any]]:
    found = reader.findings(MOST).rename(columns={"q": "label_q", "auroc": "group_auroc"})
    return _rows(found, [("labels", "q", "label_q"), ("celltypes", "auroc", "group_auroc")])


def _surprise(reader: RunReader, table: pd.DataFrame) -> list[dict[str, Any]]:
    tables = [optional(reader, "unlabelled", layer).assign(layer=layer) for layer in reader.layers]
    without = pd.concat(tables, ignore_index=True)
    if len(without):
        without = without.merge(table[["layer", "feature"]], on=["layer", "feature"])
        without = without.sort_values(["n_layers", "reliability"], ascending=False)
        return _rows(without, [("unlabelled", name, name) for name in ("n_layers", "reliability", "cosine")])
    bare = table[table["label"].isna()].sort_values("mean_value", ascending=False)
    return _rows(bare, [("features", "mean_value", "mean_value"), ("features", "n_fired", "n_fired")])


def _cell(reader: RunReader, table: pd.DataFrame) -> list[dict[str, Any]]:
    shares = pd.concat([optional(reader, "variance", layer).assign(layer=layer) for layer in reader.layers])
    shares = shares.merge(table, on=["layer", "feature"]).sort_values("cell", ascending=False)
    return _rows(shares, [("variance", name, name) for name in ("cell", "gene", "rest")])


def _lasting(reader: RunReader, table: pd.DataFrame) -> list[dict[str, Any]]:
    chains = optional(reader, "chains")
    chains = chains[chains["n_layers"] > 1].sort_values(["n_layers", "mean_cosine"], ascending=False)
    firsts = optional(reader, "chain_members").rename(columns={"layer": "first_layer"})
    chains = chains.merge(firsts[["chain", "first_layer", "feature"]], on=["chain", "first_layer"])
    chains = chains.assign(layer=chains["first_layer"]).merge(table, on=["layer", "feature"])
    return _rows(chains, [("chains", "n_layers", "n_layers"), ("chains", "mean_cosine", "mean_cosine")])


def _circuit(reader: RunReader, table: pd.DataFrame) -> list[dict[str, Any]]:
    parts = [
        trace.read("edges").assign(layer=trace.source, within=f"causal/{trace.folder.name}/")
        for traces in graphs(reader)[:1] for trace in traces
    ]
    if not parts:
        return []
    edges = pd.concat(parts, ignore_index=True).rename(columns={"source": "feature"})
    edges = edges[edges["replicated"] & (edges["q"] < Q)].merge(table[["layer", "feature"]], on=["layer", "feature"])
    edges = edges.sort_values("g", key=abs, ascending=False)
    evidence = ("g", "agreement", "n_cells", "q", "target_layer", "target")
    return _rows(edges, [("edges", name, name) for name in evidence])


def _highway(reader: RunReader, table: pd.DataFrame) -> list[dict[str, Any]]:
    pairs = pd.concat([optional(reader, "highways", layer).assign(layer=layer) for layer in reader.layers])
    pairs = pairs.nlargest(200, "pmi").merge(table, on=["layer", "feature"])
    evidence = [("highways", name, name) for name in ("pmi", "count", "q", "partner_layer", "partner")]
    return _rows(pairs, evidence)


def _module(reader: RunReader, _table: pd.DataFrame) -> list[dict[str, Any]]:
    modules = pd.concat([reader.modules(layer).assign(layer=layer) for layer in reader.layers])
    modules = modules[modules["q"] < Q].sort_values(["q", "stability"], ascending=[True, False])
    modules = modules.rename(columns={"term": "label"})
    return _rows(modules, [("modules", name, name) for name in ("q", "n_members_with_term", "n_features", "stability")])


_FINDERS: dict[str, Callable[[RunReader, pd.DataFrame], list[dict[str, Any]]]] = {
    "both": _both, "label": _label, "group": _group, "surprise": _surprise, "module": _module, "cell": _cell,
    "lasting": _lasting, "circuit": _circuit, "highway": _highway,
}


def _rows(table: pd.DataFrame, evidence: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """The first rows, each with its evidence."""
    rows: list[dict[str, Any]] = [{str(k): v for k, v in row.items()} for row in table.head(MOST).to_dict("records")]
    for row in rows:
        row["evidence"] = [[name, column, number(float(row[key]))] for name, column, key in evidence]
    return rows


def _record(reader: RunReader, dictionary: Dictionaries, kind: str, story: dict[str, Any]) -> dict[str, Any]:
    layer, feature = int(story["layer"]), story.get("feature")
    named = kind in {"both", "label", "module"} and isinstance(story.get("label"), str)
    grouped = kind in {"both", "group"}
    top = reader.top_genes(layer)
    top = top[top["feature"] == feature].nsmallest(GENES, "rank")
    return {
        "kind": kind, "layer": layer,
        "feature": None if feature is None else int(feature),
        "module": int(story["module"]) if kind == "module" else None,
        "term": dictionary.terms[story["source"], story["label"]] if named else None,
        "group": dictionary.groups[story["group_key"], story["group_value"]] if grouped else None,
        "genes": [[int(gene), number(mean)] for gene, mean in zip(top["gene"], top["mean"], strict=True)],
        "evidence": story["evidence"],
        **({"within": story["within"]} if kind == "circuit" else {}),
    }
