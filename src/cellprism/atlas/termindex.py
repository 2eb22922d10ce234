"""From a gene set to the features that carry it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellprism.atlas.packing import number, whole
from cellprism.atlas.spread import spread

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.reader import RunReader

MOST = 300
"""Rows of a term at most; the counts are of all, and the Parquet tables have all."""
Q = 0.05

Records = dict[int, dict[str, Any]]


def term_index(reader: RunReader, dictionary: Dictionaries) -> list[dict[str, Any]]:
    """Content of the files: term (as text) to its features, smallest q first; see `spread`.

    A record is ``{"n": tests listed, "layers": [[layer, features with q < 0.05]], "rows": [[layer, feature, overlap,
    n_genes, term_size, [genes], effect, p, q]]}``. Of a layer whose tests are absent, the features labelled with the
    term stand with nothing but their label's q.
    """
    records: Records = {term: {"n": 0, "layers": [], "rows": []} for term in dictionary.terms.values()}
    for layer in reader.layers:
        tests = reader.annotations(layer)
        if reader.run.absent("annotations", layer):
            _add_labels(records, reader.run.read("labels", layer), layer, dictionary)
        else:
            _add_tests(records, tests, reader.top_genes(layer), layer, dictionary)
    for record in records.values():
        record["rows"].sort(key=lambda row: (2.0 if row[8] is None else row[8], row[0], row[1]))
        del record["rows"][MOST:]
    return spread(records, sum(len(record["rows"]) for record in records.values()))


def _add_tests(
    records: Records, tests: pd.DataFrame, top: pd.DataFrame, layer: int, dictionary: Dictionaries
) -> None:
    index = dict(zip(zip(top["feature"], top["symbol"], strict=True), top["gene"], strict=True))
    pairs = zip(tests["source"], tests["term"], strict=True)
    tests = tests.assign(number=[dictionary.terms[pair] for pair in pairs], sure=tests["q"] < Q)
    counts = tests.groupby("number")["sure"].agg(["size", "sum"])
    for term, n, sure in zip(counts.index.tolist(), counts["size"].tolist(), counts["sum"].tolist(), strict=True):
        records[term]["n"] += n
        records[term]["layers"].append([layer, sure])
    best = tests.sort_values(["q", "feature"]).groupby("number").head(MOST)
    names = ("number", "feature", "overlap", "n_genes", "term_size", "genes", "effect", "p", "q")
    for term, feature, overlap, n, size, symbols, *floats in zip(*(best[name].tolist() for name in names), strict=True):
        genes = [index[feature, symbol] for symbol in symbols.split()]
        records[term]["rows"].append(
            [layer, feature, overlap, whole(n), whole(size), genes, *(number(value) for value in floats)])


def _add_labels(records: Records, labels: pd.DataFrame, layer: int, dictionary: Dictionaries) -> None:
    pairs = zip(labels["source"], labels["term"], strict=True)
    for term, rows in labels.groupby([dictionary.terms[pair] for pair in pairs], sort=False):
        record = records[int(str(term))]
        record["n"] += len(rows)
        record["layers"].append([layer, len(rows)])
        record["rows"] += [
            [layer, feature, None, None, None, [], None, None, number(q)]
            for feature, q in zip(rows["feature"].tolist(), rows["q"].tolist(), strict=True)
        ]
