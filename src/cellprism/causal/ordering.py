"""An order of the cells of a run: along a label, or by pseudotime from a group of cells; and who is early and late."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from cellprism.causal.pseudotime import diffusion_pseudotime
from cellprism.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellprism.runs.directory import Run

NOWHERE, EARLY, MIDDLE, LATE = -1, 0, 1, 2
NAMED = 5
"""Cells or values that a sentence names, at most."""


@dataclass(frozen=True)
class Ordering:
    """Where each cell of a run is in an order.

    Attributes
    ----------
    name
        What the order is, in words.
    place
        Share of the ordered cells that come before, ties their mean, between 0 and 1; NaN for cells without a place.
        Shape ``(cells,)``.
    group
        EARLY, MIDDLE or LATE, NOWHERE for cells without a place; shape ``(cells,)``.
    notes
        What was left out, a sentence each.
    """

    name: str
    place: np.ndarray
    group: np.ndarray
    notes: tuple[str, ...] = field(default=())


def order_cells(
    run: Run, *, along: str | None = None, order: Sequence[str] = (), root: tuple[str, str] | None = None,
) -> Ordering:
    """Order the cells of a run along a label, or by diffusion pseudotime.

    Parameters
    ----------
    along
        A label of the run's cells: of numbers, or of categories that ``order`` lists.
    order
        Categories from early to late; cells of others are left out.
    root
        In place of ``along`` a label and one of its values: pseudotime starts at the medoid of these cells.

    Raises
    ------
    UserError
        There is no such label or value, values are no numbers, or all cells are at one place.
    """
    if (along is None) == (root is None) or (order and along is None):
        msg = "say how to order cells: `--along LABEL`, with `--order A,B,C` for categories, or `--root LABEL=VALUE`."
        raise UserError(msg)
    if root is not None:
        return _from_root(run, *root)
    assert along is not None
    values = _labels(run, along)
    return _by_category(run, along, values, order) if order else _by_number(run, along, values)


def ordering(name: str, value: np.ndarray, notes: Sequence[str] = ()) -> Ordering:
    """The ordering by ``value (cells,)``, NaN for cells without a place.

    Early cells are those of the lowest values that together are at most a third of the ordered cells, or of the lowest
    value alone if that is more; late cells likewise from above. Cells of one value are never parted.

    Raises
    ------
    UserError
        All ordered cells have one value.
    """
    there = np.isfinite(value)
    own, count = np.unique(value[there], return_counts=True)
    if len(own) < 2:
        what = f"all {there.sum()} cells have the same place" if len(own) else "no cell has a place"
        msg = f"{what} along {name}: order the cells by something that differs between them."
        raise UserError(msg)
    third = count.sum() / 3 + 1e-9
    first = max(1, int(np.searchsorted(np.cumsum(count), third, side="right")))
    last = max(1, int(np.searchsorted(np.cumsum(count[::-1]), third, side="right")))
    place, group = np.full(len(value), np.nan), np.full(len(value), NOWHERE)
    place[there] = (rankdata(value[there]) - 0.5) / there.sum()
    step = np.searchsorted(own, value[there])
    group[there] = np.where(step < first, EARLY, np.where(step >= len(own) - last, LATE, MIDDLE))
    return Ordering(name, place, group, tuple(notes))


def _labels(run: Run, key: str) -> pd.Series:
    """Value of a label in every cell, missing where a cell has none."""
    table = run.read("cell_labels")
    known = sorted(table["key"].unique())
    if key not in known:
        there = f"it has {', '.join(known)}" if known else "it has none"
        msg = f"{run.path} has no label {key!r} of its cells ({there}): name a column of obs in `cells.labels` and run."
        raise UserError(msg)
    own = table[table["key"] == key]
    return own.set_index("cell")["value"].reindex(range(len(run.read("cells"))))


def _by_category(run: Run, key: str, values: pd.Series, order: Sequence[str]) -> Ordering:
    present = sorted(values.dropna().unique())
    unknown = [name for name in order if name not in present]
    if unknown:
        msg = f"no cell of {run.path} has {key} {unknown[0]!r}: order some of {', '.join(present)}."
        raise UserError(msg)
    if len(set(order)) < len(order):
        msg = f"`--order {','.join(order)}` names a value twice: name each once, from early to late."
        raise UserError(msg)
    step = values.map({name: float(i) for i, name in enumerate(order)}).to_numpy(np.float64)
    return ordering(f"{key} ({', '.join(order)})", step, _left_out(run, step, f"no {key} of the order"))


def _by_number(run: Run, key: str, values: pd.Series) -> Ordering:
    number = pd.to_numeric(values, errors="coerce").to_numpy(np.float64)
    words = values[values.notna() & np.isnan(number)]
    words = words[words.str.lower() != "nan"]
    if len(words):
        msg = f"{key} of {run.path} holds {words.iloc[0]!r}, which is no number: list its values with `--order A,B,C`."
        raise UserError(msg)
    number[~np.isfinite(number)] = np.nan
    return ordering(key, number, _left_out(run, number, f"no finite {key}"))


def _from_root(run: Run, key: str, value: str) -> Ordering:
    values = _labels(run, key)
    inside = (values == value).to_numpy(bool)
    if not inside.any():
        msg = f"no cell of {run.path} has {key} {value!r}: choose one of {', '.join(sorted(values.dropna().unique()))}."
        raise UserError(msg)
    time, medoid = diffusion_pseudotime(run, inside)
    start = f"cell {run.read('cells')['name'].iloc[medoid]}, the medoid of {key} {value}"
    time[~np.isfinite(time)] = np.nan
    name = f"diffusion pseudotime from {key} {value}"
    return ordering(name, time, (f"pseudotime starts at {start}", *_left_out(run, time, f"no path to {start}")))


def _left_out(run: Run, place: np.ndarray, why: str) -> tuple[str, ...]:
    out = np.flatnonzero(np.isnan(place))
    if not len(out):
        return ()
    names = run.read("cells")["name"].to_numpy(object)[out[:NAMED]]
    more = ", ..." if len(out) > NAMED else ""
    return (f"{len(out)} of {len(place)} cells have {why} and are left out: {', '.join(map(str, names))}{more}",)
