from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from tests.atlas.fabricated import BARE, DEAD, GROUPS, LAYERS, N_FEATURES, N_GENES, RARE, write_run

from cellprism.atlas.export import STATIC, export, run_identifiers
from cellprism.atlas.packing import unpack_json
from cellprism.errors import UserError
from cellprism.runs.schemas import TABLES

if TYPE_CHECKING:
    from cellprism.reader import RunReader


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def jz(path: Path) -> object:
    return unpack_json(path.read_bytes())


@pytest.fixture(scope="module")
def records(folder: Path) -> dict[int, dict[int, dict]]:
    found: dict[int, dict[int, dict]] = {}
    for layer in LAYERS:
        found[layer] = {}
        for path in sorted((folder / f"feat/L{layer:02d}").iterdir()):
            shard = jz(path)
            del shard["genes"]
            for name, record in shard.items():
                assert int(name) // 32 == int(path.stem)
                assert record["feature"] == int(name)
                assert int(name) not in found[layer]
                found[layer][int(name)] = record
    return found


def test_the_same_run_gives_the_same_bytes(run_path: Path, atlas: Path, tmp_path: Path) -> None:
    again = export([run_path], tmp_path / "again")
    assert tree(again) == tree(atlas)


def test_the_index_lists_the_run(atlas: Path) -> None:
    index = json.loads((atlas / "atlas.json").read_text())
    assert index["format"] == 1
    assert index["mode"] == "export"
    assert index["capabilities"] == ["tables", "ablation", "circuits", "steering", "regulation"]
    assert index["runs"] == [{"id": "my-run", "title": "Fabricated", "layers": list(LAYERS), "n_features": N_FEATURES}]


def test_the_front_end_is_copied(atlas: Path) -> None:
    assert {name: data for name, data in tree(atlas).items() if not name.startswith(("runs/", "download/"))} == {
        **tree(STATIC), "atlas.json": (atlas / "atlas.json").read_bytes(),
    }


def test_every_compressed_file_is_gzip_without_time(folder: Path) -> None:
    files = tree(folder)
    assert len(files) > 256
    assert all(data[:2] == b"\x1f\x8b" and data[4:8] == bytes(4) for data in files.values())


def test_every_feature_is_there_once_and_equals_the_tables(
    reader: RunReader, records: dict[int, dict[int, dict]], terms: list[tuple[str, str]]
) -> None:
    for layer in LAYERS:
        table = reader.features(layer)
        assert sorted(records[layer]) == table["feature"].tolist() == list(range(N_FEATURES))
        for row in table.itertuples():
            record = records[layer][row.feature]
            assert [record[name] for name in ("n_fired", "n_cells", "n_genes", "dead", "rare")] == [
                row.n_fired, row.n_cells, row.n_genes, row.dead, row.rare,
            ]
            assert record["frequency"] == pytest.approx(row.frequency, rel=1e-5)
            assert record["max_value"] == pytest.approx(row.max_value, rel=1e-5)
            assert record["module"] == (None if pd.isna(row.module) else row.module)
            if pd.isna(row.label):
                assert record["label"] is None
            else:
                assert terms[record["label"]["term"]] == (row.source, row.label)
                assert record["label"]["q"] == pytest.approx(row.label_q, rel=1e-5)
                assert record["label"]["n_terms"] == row.n_terms


def test_lists_of_a_feature_equal_the_tables(
    reader: RunReader, records: dict[int, dict[int, dict]], terms: list[tuple[str, str]],
    groups: list[tuple[str, str]],
) -> None:
    symbol = reader.genes().set_index("gene")["symbol"]
    label = {(layer, row.feature): (row.source, row.term)
             for layer in LAYERS for row in reader.run.read("labels", layer).itertuples()}
    for layer in LAYERS:
        by_feature = {name: dict(iter(getattr(reader, name)(layer).groupby("feature"))) for name in
                      ("top_genes", "annotations", "celltypes", "neighbours", "histograms")}
        for feature, record in records[layer].items():
            if feature == DEAD:
                continue
            top = by_feature["top_genes"][feature].sort_values("rank")
            assert [row[:3] for row in record["genes"]] == top[["gene", "seen", "fired"]].to_numpy().tolist()
            np.testing.assert_allclose(
                [row[3:] for row in record["genes"]], top[["mean", "sd", "lower"]], rtol=1e-5)
            tests = {(row.source, row.term): row for row in by_feature["annotations"][feature].itertuples()}
            assert {terms[row[0]] for row in record["annotations"]} == set(tests)
            for term, overlap, n_genes, size, genes, effect, p, q in record["annotations"]:
                row = tests[terms[term]]
                assert (overlap, n_genes, size) == (row.overlap, row.n_genes, row.term_size)
                assert [symbol[gene] for gene in genes] == row.genes.split()
                assert [effect, p, q] == pytest.approx([row.effect, row.p, row.q], rel=1e-5)
            assert [row[6] for row in record["annotations"]] == sorted(row[6] for row in record["annotations"])
            cells = {(row.key, row.value): row for row in by_feature["celltypes"][feature].itertuples()}
            assert {groups[row[0]] for row in record["groups"]} == set(cells)
            for group, n, unit, *numbers in record["groups"]:
                row = cells[groups[group]]
                assert (n, unit) == (row.n_units, row.unit)
                assert numbers == pytest.approx([row.auroc, row.log_ratio, row.p, row.q], rel=1e-5)
            assert [-row[3] for row in record["groups"]] == sorted(-row[3] for row in record["groups"])
            assert record["histogram"] == by_feature["histograms"][feature]["count"].tolist()
            near = by_feature["neighbours"].get(feature, pd.DataFrame())
            assert len(record["neighbours"]) == len(near)
            for (kind, at, other, *_, term), row in zip(record["neighbours"], near.itertuples(), strict=True):
                assert (kind, at, other) == (row.kind, row.neighbour_layer, row.neighbour)
                assert (None if term is None else terms[term]) == label.get((at, other))


def test_a_dead_feature_has_a_page_of_nothing(records: dict[int, dict[int, dict]]) -> None:
    record = records[0][DEAD]
    assert record["dead"] and record["mean_value"] is None and record["label"] is None and record["module"] is None
    assert record["genes"] == record["annotations"] == record["groups"] == record["neighbours"] == []
    assert record["histogram"] == [0] * 24
    assert records[0][RARE]["rare"]


def test_the_gene_index_is_complete(reader: RunReader, folder: Path, terms: list[tuple[str, str]]) -> None:
    found = []
    genes = set()
    known = jz(folder / "dict/genes.jz")
    assert jz(folder / "dict/symbols.jz") == {"symbol": known["symbol"]}
    label = {(layer, row.feature): None if pd.isna(row.label) else (row.source, row.label)
             for layer in LAYERS for row in reader.features(layer).itertuples()}
    for i in range(256):
        content = jz(folder / f"gene/{i:02x}.jz")
        about = content.pop("genes")
        assert list(about) == list(content)
        for gene, rows in content.items():
            assert about[gene] == [known[name][int(gene)] for name in ("symbol", "id", "n_seen")]
            assert int(gene) % 256 == i
            assert [row[:1] + row[2:3] for row in rows] == sorted(row[:1] + row[2:3] for row in rows)
            genes.add(int(gene))
            found += [(int(gene), *row[:3], *row[4:6]) for row in rows]
            named = [None if row[6] is None else terms[row[6]] for row in rows]
            assert named == [label[row[0], row[1]] for row in rows]
    assert genes == set(range(N_GENES))
    wanted = [
        (row.gene, layer, row.feature, row.rank, row.fired, row.seen)
        for layer in LAYERS for row in reader.top_genes(layer).itertuples()
    ]
    assert sorted(found) == sorted(wanted)


def test_the_summary_says_what_the_run_found(reader: RunReader, folder: Path) -> None:
    summary = jz(folder / "summary.jz")
    assert summary["id"] == "my-run"
    assert summary["model"] == {"kind": "geneformer", "name": "tiny", "n_layers": 3, "d_model": 16}
    assert summary["cells"] == {
        "n_cells": 40, "n_positions": 2000, "n_genes": N_GENES, "source": "cells.h5ad",
        "notes": ["counts recovered from normalised values"],
    }
    assert [layer["layer"] for layer in summary["layers"]] == list(LAYERS)
    first = summary["layers"][0]
    assert (first["n_features"], first["n_alive"], first["n_rare"]) == (N_FEATURES, N_FEATURES - 1, 1)
    assert first["n_annotated"] == len(reader.run.read("labels", 0))
    assert {row["rate"] for row in first["rates"]} == {"annotated", "cofiring_pairs", "grouped"}
    assert all(row["null_q95"] == 0.08 for row in first["rates"])
    assert [(row["control"], row["rate"], row["control_value"]) for row in first["controls"]] == [
        ("static_embedding", "annotated", 0.3)
    ]
    assert first["map"] == {"method": "UMAP", "metric": "cosine", "seed": 0, "trustworthiness": 0.93}
    assert [stage["name"] for stage in summary["provenance"]["stages"]] == ["tokens", "catalog.00", "catalog.02"]
    found = reader.findings()
    assert [(f["layer"], f["feature"]) for f in summary["findings"]] == list(
        zip(found["layer"], found["feature"], strict=True))
    symbol = reader.genes().set_index("gene")["symbol"]
    assert [[symbol[g] for g, _ in f["genes"]] for f in summary["findings"]] == found["genes"].tolist()
    for finding in summary["findings"]:
        top = reader.top_genes(finding["layer"]).query("feature == @finding['feature']").sort_values("rank")
        np.testing.assert_allclose([mean for _, mean in finding["genes"]], top["mean"], rtol=1e-5)


def test_no_absolute_path_is_published(atlas: Path) -> None:
    for name, data in tree(atlas).items():
        if name.startswith("runs/"):
            assert b"secret" not in gzip.decompress(data), name


def test_modules_have_their_members(reader: RunReader, folder: Path) -> None:
    for layer in LAYERS:
        modules = jz(folder / f"modules/L{layer:02d}.jz")
        members = reader.members(layer)
        for module in modules:
            own = sorted(members.loc[members["module"] == module["module"], "feature"])
            assert (module["n_features"], module["features"]) == (len(own), own[:50])
        assert modules[0]["term"] is not None
        assert modules[1] | {"features": [], "n_features": 0} == {
            "module": 1, "n_features": 0, "features": [], "n_edges": 20, "stability": None, "term": None,
            "n_members_with_term": None, "p": None, "q": None,
        }


def test_groups_are_all_values_of_all_columns(folder: Path, groups: list[tuple[str, str]]) -> None:
    assert groups == sorted(GROUPS)
    assert sum(jz(folder / "dict/groups.jz")["n_cells"]) == 80


def test_the_tables_are_there_for_download(run_path: Path, atlas: Path) -> None:
    """Whole, but for what a kept atlas repeats; and listed with their hashes, stages and columns."""
    published = tree(atlas / "download" / "my-run")
    tables = {name: data for name, data in tree(run_path).items() if name.endswith(".parquet") and ".cache" not in name}
    traces = {path.relative_to(run_path).as_posix() for path in run_path.glob("causal/*/*.json")}
    plain = {"format.json", "run.yaml", "model.json", "absent.json", *traces}
    assert published.keys() == tables.keys() | plain
    assert {name: data for name, data in published.items() if name not in plain} == tables
    assert not any(b"/secret" in published[name] for name in plain)
    listing = jz(atlas / "runs/my-run/tables.jz")
    assert (listing["command"], listing["seed"]) == ("cellprism run run.yaml", 0)
    files = {entry["file"]: entry for entry in listing["files"]}
    assert files.keys() == published.keys()
    for name, entry in files.items():
        assert entry["sha256"] == hashlib.sha256(published[name]).hexdigest()
        assert entry["bytes"] == len(published[name])
    assert files["layers/02/rates_annotation.parquet"]["table"] == "rates"
    assert files["layers/02/map.parquet"]["notes"]["method"] == "UMAP"
    assert files["layers/02/features.parquet"]["rows"] == N_FEATURES
    assert files["layers/02/features.parquet"]["stage"] == "catalog.02"
    columns = {name: [column for column, _, _ in table["columns"]] for name, table in listing["tables"].items()}
    assert columns["annotations"] == list(TABLES["annotations"].columns)


def test_a_directory_of_other_things_is_left_alone(run_path: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("all my work")
    with pytest.raises(UserError, match="other files"):
        export([run_path], tmp_path)
    with pytest.raises(UserError, match="is a file"):
        export([run_path], tmp_path / "thesis.tex")
    assert tree(tmp_path) == {"thesis.tex": b"all my work"}


def test_an_older_atlas_is_replaced_whole(run_path: Path, atlas: Path, tmp_path: Path) -> None:
    out = tmp_path / "atlas"
    export([run_path], out)
    (out / "left.txt").write_text("from an older version")
    export([run_path], out)
    assert tree(out) == tree(atlas)
    assert [path.name for path in tmp_path.iterdir()] == ["atlas"]


def test_a_failed_export_leaves_no_half_atlas(tmp_path: Path, atlas: Path, run_path: Path) -> None:
    broken = write_run(tmp_path / "broken")
    (broken / "layers/02/map.parquet").unlink()
    out = tmp_path / "atlas"
    export([run_path], out)
    for target in (out, tmp_path / "new"):
        with pytest.raises(UserError, match="map"):
            export([run_path, broken], target)
    assert tree(out) == tree(atlas)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["atlas", "broken"]


def test_what_a_killed_export_left_does_not_get_in(tmp_path: Path, atlas: Path, run_path: Path) -> None:
    rest = tmp_path / ".atlas.partial" / "runs" / "gone"
    rest.mkdir(parents=True)
    (rest / "half.jz").write_bytes(b"")
    assert tree(export([run_path], tmp_path / "atlas")) == tree(atlas)


def test_runs_of_the_same_name_get_different_ids() -> None:
    paths = [Path("a/Demo run"), Path("b/demo_run"), Path("c/...")]
    assert run_identifiers(paths) == ["demo-run", "demo-run-2", "run"]


def test_nothing_to_export_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least one run"):
        export([], tmp_path / "out")
    with pytest.raises(UserError, match="not a cellprism run"):
        export([tmp_path], tmp_path / "out")


def test_two_runs_share_an_atlas(run_path: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "other", title="Second", seed=4)
    out = export([run_path, other], tmp_path / "atlas")
    index = json.loads((out / "atlas.json").read_text())
    assert [run["id"] for run in index["runs"]] == ["my-run", "other"]
    assert jz(out / "runs/other/summary.jz")["title"] == "Second"


def test_a_bare_feature_has_no_names(records: dict[int, dict[int, dict]]) -> None:
    record = records[2][BARE]
    assert record["label"] is None and record["module"] is None and record["neighbours"] == []
    assert record["genes"] and record["annotations"] and record["groups"]
