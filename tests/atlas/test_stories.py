"""The stories of a run are what the tables say, and none is told twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from tests.atlas.fabricated import LAYERS

from cellprism.atlas.dictionaries import dictionaries
from cellprism.atlas.stories import stories
from cellprism.atlas.traces import graphs

if TYPE_CHECKING:
    from cellprism.reader import RunReader


@pytest.fixture(scope="module")
def told(reader: RunReader) -> dict[str, dict]:
    return {story["kind"]: story for story in stories(reader, dictionaries(reader))}


def table(reader: RunReader, name: str) -> pd.DataFrame:
    return pd.concat([getattr(reader, name)(layer).assign(layer=layer) for layer in LAYERS], ignore_index=True)


def value(story: dict, column: str) -> float:
    return next(number for _, name, number in story["evidence"] if name == column)


def test_the_extremes_are_those_of_the_tables(reader: RunReader, told: dict[str, dict]) -> None:
    features = table(reader, "features").query("~dead and ~rare")
    found = reader.findings(1).iloc[0]
    assert (told["both"]["layer"], told["both"]["feature"]) == (found["layer"], found["feature"])
    others = features[features["group_value"] != found["group_value"]]
    assert value(told["group"], "auroc") == pytest.approx(others["group_auroc"].max(), rel=1e-5)
    cell = table(reader, "variance").merge(features[["layer", "feature"]])["cell"]
    assert value(told["cell"], "cell") == pytest.approx(cell.max(), rel=1e-5)
    chains = reader.chains().query("n_layers == n_layers.max()")
    assert value(told["lasting"], "n_layers") == chains["n_layers"].iloc[0] > 1
    assert value(told["lasting"], "mean_cosine") == pytest.approx(chains["mean_cosine"].max(), rel=1e-5)
    edges = pd.concat([trace.read("edges").assign(layer=trace.source) for trace in graphs(reader)[0]])
    edges = edges[edges["replicated"] & (edges["q"] < 0.05)].rename(columns={"source": "feature"})
    edges = edges.merge(features[["layer", "feature"]])
    assert abs(value(told["circuit"], "g")) == pytest.approx(edges["g"].abs().max(), rel=1e-5)
    assert (reader.path / told["circuit"]["within"] / "edges.parquet").exists()
    bare = told["surprise"]
    row = features.set_index(["layer", "feature"]).loc[bare["layer"], bare["feature"]]
    assert pd.isna(row["label"])
    assert value(bare, "n_layers") == table(reader, "unlabelled")["n_layers"].max()


def test_a_run_without_traces_tells_the_strongest_highway(reader: RunReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellprism.atlas.stories.graphs", lambda _reader: [])
    told = {story["kind"]: story for story in stories(reader, dictionaries(reader))}
    assert "circuit" not in told
    assert value(told["highway"], "pmi") == pytest.approx(table(reader, "highways")["pmi"].max(), rel=1e-5)


def test_nothing_is_told_twice(reader: RunReader) -> None:
    found = stories(reader, dictionaries(reader))
    assert 5 <= len(found) <= 8
    for name in ("term", "group"):
        named = [story[name] for story in found if story[name] is not None]
        assert len(named) == len(set(named))
    places = [(story["layer"], story["feature"]) for story in found if story["feature"] is not None]
    assert len(places) == len(set(places))
    assert all(story["genes"] for story in found if story["feature"] is not None)
