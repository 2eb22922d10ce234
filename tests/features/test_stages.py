from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from cellprism.features.context_stages import HIGHWAYS, VARIANCE
from cellprism.features.geometry_stages import TRACKING, UNLABELLED
from cellprism.features.rank_stage import RANK_ANNOTATE
from cellprism.features.stability_stage import STABILITY
from cellprism.features.stages import ANNOTATE, CATALOG, CELLTYPES, LAYOUT, MODULES, NEIGHBOURS, STRING_DENSITY
from cellprism.runs.files import sha256
from cellprism.runs.progress import Silent

if TYPE_CHECKING:
    from cellprism.runs.directory import Run
    from cellprism.runs.stage import Stage

STAGES = (
    CATALOG, STABILITY, ANNOTATE, RANK_ANNOTATE, STRING_DENSITY, MODULES, CELLTYPES, LAYOUT, NEIGHBOURS, TRACKING,
    UNLABELLED, VARIANCE, HIGHWAYS,
)


def execute(run: Run, stages: tuple[Stage, ...]) -> None:
    for stage in stages:
        for layer in run.layers if stage.per_layer else (None,):
            stage.function(run, layer, Silent())


def files(run: Run, stages: tuple[Stage, ...]) -> dict[str, str]:
    folders = [f"layers/{layer:02d}" for layer in run.layers]
    names = [name.replace("{layer}", folder) for s in stages for name in s.outputs for folder in folders]
    return {name: sha256(run.path / name) for name in names}


def test_the_stages_find_what_was_planted(planted) -> None:
    run = planted.run
    execute(run, STAGES)
    features = run.read("features", 1)
    assert np.array_equal(features["n_fired"], planted.fires.sum(axis=0))
    assert features["dead"].tolist() == [False] * 39 + [True]
    labels = run.read("labels", 1).set_index("feature")["term"]
    for g in range(3):
        assert (labels.loc[10 * g : 10 * g + 9] == f"group {g}").all()
    annotated = run.read("rates", 1, suffix="_annotation").set_index("rate").loc["annotated"]
    assert annotated["value"] > 0.6
    assert annotated["null_q95"] < annotated["value"] / 2
    by_rank = run.read("rank_annotations", 1).groupby("feature").first()
    for g in range(3):
        assert (by_rank.loc[10 * g : 10 * g + 8, "term"] == f"group {g}").all()
    ranked = run.read("rates", 1, suffix="_rank").iloc[0]
    assert ranked["value"] > 0.6
    assert ranked["null_q95"] < ranked["value"] / 2
    density = run.read("string_density", 1).set_index("feature")
    assert (density.loc[:9, "q"] < 0.05).all()
    assert (density.loc[10:, "q"] > 0.05).all()
    linked = run.read("rates", 1, suffix="_string").loc[0]
    assert linked["value"] == pytest.approx(10 / 39)
    assert linked["null_mean"] < 0.1
    members = run.read("members", 1)
    inside = members[members["feature"] < 30]
    assert len(inside) == 30
    assert adjusted_rand_score(inside["feature"] // 10, inside["module"]) > 0.9
    modules = run.read("modules", 1)
    assert set(modules["term"]) == {"group 0", "group 1", "group 2"}
    assert run.read("rates", 1, suffix="_modules").set_index("rate").loc["in_module", "null_mean"] == 0
    types = run.read("celltypes", 1)
    hits = types[(types["q"] < 0.05) & (types["value"] == "A") & (types["auroc"] > 0.5)]
    assert set(range(10)) <= set(hits["feature"])
    assert run.read("rates", 1, suffix="_celltypes").loc[0, "null_mean"] < 0.05
    assert len(run.read("map", 1)) == 39
    assert run.notes("map", 1)["trustworthiness"] > 0.7
    assert set(run.read("highways", 0)["partner_layer"]) <= {1}
    assert run.read("highways", 1).empty
    variance = run.read("variance", 1).set_index("feature")
    assert (variance.loc[:29, "gene"] > 0.05).all()
    assert variance.loc[30:, "gene"].abs().max() < 0.05
    unlabelled = run.read("unlabelled", 1)
    assert set(unlabelled["feature"]).isdisjoint(labels.index)
    assert len(unlabelled) + len(labels) == 39
    neighbours = run.read("neighbours", 0)
    assert set(neighbours["kind"]) == {"atom", "cofiring", "next"}
    assert set(run.read("neighbours", 1)["kind"]) == {"atom", "cofiring", "previous"}


def test_the_same_inputs_give_the_same_bytes(planted) -> None:
    stages = tuple(stage for stage in STAGES if stage is not LAYOUT)
    execute(planted.run, stages)
    first = files(planted.run, stages)
    execute(planted.run, stages)
    assert files(planted.run, stages) == first


def test_every_output_is_declared(planted) -> None:
    before = {path for path in planted.run.path.rglob("*") if path.is_file()}
    execute(planted.run, STAGES)
    made = {str(p.relative_to(planted.run.path)) for p in planted.run.path.rglob("*") if p.is_file()}
    made -= {str(p.relative_to(planted.run.path)) for p in before}
    assert made == set(files(planted.run, STAGES))


def test_a_run_without_labels_has_no_cell_types(planted) -> None:
    run = planted.run
    run.write("cell_labels", run.read("cell_labels").iloc[:0])
    execute(run, (CELLTYPES,))
    assert run.read("celltypes", 0).empty
    assert run.read("rates", 0, suffix="_celltypes").loc[0, "value"] == 0


def test_a_run_without_network_and_with_gene_names(planted, tmp_path) -> None:
    run = planted.run
    names = tmp_path / "hgnc_complete_set.txt"
    header = "hgnc_id\tsymbol\tstatus\talias_symbol\tprev_symbol\tensembl_gene_id\n"
    names.write_text(header + "".join(f"{i}\tN{i}\tApproved\t\tG{i}\t\n" for i in range(119)))
    sets = tmp_path / "planted.gmt"
    sets.write_text(sets.read_text().replace("\tG", "\tN"))
    annotation = run.config.annotation.model_copy(update={"network": None, "gene_names": str(names)})
    run.config = run.config.model_copy(update={"annotation": annotation})
    execute(run, (CATALOG, ANNOTATE, STRING_DENSITY))
    assert set(run.read("labels", 1)["term"]) >= {"group 0", "group 1", "group 2"}
    assert run.notes("labels", 1)["unmapped_genes"] == ["G119"]
    assert run.read("string_density", 1).empty


def test_without_the_rank_test_its_tables_are_empty(planted) -> None:
    run = planted.run
    annotation = run.config.annotation.model_copy(update={"rank_test": False})
    run.config = run.config.model_copy(update={"annotation": annotation})
    execute(run, (CATALOG, RANK_ANNOTATE))
    assert run.read("rank_annotations", 1).empty
    assert run.read("rates", 1, suffix="_rank").empty


def test_layer_stages_need_a_layer(planted) -> None:
    with pytest.raises(ValueError, match="one layer"):
        CATALOG.function(planted.run, None, Silent())


def test_the_published_protocol_is_carried_by_tables_and_rates(planted) -> None:
    run = planted.run
    run.config = run.config.model_copy(update={"protocol": "published"})
    execute(run, (CATALOG, STABILITY, ANNOTATE, MODULES, HIGHWAYS))
    for table in ("top_genes", "annotations", "labels", "cofiring", "modules", "members", "highways"):
        assert run.notes(table, 0)["protocol"] == "published", table
    for suffix in ("_annotation", "_modules", "_highways"):
        assert set(run.read("rates", 0, suffix=suffix)["protocol"]) == {"published"}
    assert run.read("annotations", 0)["overlap"].min() >= 2
    assert run.read("cofiring", 0)["pmi"].min() >= 2
