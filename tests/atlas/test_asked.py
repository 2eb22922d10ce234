from __future__ import annotations

from typing import TYPE_CHECKING

from tests.atlas.fabricated import LAYERS

from cellprism.atlas.asked import result_command
from cellprism.runs.schemas import TABLES, empty, write_table

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.reader import RunReader


def test_a_table_tells_the_command_that_wrote_it(reader: RunReader) -> None:
    run = reader.run
    steering = result_command(run.file("causal/switches_00.parquet"), "causal/switches_00.parquet")
    wanted = "cellprism steer RUN --layer 0 --root 'cell type=B cell' --seed 7"
    assert steering == {"command": wanted, "seed": 7}
    name = f"regulation/responses_{LAYERS[-1]:02d}.parquet"
    found = result_command(run.file(name), name)
    assert found is not None
    assert found["command"] == (
        "cellprism perturb RUN screen.h5ad --layer 2 --target gene --control none --seed 7"
    )
    assert result_command(run.file("genes.parquet"), "genes.parquet") is None
    assert result_command(run.file("causal/00-ablation/edges.parquet"), "causal/00-ablation/edges.parquet") is None


def test_lists_pairs_and_defaults(tmp_path: Path) -> None:
    path = tmp_path / "steering_03.parquet"
    write_table(path, TABLES["steering"], empty(TABLES["steering"]), notes={
        "layer": 3, "along": "day", "order": ["D0", "D 6"], "root": None, "features": 10, "alphas": [0.0, 1.5], "seed": 0,
    })
    assert result_command(path, "causal/steering_03.parquet") == {
        "command": "cellprism steer RUN --layer 3 --along day --order 'D0,D 6' --alphas 0,1.5", "seed": 0,
    }
    path = tmp_path / "responses_03.parquet"
    write_table(path, TABLES["responses"], empty(TABLES["responses"]), notes={
        "screen": "/here/a.h5ad", "layer": 3, "target": "gene", "control": "NT", "guide": "guide",
        "where": [["line", "K562"], ["batch", "1"]], "networks": ["/here/tf.csv", "trrust"], "seed": 4,
    })
    assert result_command(path, "regulation/responses_03.parquet") == {
        "command": "cellprism perturb RUN a.h5ad --layer 3 --target gene --control NT --guide guide "
        "--where line=K562 --where batch=1 --network tf.csv --network trrust --seed 4",
        "seed": 4,
    }
