"""What pushing features does to cells: readouts, effects beside their controls, and genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellprism.atlas.packing import number, pack_json, whole
from cellprism.atlas.results import (
    DIGITS,
    called,
    has_result,
    records,
    result,
    result_layers,
    result_notes,
    rounded_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.reader import RunReader

FOLDER = "causal"
ARMS = ("on", "off", "matched")
DIRECTIONS = ("atom", "random")
EFFECT = ("effect", "low", "high", "positive", "p", "q")
SWITCH = ("share_cells", "early", "late", "g", "p", "q")
GENES_OF = 8
"""Features of a file of genes."""


def steering_files(reader: RunReader, dictionary: Dictionaries) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every file under ``steer/``; see ``docs/atlas-format.md``."""
    index = []
    layers, outdated = result_layers(reader, FOLDER, "steering")
    for layer in layers:
        table = result(reader, FOLDER, "steering", layer)
        readouts = result(reader, FOLDER, "steering_readouts", layer)
        switches = result(reader, FOLDER, "switches", layer)
        features = _features(table, switches)
        alphas = sorted(table["alpha"].unique().tolist())
        names = [name for name in readouts["readout"] if (table["readout"] == name).any()]
        name_of = called(reader, layer, dictionary)
        listed = [[*row, *name_of(row[0]), switch] for row, switch in features]
        yield f"steer/L{layer:02d}/features.jz", pack_json(listed)
        for i, name in enumerate(names):
            content = _doses(table[table["readout"] == name], [row[0] for row in listed], alphas)
            yield f"steer/L{layer:02d}/{i}.jz", pack_json(content)
        genes = _genes(result(reader, FOLDER, "steering_genes", layer), alphas)
        for i in range(0, len(listed), GENES_OF):
            own = {str(row[0]): genes.get(row[0], []) for row in listed[i : i + GENES_OF]}
            yield f"steer/L{layer:02d}/genes/{i // GENES_OF}.jz", pack_json(own)
        index.append({
            "layer": layer, "alphas": alphas, "algebraic": bool(table["algebraic"].all()),
            "readouts": records(readouts.set_index("readout").loc[names].reset_index()),
            "arms": records(result(reader, FOLDER, "steering_arms", layer)),
            "n_tested": len(switches),
            "counts": {arm: sum(row[1] == arm for row in listed) for arm in ARMS},
            "n_missing": int((switches["arm"] == "missing").sum()),
            "notes": result_notes(reader, FOLDER, "steering", layer),
        })
    yield "steer/index.jz", pack_json({"layers": index, "outdated": outdated})


def steered(reader: RunReader, layer: int) -> dict[int, list[Any]]:
    """Feature to ``[arm, alpha, [[readout, effect, low, high, q, span], ...]]`` at the largest alpha; for its page."""
    if not has_result(reader, FOLDER, "steering", layer):
        return {}
    table = result(reader, FOLDER, "steering", layer)
    readouts = result(reader, FOLDER, "steering_readouts", layer)
    spans = dict(zip(readouts["readout"], readouts["span"], strict=True))
    alpha = table["alpha"].max()
    table = table[(table["direction"] == "atom") & (table["alpha"] == alpha)].drop_duplicates(["feature", "readout"])
    found: dict[int, list[Any]] = {}
    for row in table.to_dict("records"):
        own = found.setdefault(row["feature"], [row["arm"], number(alpha), []])
        values = [number(row[name]) for name in ("effect", "low", "high", "q")]
        own[2].append([row["readout"], *values, number(spans.get(row["readout"]))])
    return found


def _features(table: pd.DataFrame, switches: pd.DataFrame) -> list[tuple[list[Any], list[float | None] | None]]:
    """``[feature, arm, partner]`` and how it switches: those that switch most first, controls as their partners.

    A feature that is the control of several is listed for each.
    """
    rows = table[["feature", "arm", "partner"]].drop_duplicates()
    partners = [whole(partner) for partner in rows["partner"].astype(float).tolist()]
    places = list(zip(rows["feature"].tolist(), rows["arm"], partners, strict=True))
    arm_of = {feature: arm for feature, arm, _ in places if arm != "matched"}
    strength = dict(zip(switches["feature"].tolist(), switches["g"].abs().tolist(), strict=True))

    def order(place: tuple[int, str, int | None]) -> tuple[bool, int, float, int]:
        feature, arm, partner = place
        own = feature if partner is None else partner
        return arm == "matched", ARMS.index(arm_of.get(own, "matched")), -strength.get(own, 0.0), feature

    values = dict(zip(switches["feature"].tolist(), rounded_rows(switches, SWITCH), strict=True))
    return [([*place], values.get(place[0])) for place in sorted(places, key=order)]


def _doses(table: pd.DataFrame, features: list[int], alphas: list[float]) -> dict[str, Any]:
    """For each direction, feature by feature and alpha by alpha, ``[*EFFECT]`` or None; and the cells."""
    place = {alpha: i for i, alpha in enumerate(alphas)}
    cells = dict(zip(table["feature"].tolist(), table["n_cells"].tolist(), strict=True))
    content: dict[str, Any] = {"n_cells": [cells.get(feature) for feature in features]}
    for direction in DIRECTIONS:
        part = table[table["direction"] == direction]
        found: dict[int, list[Any]] = {}
        keys = zip(part["feature"].tolist(), part["alpha"].tolist(), rounded_rows(part, EFFECT), strict=True)
        for feature, alpha, values in keys:
            found.setdefault(feature, [None] * len(alphas))[place[alpha]] = values
        content[direction] = [found.get(feature, [None] * len(alphas)) for feature in features]
    return content


def _genes(table: pd.DataFrame, alphas: list[float]) -> dict[int, list[Any]]:
    """Feature to ``[number of alpha, [[gene, change] that rise], [... that fall]]``, largest change first."""
    found: dict[int, list[Any]] = {}
    place = {alpha: i for i, alpha in enumerate(alphas)}
    table = table.sort_values(["feature", "alpha", "rank"])
    columns = (table[name].tolist() for name in ("feature", "alpha", "gene", "change"))
    for feature, alpha, gene, change in zip(*columns, strict=True):
        own = found.setdefault(feature, [])
        if not own or own[-1][0] != place[alpha]:
            own.append([place[alpha], [], []])
        own[-1][1 if change > 0 else 2].append([gene, number(change, DIGITS)])
    return found
