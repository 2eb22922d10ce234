"""From a gene to the features of which it is a top gene; and the modules of all layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellprism.atlas.packing import number, whole
from cellprism.atlas.spread import spread

if TYPE_CHECKING:
    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.reader import RunReader

MEMBERS = 50
"""Members of a module that its record lists; a layer's map has the module of every feature."""


def gene_index(reader: RunReader, dictionary: Dictionaries) -> list[dict[str, Any]]:
    """Content of the files: gene (as text) to ``[layer, feature, rank, lower, fired, seen, term]``; see `spread`.

    ``term`` is that of the feature's label, or None. A gene that is nobody's top gene has an empty list. What each gene
    of a file is stands there under ``genes``: a page about it needs no dictionary of all genes.
    """
    records: dict[int, list[list[Any]]] = {gene: [] for gene in range(len(dictionary.genes))}
    for layer in reader.layers:
        table = reader.top_genes(layer).sort_values(["gene", "rank", "feature"])
        labels = label_terms(reader, layer, dictionary)
        columns = [table[name].tolist() for name in ("gene", "feature", "rank", "lower", "fired", "seen")]
        columns[4:] = [[whole(value) for value in column] for column in columns[4:]]
        for gene, feature, rank, lower, fired, seen in zip(*columns, strict=True):
            records[gene].append([layer, feature, rank, number(lower), fired, seen, labels.get(feature)])
    files = spread(records, sum(map(len, records.values())))
    return [{**file, "genes": dictionary.known(map(int, file))} for file in files]


def label_terms(reader: RunReader, layer: int, dictionary: Dictionaries) -> dict[int, int]:
    """Term of the label of each feature that has one."""
    named = reader.run.read("labels", layer)
    rows = zip(named["feature"].tolist(), named["source"], named["term"], strict=True)
    return {feature: dictionary.terms[source, term] for feature, source, term in rows}


def module_terms(reader: RunReader, layer: int, dictionary: Dictionaries) -> dict[int, int]:
    """Term of each module that has one."""
    named = reader.modules(layer).dropna(subset=["term"])
    rows = zip(named["module"].tolist(), named["source"], named["term"], strict=True)
    return {module: dictionary.terms[source, term] for module, source, term in rows}


def module_list(reader: RunReader, layer: int, dictionary: Dictionaries) -> list[dict[str, Any]]:
    """Content of ``modules/LNN.jz``: the modules of a layer with the first of their members."""
    members = reader.members(layer).sort_values("feature").groupby("module")["feature"].agg(list)
    rows = []
    for row in reader.modules(layer).sort_values("module").to_dict("records"):
        named = isinstance(row["term"], str)
        rows.append({
            "module": int(row["module"]),
            "n_features": len(members.get(row["module"], [])),
            "features": [int(feature) for feature in members.get(row["module"], [])[:MEMBERS]],
            "n_edges": whole(row["n_edges"]),
            "stability": number(row["stability"]),
            "term": dictionary.terms[row["source"], row["term"]] if named else None,
            "n_members_with_term": int(row["n_members_with_term"]) if named else None,
            "p": number(row["p"]) if named else None,
            "q": number(row["q"]) if named else None,
        })
    return rows
