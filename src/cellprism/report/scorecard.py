"""Every headline rate of a run on one page, beside its null and its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellprism.runs.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from cellprism.reader import RunReader

KEY = ["layer", "rate", "protocol"]


def write_scorecard(run: RunReader) -> Path:
    """Write `scorecard` of a run as ``report/rates.md`` in its folder; give the file."""
    file = run.path / "report" / "rates.md"
    write_text(file, f"# {run.config.title}: rates\n\n{scorecard(run.rates(), run.controls())}")
    return file


def scorecard(rates: pd.DataFrame, controls: pd.DataFrame) -> str:
    """A Markdown table of rates in per cent; the layers of a rate follow each other.

    Parameters
    ----------
    rates
        Rates of all layers, as `RunReader.rates` gives them.
    controls
        Table ``controls``: the same rates of dictionaries of models that know less.
    """
    names = sorted(controls["control"].unique())
    values, nulls = (
        {(*key, name): share for *key, name, share in controls[[*KEY, "control", column]].itertuples(index=False)}
        for column in ("control_value", "control_null_mean")
    )
    rows = [["rate, %", "layer", "n", "value", "null, mean", "null, 95 %"]]
    for name in names:
        rows[0] += [name.replace("_", " "), "its null"]
    rows.append(["---", *["---:"] * (len(rows[0]) - 1)])
    order = {rate: place for place, rate in enumerate(rates["rate"].drop_duplicates())}
    for row in rates.sort_values("rate", key=lambda names: names.map(order), kind="stable").to_dict("records"):
        key = tuple(row[column] for column in KEY)
        called = row["rate"] if row["protocol"] == "calibrated" else f"{row['rate']} ({row['protocol']})"
        shares = (_percent(row[column]) for column in ("value", "null_mean", "null_q95"))
        cells = [called, str(row["layer"]), f"{row['n']:,}", *shares]
        for name in names:
            cells += [_percent(values.get((*key, name))), _percent(nulls.get((*key, name)))]
        rows.append(cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def _percent(share: float | None) -> str:
    """Two decimals, and never a negative nought; empty for what is not known."""
    return "" if share is None else f"{round(100 * share, 2) + 0.0:.2f}"
