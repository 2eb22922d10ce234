"""Everything about each feature, in files of 32 features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellprism.atlas.geneindex import label_terms, module_terms
from cellprism.atlas.highwayfiles import highways_of
from cellprism.atlas.moreabout import more_about
from cellprism.atlas.packing import number, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from cellprism.atlas.ablation import Found
    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.atlas.flow import Chain
    from cellprism.reader import RunReader

SIZE = 32
MOST_TESTS = 80
"""Gene sets and groups of a feature at most; the Parquet tables have all."""
BINS = 24
KINDS = ("atom", "cofiring", "previous", "next")

Rows = dict[int, list[list[Any]]]


def feature_shards(
    reader: RunReader, layer: int, dictionary: Dictionaries, chained: Mapping[int, Chain], found: Found,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each file of a layer and its content: feature (as text) to record, in ascending order.

    Under ``genes`` a file names every gene that it mentions, so that a page needs no dictionary of all genes.
    ``chained`` has the chain of each feature that goes on from layer to layer, ``found`` what ablation measured.
    """
    shard: dict[str, Any] = {}
    current = 0
    for record in _records(reader, layer, dictionary, chained, found):
        if record["feature"] // SIZE != current:
            yield current, {"genes": dictionary.names(_mentioned(shard)), **shard}
            current, shard = record["feature"] // SIZE, {}
        shard[str(record["feature"])] = record
    yield current, {"genes": dictionary.names(_mentioned(shard)), **shard}


def _mentioned(shard: dict[str, Any]) -> set[int]:
    top = {row[0] for record in shard.values() for row in record["genes"]}
    return top | {gene for record in shard.values() for row in record["annotations"] for gene in row[4]}


def _records(
    reader: RunReader, layer: int, dictionary: Dictionaries, chained: Mapping[int, Chain], found: Found,
) -> Iterator[dict[str, Any]]:
    top = reader.top_genes(layer)
    genes = _gene_rows(top)
    annotations = _annotation_rows(reader.annotations(layer), top, dictionary)
    groups = _group_rows(reader.celltypes(layer), dictionary)
    neighbours = _neighbour_rows(reader, layer, dictionary)
    highways = highways_of(reader, layer, dictionary)
    histograms = _histogram_rows(reader.histograms(layer))
    more = more_about(reader, layer, found)
    modules = module_terms(reader, layer, dictionary)
    nothing = [] if reader.run.absent("histograms", layer) else [0] * BINS
    for row in reader.features(layer).to_dict("records"):
        feature = int(row["feature"])
        labelled = isinstance(row["label"], str)
        yield {
            "feature": feature,
            "n_fired": int(row["n_fired"]),
            "frequency": number(row["frequency"]),
            **{name: whole(row[name]) for name in ("n_cells", "n_genes")},
            **{name: number(row[name]) for name in ("mean_value", "max_value")},
            **{name: bool(row[name]) for name in ("dead", "rare")},
            "module": int(row["module"]) if isinstance(row["module"], int) else None,
            "module_term": modules.get(row["module"]) if isinstance(row["module"], int) else None,
            "label": {
                "term": dictionary.terms[row["source"], row["label"]],
                "q": number(row["label_q"]),
                "n_terms": int(row["n_terms"]),
            } if labelled else None,
            "genes": genes.get(feature, []),
            "annotations": annotations.get(feature, []),
            "groups": groups.get(feature, []),
            "neighbours": neighbours.get(feature, []),
            "highways": highways.get(feature, []),
            "chain": chained.get(feature),
            "histogram": histograms.get(feature, nothing),
            **{name: values[feature] for name, values in more.items() if feature in values},
        }


def _gene_rows(top: pd.DataFrame) -> Rows:
    return _by_feature(top.sort_values(["feature", "rank"]), ["gene", "seen", "fired"], ["mean", "sd", "lower"])


def _annotation_rows(table: pd.DataFrame, top: pd.DataFrame, dictionary: Dictionaries) -> Rows:
    """The table names the overlapping genes by symbol; they are among the feature's top genes, which have indices."""
    index = dict(zip(zip(top["feature"], top["symbol"], strict=True), top["gene"], strict=True))
    table = table.sort_values(["feature", "p", "q", "source", "term"]).groupby("feature").head(MOST_TESTS)
    counts = _by_feature(table, ["overlap", "n_genes", "term_size"], ["effect", "p", "q"])
    texts = _by_feature(table, ["source", "term", "genes"], [])
    for feature, rows in counts.items():
        for row, (source, term, symbols) in zip(rows, texts[feature], strict=True):
            row.insert(0, dictionary.terms[source, term])
            row.insert(4, [index[feature, symbol] for symbol in symbols.split()])
    return counts


def _group_rows(table: pd.DataFrame, dictionary: Dictionaries) -> Rows:
    table = table.sort_values(["feature", "auroc", "key", "value"], ascending=[True, False, True, True])
    table = table.groupby("feature").head(MOST_TESTS)
    table = table.assign(group=[dictionary.groups[pair] for pair in zip(table["key"], table["value"], strict=True)])
    return _by_feature(table, ["group", "n_units", "unit"], ["auroc", "log_ratio", "p", "q"])


def _neighbour_rows(reader: RunReader, layer: int, dictionary: Dictionaries) -> Rows:
    """With the term of each neighbour's label, so that a page needs no other layer's file to name it."""
    table = reader.neighbours(layer)
    labels = {other: label_terms(reader, other, dictionary) for other in table["neighbour_layer"].unique()}
    table = table.assign(order=table["kind"].map(KINDS.index)).sort_values(["feature", "order", "rank"])
    rows = _by_feature(table, ["kind", "neighbour_layer", "neighbour"], ["similarity", "null_q95"])
    for own in rows.values():
        for row in own:
            row.append(labels[row[1]].get(row[2]))
    return rows


def _histogram_rows(table: pd.DataFrame) -> dict[int, list[int]]:
    counts: dict[int, list[int]] = {}
    for feature, place, count in zip(table["feature"], table["bin"], table["count"], strict=True):
        counts.setdefault(int(feature), [0] * BINS)[place] = int(count)
    return counts


def _exact(column: pd.Series) -> list[Any]:
    """Texts and counts as they are; a count that is missing is None."""
    return [whole(value) for value in column.tolist()] if column.dtype.kind == "f" else column.tolist()


def _by_feature(table: pd.DataFrame, exact: Sequence[str], rounded: Sequence[str]) -> Rows:
    """Rows of a table, in its order, gathered by feature: the ``exact`` columns, then the ``rounded`` numbers."""
    columns = [_exact(table[name]) for name in exact]
    columns += [[number(value) for value in table[name].tolist()] for name in rounded]
    gathered: Rows = {}
    for feature, *row in zip(table["feature"].tolist(), *columns, strict=True):
        gathered.setdefault(feature, []).append(row)
    return gathered
