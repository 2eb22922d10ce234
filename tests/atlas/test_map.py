from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tests.atlas.fabricated import LAYERS, N_FEATURES

from cellprism.atlas.columns import unpack_columns
from cellprism.atlas.dictionaries import dictionaries
from cellprism.atlas.featuremap import map_files, map_names, mini_columns, quantise, read_map
from cellprism.atlas.packing import unpack_json

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.reader import RunReader


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def jz(path: Path) -> object:
    return unpack_json(path.read_bytes())


def test_the_map_has_every_feature_in_random_order(
    reader: RunReader, folder: Path, terms: list[tuple[str, str]], groups: list[tuple[str, str]]
) -> None:
    for layer in LAYERS:
        columns = pd.DataFrame(unpack_columns((folder / f"map/L{layer:02d}.bin").read_bytes()))
        assert columns["feature"].tolist() != list(range(N_FEATURES))
        columns = columns.sort_values("feature", ignore_index=True)
        table = reader.features(layer)
        for name in ("feature", "n_fired", "n_cells", "n_terms"):
            assert columns[name].tolist() == table[name].tolist()
        for name in ("frequency", "max_value", "label_q", "group_auroc"):
            np.testing.assert_allclose(columns[name], table[name], rtol=2**-14)
            assert not (columns[name].to_numpy("f4").view("u4") & 0x3FF)[np.isfinite(columns[name])].any()
        assert columns["flags"].tolist() == (table["dead"] * 1 + table["rare"] * 2).tolist()
        assert ((columns["x"] == 65535) & (columns["y"] == 65535)).tolist() == table["dead"].tolist()
        named = [terms[i] if i < len(terms) else None for i in columns["label"]]
        assert named == [None if pd.isna(s) else (s, t) for s, t in zip(table["source"], table["label"], strict=True)]
        assert set(columns["label"][[v is None for v in named]]) == {2**32 - 1}
        assert columns["module"].tolist() == table["module"].fillna(65535).tolist()
        best = [best_group(reader.celltypes(layer), feature) for feature in table["feature"]]
        assert [groups[i] if i < 65535 else None for i in columns["group"]] == best


def test_a_large_map_comes_in_two_pieces_that_are_the_whole_in_order(folder: Path, tmp_path: Path) -> None:
    """The first piece is the beginning of the rows in random order; a layer within the limit stays one file."""
    whole = unpack_columns((folder / f"map/L{LAYERS[0]:02d}.bin").read_bytes())
    assert [name for name, _ in map_files(whole, 3, first=N_FEATURES)] == ["map/L03.bin"]
    files = dict(map_files(whole, 3, first=4))
    assert list(files) == ["map/L03.bin", "map/L03-rest.bin"]
    pieces = [unpack_columns(data) for data in files.values()]
    assert [len(piece["x"]) for piece in pieces] == [4, N_FEATURES - 4]
    (tmp_path / "map").mkdir()
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    found = read_map(tmp_path, 3)
    assert list(found) == list(whole)
    for name, column in whole.items():
        np.testing.assert_array_equal(found[name], column)
        assert found[name].dtype == column.dtype
        np.testing.assert_array_equal(pieces[0][name], column[:4])


def test_the_small_map_is_the_beginning_of_the_large_one(folder: Path) -> None:
    for layer in LAYERS:
        large = pd.DataFrame(unpack_columns((folder / f"map/L{layer:02d}.bin").read_bytes())).query("x < 65535")
        small = pd.DataFrame(unpack_columns((folder / f"mini/L{layer:02d}.bin").read_bytes()))
        assert len(small) == N_FEATURES - 1
        assert small[["module", "group"]].to_numpy().tolist() == large[["module", "group"]].to_numpy().tolist()
        for name in ("x", "y"):
            assert (large[name].to_numpy() // 16 * 16).tolist() == small[name].tolist()
        known = large["group_auroc"].notna().to_numpy()
        lost = (large["group_auroc"].to_numpy() - small["group_auroc"].to_numpy())[known]
        assert ((lost > -1e-6) & (lost < 0.01)).all()
        assert small["group_auroc"].isna().tolist() == (~known).tolist()
        few = mini_columns({name: large[name].to_numpy() for name in large}, 10)
        assert few["group"].tolist() == large["group"].head(10).tolist()


def test_the_names_on_the_small_map_are_the_surest_labels(
    reader: RunReader, folder: Path, terms: list[tuple[str, str]]
) -> None:
    for about in jz(folder / "summary.jz")["layers"]:
        table = reader.features(about["layer"]).set_index("feature")
        large = pd.DataFrame(unpack_columns((folder / f"map/L{about['layer']:02d}.bin").read_bytes()))
        places = large.set_index("feature")[["x", "y"]]
        expected: list[tuple[str, str]] = []
        for q, feature in sorted((row.label_q, row.Index) for row in table.itertuples() if isinstance(row.label, str)):
            row = table.loc[feature]
            name = (row["source"], row["label"])
            if row["dead"] or name in expected or places.loc[feature, "x"] == 65535:
                continue
            found = about["names"][len(expected)]
            assert terms[found[0]] == name, q
            assert found[1:] == places.loc[feature].tolist()
            expected.append(name)
            if len(expected) == 16:
                break
        assert len(about["names"]) == len(expected)


def test_at_most_so_many_names_and_none_of_nothing(reader: RunReader) -> None:
    dictionary = dictionaries(reader)
    features = reader.features(LAYERS[0])
    assert len(map_names(features, dictionary, most=1)) == 1
    assert map_names(features.assign(label=None), dictionary) == []
    assert map_names(features.assign(x=np.nan), dictionary) == []


def best_group(tests: pd.DataFrame, feature: int) -> tuple[str, str] | None:
    """The slow, obvious way."""
    best, largest = None, -1.0
    for row in tests.itertuples():
        if row.feature == feature and row.q < 0.05 and row.auroc > largest:
            best, largest = (row.key, row.value), row.auroc
    return best


def test_map_distances_keep_their_proportions() -> None:
    x, y = np.array([0.0, 10.0, 5.0, np.nan]), np.array([1.0, 1.0, 6.0, 2.0])
    u, v = quantise(x, y)
    assert u.tolist() == [0, 65534, 32767, 65535]
    assert v[3] == 65535
    assert abs(int(v[2]) - int(v[0]) - 32767) <= 1
    assert quantise(np.full(2, np.nan), np.full(2, np.nan))[0].tolist() == [65535, 65535]
    assert quantise(np.ones(1), np.ones(1))[0].tolist() == [32767]
