"""What a published atlas says of features across layers: shares that persist, and a part of the co-firing pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellprism.runs.directory import Run

NO_CHAINS = "the published atlas says how many features go on to the next layer, not which"
NO_HIGHWAYS = "the published atlas has pairs of other layers only"
PART = (
    "The published atlas keeps at most five partners of at most 500 features of a pair of layers, without counts or "
    "tests."
)


def write_persistence(run: Run, tracking: dict[str, Any] | None) -> None:
    """Rates ``goes_on``: features of a layer with an atom of the next at a cosine of at least 0.7."""
    for row in (tracking or {}).get("adjacent_persistence", []):
        _write_rate(run, row["from_layer"], "_tracking", "goes_on", row["persistence_rate"], row["n_alive_from"])


def write_highways(run: Run, layers: Sequence[int], graph: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Table ``highways`` of the layers that the graph has, rates ``highway_to:TO``, and absences of the others."""
    pairs = {tuple(int(part[1:]) for part in name.split("_")): content for name, content in (graph or {}).items()}
    for layer in {first for first, _ in pairs}:
        rows = [
            (source["a"], to, link["b"], link["pmi"])
            for (first, to), content in pairs.items() if first == layer
            for source in content["deps"] for link in source["deps"]
        ]
        frame = pd.DataFrame(rows, columns=["feature", "partner_layer", "partner", "pmi"])
        run.write("highways", frame.assign(count=None, p=np.nan, q=np.nan), layer)
        for (first, to), content in pairs.items():
            found = content["summary"]
            if first == layer:
                share = found["n_highways"] / found["n_alive_a"]
                _write_rate(run, layer, f"_highways_{to:02d}", f"highway_to:{to}", share, found["n_alive_a"])
    without = [layer for layer in layers if layer not in {first for first, _ in pairs}]
    return [{"table": "highways", "layers": without, "reason": NO_HIGHWAYS}] if without else []


def _write_rate(run: Run, layer: int, suffix: str, name: str, value: float, n: int) -> None:
    run.write("rates", pd.DataFrame({
        "rate": [name], "value": value, "n": n, "unit": "feature", "null_mean": np.nan, "null_q95": np.nan,
        "n_permutations": None, "null": "none was published", "protocol": "published",
    }), layer, suffix=suffix)
