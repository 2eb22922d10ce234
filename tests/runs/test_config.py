from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from cellprism.errors import UserError
from cellprism.runs.config import Config, dump_config, load_config, parse_config, starter_yaml

if TYPE_CHECKING:
    from pathlib import Path


def pool(*shares: float) -> dict[str, object]:
    return {f"source{i}": {"path": f"{i}.h5ad", "share": share} for i, share in enumerate(shares)}


@pytest.mark.parametrize(("raw", "words"), [
    ({"sae": {"kk": 3}}, ["unknown key `sae.kk`", "`sae.k`"]),
    ({"cels": {}}, ["unknown key `cels`", "`cells`"]),
    ({"cells": {"lables": ["x"]}}, ["`cells.lables`", "`cells.labels`"]),
    ({"sae": {"k": 0}}, ["`sae.k`", "greater than or equal to 1", "0"]),
    ({"annotation": {"q": 2}}, ["`annotation.q`", "less than 1"]),
    (
        {"cells": {"pool": {"a": {"path": "x", "share": 0.5, "wher": 1}}}},
        ["`cells.pool.a.wher`", "`cells.pool.a.where`"],
    ),
    ({"cells": {"pool": {"a": {"path": "x"}}}}, ["`cells.pool.a.share`"]),
    ({"cells": {"pool": pool(0.5, 0.4)}}, ["`cells.pool` must have shares that add up to 1, not 0.9."]),
    ({"cells": {"pool": pool(0.5, 0.5), "path": "c"}}, ["`cells.pool` takes the place of `cells.path`"]),
    ({"cells": {"pool": pool(0.5, 0.5), "labels": ["source"]}}, ["`cells.pool` makes a label `source`"]),
])
def test_a_fault_is_one_sentence_that_names_the_key(raw: dict, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        parse_config(raw, source="mine.yaml")
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in ["mine.yaml", *words])


def test_the_starter_file_is_the_default_config() -> None:
    assert parse_config(yaml.safe_load(starter_yaml())) == Config()


def test_a_config_survives_its_yaml(tmp_path: Path) -> None:
    config = parse_config({"sae": {"layers": [0, 2], "k": 5}, "cells": {"path": "a.h5ad", "labels": ["x", "y"]}})
    (tmp_path / "c.yaml").write_text(dump_config(config))
    assert load_config(tmp_path / "c.yaml") == config


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "just words"])
def test_what_is_not_a_mapping_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UserError, match=r"c\.yaml"):
        load_config(tmp_path / "c.yaml")


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cellprism init"):
        load_config(tmp_path / "none.yaml")


def test_a_source_of_a_pool_says_what_differs(tmp_path: Path) -> None:
    raw = {"max_cells": 9, "layer": "raw", "labels": ["kind"], "pool": pool(0.25, 0.75)}
    raw["pool"]["source1"] |= {"layer": "counts", "where": {"kind": "b"}, "donor": "who"}
    config = parse_config({"cells": raw})
    (tmp_path / "c.yaml").write_text(dump_config(config))
    cells = load_config(tmp_path / "c.yaml").cells
    assert cells == config.cells
    assert cells.shares == {"source0": 0.25, "source1": 0.75}
    first, second = cells.sources.values()
    assert (first.path, first.layer, first.where, first.donor, first.max_cells) == ("0.h5ad", "raw", {}, None, 9)
    assert (second.path, second.layer, second.where, second.donor) == ("1.h5ad", "counts", {"kind": "b"}, "who")
    assert (second.labels, second.pool) == (("kind",), {})
    assert Config().cells.sources == {"": Config().cells}
    assert Config().cells.shares == {"": 1.0}
