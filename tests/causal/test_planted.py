"""Every way to see effects, on a transformer whose wiring is known; see `tests.causal.planted`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.causal import planted
from tests.causal.planted import (
    BOTH,
    CALLER,
    COPY,
    DISTRACTOR,
    ECHO,
    EITHER,
    EVERYWHERE,
    FICKLE,
    HELPER,
    LEFT,
    OPPOSER,
    RIGHT,
    SECOND,
    SUM,
    SUPPORTER,
    TARGET,
)

from cellprism.causal.attribution import estimated_effects
from cellprism.causal.changes import changed_effects, changing_blocks
from cellprism.causal.combinations import joint_effects
from cellprism.causal.effects import cell_effects, clean_state
from cellprism.causal.engine import TOLERATED
from cellprism.causal.interactions import Combination, additivity, combine, interaction_table, published_ratio
from cellprism.causal.intervention import scale_features
from cellprism.causal.requests import TraceRequest
from cellprism.causal.tracing import trace
from cellprism.models import differences
from cellprism.models.low_rank import FORMATS
from cellprism.models.stages import run_model, run_tokens
from cellprism.runs.schemas import TABLES, read_table

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.causal.combinations import Part
    from cellprism.causal.effects import CleanState
    from cellprism.models.base import CellModel
    from cellprism.runs.directory import Run

CELLS = 150
"""Rounding reaches every target; over so many cells its signs cannot all be the same."""
SAES = dict.fromkeys(range(planted.LAYERS), planted.dictionary())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return planted.planted_run(tmp_path_factory.mktemp("planted"), CELLS)


@pytest.fixture(scope="module")
def model(run: Run) -> CellModel:
    return run_model(run)


def found(folder: Path, *, above: float = 0.0) -> dict[tuple[int, int], dict[tuple[int, int], int]]:
    """Signs of the edges of a trace with an effect larger than ``above``, as `planted.EDGES` has them."""
    edges = read_table(folder / "edges.parquet", TABLES["edges"])
    edges = edges[edges["effect"].abs() > above]
    layer = json.loads((folder / "trace.json").read_text())["source"]
    return {
        (layer, int(target)): dict(zip(zip(rows["source"], rows["target"], strict=True), rows["sign"], strict=True))
        for target, rows in edges.groupby("target_layer")
    }


def expected(layer: int) -> dict[tuple[int, int], dict[tuple[int, int], int]]:
    return {layers: edges for layers, edges in planted.EDGES.items() if layers[0] == layer}


def state_of(run: Run, model: CellModel, cell: int) -> CleanState:
    return clean_state(model, SAES, run_tokens(run), cell, source=0, targets=[1, 2])


def effects_of(model: CellModel, state: CleanState, *, low_rank: str | None = None) -> dict[int, torch.Tensor]:
    edits = scale_features(SAES[0], state.source, state.places, torch.tensor(planted.SOURCES))
    if low_rank is None:
        return cell_effects(model, SAES, state, edits, token_budget=60)
    return changed_effects(changing_blocks(model, 0, 2, low_rank), SAES, state, edits, token_budget=60)


def test_the_weights_do_what_the_wiring_says(run: Run, model: CellModel) -> None:
    of, tokens = planted.genes(np.random.default_rng(0)), run_tokens(run)
    gene = tokens.genes["token"].to_numpy() - 2
    for cell in (0, 1):
        batch = model.pad(tokens, np.array([cell]))
        own = gene[tokens.gene[tokens.offsets[cell] : tokens.offsets[cell + 1]]]
        for (_, h), values in zip(model.residuals(batch), planted.by_hand(of, own), strict=True):
            np.testing.assert_allclose(h[0].numpy() @ planted.AXES[: planted.N_FEATURES].T, values, atol=2e-5)


def test_the_distractor_goes_with_the_target_more_than_causes_do(run: Run, model: CellModel) -> None:
    """At the positions of the cells; it takes more than correlation to tell it from the supporter."""
    batch = model.pad(run_tokens(run), np.arange(CELLS))
    residual = {layer: h.flatten(0, 1).numpy() for layer, h in model.residuals(batch)}
    fires = np.maximum(residual[0] @ planted.AXES[list(planted.SOURCES)].T, 0)
    with_target = np.corrcoef(fires.T, residual[1] @ planted.AXES[TARGET])[-1]
    assert with_target[DISTRACTOR] > with_target[HELPER] > 0.3


@pytest.mark.parametrize("layer", [0, 1])
def test_a_trace_of_everything_finds_the_wiring_with_its_signs_and_nothing_else(run: Run, layer: int) -> None:
    """In a position, through attention, over two blocks; neither what goes along nor what cells draw is an edge."""
    folder = trace(run, TraceRequest(source=layer), name=f"plain{layer}")
    assert found(folder) == expected(layer)
    sources = read_table(folder / "sources.parquet", TABLES["sources"])
    assert sources["live"].sum() > 2 * sources["edges"].sum()


def test_a_trace_by_changes_of_low_rank_finds_the_same(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differences, "changes_format", lambda *_: "bfloat16")
    folder = trace(run, TraceRequest(source=0), name="low-rank")
    described = json.loads((folder / "trace.json").read_text())
    assert described["dtype"] == "float32, low rank in bfloat16 elsewhere"
    assert described["off_by"] < TOLERATED
    assert found(folder) == expected(0)


def test_a_trace_by_gradients_misses_what_attention_alone_carries(run: Run) -> None:
    """Edges by rounding come on top: the error of a gradient is the same in every cell."""
    folder = trace(run, TraceRequest(source=0, method="attribution", cells=30), name="attribution")
    carried = {(CALLER, EVERYWHERE), (CALLER, ECHO)}
    assert found(folder, above=1e-7) == {
        layers: {pair: sign for pair, sign in edges.items() if pair not in carried}
        for layers, edges in expected(0).items()
    }
    agreement = read_table(folder / "agreement.parquet", TABLES["agreement"]).set_index("target_layer")
    for layer in (1, 2):
        again = agreement["recall"][layer] * agreement["edges"][layer]
        assert round(again) == len(planted.EDGES[0, layer].keys() - carried) < agreement["edges"][layer]


def test_a_layer_norm_that_acts_gives_edges_of_its_own_which_are_small(tmp_path: Path) -> None:
    """Whatever is taken away makes the rest a little larger. That is causal, and the same in every cell: edges."""
    folder = trace(planted.planted_run(tmp_path, 40, level=100.0), TraceRequest(source=0))
    edges = read_table(folder / "edges.parquet", TABLES["edges"])
    wired = np.array([
        planted.EDGES[0, edge.target_layer].get((edge.source, edge.target)) == edge.sign for edge in edges.itertuples()
    ])
    assert wired.sum() == sum(map(len, expected(0).values()))
    size = edges["effect"].abs().to_numpy()
    assert (~wired).sum() > 50
    assert size[~wired].max() < 0.1 * size[wired].min()


def test_effects_are_those_of_the_wiring(run: Run, model: CellModel) -> None:
    for cell in range(4):
        first, second = effects_of(model, state_of(run, model, cell)).values()
        mood = -1 if cell % 2 else 1
        for source, target, share in (
            (SUPPORTER, TARGET, 0.6), (HELPER, TARGET, 0.5), (OPPOSER, TARGET, -0.6), (LEFT, COPY, 1),
            (SUPPORTER, FICKLE, mood),
        ):
            np.testing.assert_allclose(first[source, target], share * first[source, source], rtol=1e-4)
            np.testing.assert_allclose(second[source, target], first[source, target], rtol=1e-4)
        np.testing.assert_allclose(second[:3, SECOND], -0.5 * first[:3, TARGET], rtol=1e-4)
        np.testing.assert_allclose(second[[LEFT, RIGHT], SUM], [second[f, f] for f in (LEFT, RIGHT)], rtol=1e-4)
        assert first[CALLER, EVERYWHERE] < -1
        np.testing.assert_allclose(second[CALLER, ECHO], first[CALLER, EVERYWHERE], rtol=1e-4)
        others = [feature for feature in range(planted.N_FEATURES) if feature != DISTRACTOR]
        assert torch.cat([first[DISTRACTOR, others], second[DISTRACTOR, others]]).abs().max() < 1e-5


@pytest.mark.parametrize("number_format", FORMATS)
def test_changes_of_low_rank_give_the_effects_of_two_passes(run: Run, model: CellModel, number_format: str) -> None:
    for cell in range(4):
        state = state_of(run, model, cell)
        exact, changed = effects_of(model, state), effects_of(model, state, low_rank=number_format)
        for layer in (1, 2):
            np.testing.assert_allclose(changed[layer], exact[layer], rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("steps", [0, 5])
def test_gradients_estimate_what_is_linear_within_a_position(run: Run, model: CellModel, steps: int) -> None:
    """Exactly there; of the gate of two their sign is right; what comes through attention they count in part."""
    for cell in range(4):
        state = state_of(run, model, cell)
        exact = effects_of(model, state)
        estimate = estimated_effects(
            model, SAES, state, np.array(planted.SOURCES), alpha=0.0, steps=steps, wanted=None,
            rng=np.random.default_rng(cell),
        )
        for layer, x in exact.items():
            linear = [target for target in range(planted.N_FEATURES) if target not in (EVERYWHERE, ECHO, BOTH, EITHER)]
            np.testing.assert_allclose(estimate[layer][:, linear], x[:, linear], atol=1e-4)
        for x in (estimate[2], exact[2]):
            assert (x[[LEFT, RIGHT]][:, [BOTH, EITHER]] <= 0).all()
            assert (x[[LEFT, RIGHT], BOTH] < 0).all()


def measured(run: Run, model: CellModel, combo: tuple[Part, ...], n_cells: int = 40) -> Combination:
    tokens, effect, published = run_tokens(run), [], []
    for cell in range(n_cells):
        [effects] = joint_effects(model, tokens, cell, [combo], SAES, target=2, rows_at_once=8)
        assert effects is not None
        effect.append(effects.effect)
        published.append(effects.published)
    return combine(np.arange(n_cells), np.stack(effect), np.stack(published))


@pytest.mark.parametrize("layers", [(0, 0), (0, 1), (1, 1)])
def test_gates_are_recovered_with_their_signs_and_sums_are_not_gates(
    run: Run, model: CellModel, layers: tuple[int, int],
) -> None:
    """``relu(a + b - 1)`` falls by itself three times over, alone and together: it interacts by its own size."""
    pair = measured(run, model, ((layers[0], LEFT), (layers[1], RIGHT)))
    table = interaction_table([pair], seed=0).set_index("target")
    assert table.loc[[BOTH, EITHER], "q"].max() < 1e-4
    np.testing.assert_allclose(table.loc[BOTH, "contrast"], -table.loc[BOTH, "together"], rtol=1e-4)
    np.testing.assert_allclose(table.loc[BOTH, "relative"], 0.5, rtol=1e-4)
    np.testing.assert_allclose(table.loc[EITHER, "contrast"], -table.loc[BOTH, "contrast"], rtol=1e-4)
    assert 0.01 < table.loc[BOTH, "low"] < table.loc[BOTH, "contrast"] < table.loc[BOTH, "high"]
    assert table.loc[EITHER, "high"] < -0.01
    assert table.loc[SUM, "alone"] < -0.5
    assert (table.drop([BOTH, EITHER])["n_nonzero"] == 0).all()
    assert (table.drop([BOTH, EITHER])["p"] == 1).all()


def test_what_adds_is_called_additive_and_the_published_ratio_calls_it_redundant(run: Run, model: CellModel) -> None:
    pair = measured(run, model, ((0, SUPPORTER), (0, HELPER)))
    assert set(pair.targets) == {SUPPORTER, HELPER, TARGET, SECOND, FICKLE}
    table = interaction_table([pair], seed=0)
    assert table["q"].min() == 1
    np.testing.assert_allclose(table["together"], table["alone"], rtol=1e-4)
    ratio, low, high = additivity(pair, np.random.default_rng(0))
    np.testing.assert_allclose([ratio, low, high], 1, rtol=1e-4)
    redundant, n = published_ratio(pair)
    assert n == len(pair.targets) - 1
    assert redundant < 0.8  # which they call redundant


def test_a_later_part_is_encoded_as_the_earlier_ablation_left_it(run: Run, model: CellModel) -> None:
    """The copy in layer 1 is gone once its source was ablated in layer 0: ablating it as well changes nothing more."""
    pair = measured(run, model, ((0, LEFT), (1, COPY)), 20)
    first, second, both = pair.effect.mean(axis=0)[:, pair.targets.tolist().index(COPY)]
    assert first < -0.5
    np.testing.assert_allclose([second, both], [first, first], rtol=1e-4)
    table = interaction_table([pair], seed=0).set_index("target")
    np.testing.assert_allclose(table.loc[COPY, "contrast"], -first, rtol=1e-4)  # each does the whole of it alone
    pair = measured(run, model, ((0, CALLER), (1, EVERYWHERE)), 20)
    first, second, both = pair.effect.mean(axis=0)[:, pair.targets.tolist().index(ECHO)]  # attention reads below 0, too
    assert second < first < -1
    np.testing.assert_allclose(both, second, rtol=1e-4)
