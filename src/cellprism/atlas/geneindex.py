"""From a gene to the features of which it is a top gene, in 256 files; and the modules of all layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellprism.atlas.packing import number, whole

if TYPE_CHECKING:
    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.reader import RunReader

N_FILES = 256


def gene_index(reader: RunReader, dictionary: Dictionaries) -> list[dict[str, Any]]:
    """Content of the 256 files: gene (as text) to ``[layer, feature, rank, lower, fired, seen, term]``.

    ``term`` is that of the feature's label, or None. File i holds the genes whose index is i modulo 256, those that are
    nobody's top gene with an empty list.
    """
    files: list[dict[str, Any]] = [{} for _ in range(N_FILES)]
    for gene in range(len(dictionary.genes)):
        files[gene % N_FILES][str(gene)] = []
    for layer in reader.layers:
        table = reader.top_genes(layer).sort_values(["gene", "rank", "feature"])
        labels = label_terms(reader, layer, dictionary)
        columns = [table[name].tolist() for name in ("gene", "feature", "rank", "lower", "fired", "seen")]
        columns[4:] = [[whole(value) for value in column] for column in columns[4:]]
        for gene, feature, rank, lower, fired, seen in zip(*columns, strict=True):
            files[gene % N_FILES][str(gene)].append(
                [layer, feature, rank, number(lower), fired, seen, labels.get(feature)])
    return files


def label_terms(reader: RunReader, layer: int, dictionary: Dictionaries) -> dict[int, int]:
    """Term of the label of each feature that has one."""
    named = reader.run.read("labels", layer)
    rows = zip(named["feature"].tolist(), named["source"], named["term"], strict=True)
    return {feature: dictionary.terms[source, term] for feature, source, term in rows}


def module_list(reader: RunReader, layer: int, dictionary: Dictionaries) -> list[dict[str, Any]]:
    """Content of ``modules/LNN.jz``: the modules of a layer with their members."""
    members = reader.members(layer).sort_values("feature").groupby("module")["feature"].agg(list)
    rows = []
    for row in reader.modules(layer).sort_values("module").to_dict("records"):
        named = isinstance(row["term"], str)
        rows.append({
            "module": int(row["module"]),
            "features": [int(feature) for feature in members.get(row["module"], [])],
            "n_edges": whole(row["n_edges"]),
            "stability": number(row["stability"]),
            "term": dictionary.terms[row["source"], row["term"]] if named else None,
            "n_members_with_term": int(row["n_members_with_term"]) if named else None,
            "p": number(row["p"]) if named else None,
            "q": number(row["q"]) if named else None,
        })
    return rows
