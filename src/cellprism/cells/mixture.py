"""Cells of several cell lines taken for one: the accident that a filter which nobody set would have stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellprism.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

_LINES = {"cellline", "celllines", "celllinename", "celllineid"}


def refuse_mixture(obs: pd.DataFrame, source: str, *, named: Collection[str]) -> None:
    """Refuse cells of several lines, unless the column that tells them apart is one of ``named``.

    Parameters
    ----------
    obs
        Columns that describe the cells.
    source
        Where the cells came from, for the message.
    named
        Columns that the configuration chooses by or relates features to.

    Raises
    ------
    UserError
        A column that holds cell lines, by its name, has several values.
    """
    for column in obs.columns:
        if "".join(filter(str.isalpha, str(column).lower())) not in _LINES or column in named:
            continue
        lines = sorted(obs[column].dropna().astype(str).unique())
        if len(lines) > 1:
            shown = ", ".join(lines[:5]) + (", ..." if len(lines) > 5 else "")
            msg = (
                f"{source} mixes {len(lines)} cell lines ({shown}): choose by `cells.where: {{{column}: {lines[0]}}}`, "
                f"or name {column} in `cells.labels` if they belong together."
            )
            raise UserError(msg)
