"""Read, choose and tokenise the cells of every source of a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from cellprism.cells.expression import Expression, read_expression
from cellprism.cells.mixture import refuse_mixture
from cellprism.cells.tokenised import TokenLists, holds_tokens, read_tokenised
from cellprism.errors import UserError
from cellprism.runs.config import SOURCE

if TYPE_CHECKING:
    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.base import CellModel
    from cellprism.runs.config import CellsConfig
    from cellprism.runs.progress import Progress

Cells: TypeAlias = Expression | TokenLists


@dataclass(frozen=True)
class Source:
    """Tokenised cells of one source, with what is known of them.

    Attributes
    ----------
    name
        Name in the pool; empty for a run's only source.
    file
        Where the cells came from.
    tokens
        The cells that have enough tokens.
    names, totals, donors
        Name, total counts and donor (or None) of each of them.
    labels
        One column for each label, missing values where the source does not have it.
    left_out
        Cells that have too few tokens.
    notes
        What was done to the cells on the way in.
    """

    name: str
    file: str
    tokens: TokenizedCells
    names: np.ndarray
    totals: np.ndarray
    donors: np.ndarray
    labels: pd.DataFrame
    left_out: int
    notes: tuple[str, ...]


def read_sources(config: CellsConfig, model: CellModel, seed: int, progress: Progress) -> list[Source]:
    """Read and tokenise every source. Cells of a pool get a label ``source``, and their donors its name before theirs.

    Raises
    ------
    UserError
        Something in a file does not fit the model or the configuration, or no source has a column of ``cells.labels``.
    """
    sources = [_read(name, own, model, seed, progress) for name, own in config.sources.items()]
    for label in config.labels if config.pool else ():
        if all(source.labels[label].isna().all() for source in sources):
            msg = f"no source has a column {label!r} with values in obs: correct `cells.labels`."
            raise UserError(msg)
    return sources


def read_cells(config: CellsConfig) -> Cells:
    """The cells that `cells.path` names: counts, or tokens if they are there already."""
    if holds_tokens(config.path):
        return read_tokenised(config.path)
    return read_expression(config.path, layer=config.layer)


def choose_cells(cells: Cells, where: dict[str, str | tuple[str, ...]]) -> Cells:
    """The cells whose columns of obs have the given values.

    Raises
    ------
    UserError
        A column is not there, or no cell has such a value.
    """
    for column, wanted in where.items():
        values = {wanted} if isinstance(wanted, str) else set(wanted)
        if column not in cells.obs:
            msg = (
                f"{cells.source} has no column {column!r} in obs: choose the columns of `cells.where` among "
                f"{', '.join(cells.obs.columns)}."
            )
            raise UserError(msg)
        found = cells.obs[column].astype("string")
        rows = np.flatnonzero(found.isin(values).to_numpy(bool))
        if not len(rows):
            there = ", ".join(sorted(found.dropna().unique())[:10])
            msg = (
                f"{cells.source}: no cell has {column} {' or '.join(sorted(values))} (there are {there}): correct "
                "`cells.where`."
            )
            raise UserError(msg)
        note = f"{len(rows)} of {len(cells)} cells have {column} {' or '.join(sorted(values))}; others are left out."
        cells = replace(cells.take(rows), notes=(*cells.notes, note))
    return cells


def sampled_cells(config: CellsConfig, seed: int) -> Cells:
    """The cells of a source: read, chosen, and sampled if there are more than ``max_cells``."""
    cells = choose_cells(read_cells(config), config.where)
    n = len(cells)
    if config.max_cells is None or config.max_cells >= n:
        return cells
    rows = np.random.default_rng(seed).choice(n, config.max_cells, replace=False)
    sampled = cells.take(np.sort(rows))
    return replace(sampled, notes=(*cells.notes, f"a random sample of {config.max_cells} of {n} cells is used."))


def _read(name: str, config: CellsConfig, model: CellModel, seed: int, progress: Progress) -> Source:
    cells = sampled_cells(config, seed)
    labels = _labels(cells, config, pooled=bool(name))
    refuse_mixture(cells.obs, cells.source, named={*config.where, *config.labels})
    if isinstance(cells, TokenLists):
        tokens = model.adopt(cells)
    else:
        tokens = model.tokenize(cells, min_share_mapped=config.min_share_mapped)
    enough = tokens.lengths >= config.min_tokens
    if not enough.any():
        msg = (
            f"{cells.source}: no cell has {config.min_tokens} expressed genes that the model knows (the best has "
            f"{tokens.lengths.max()}): check the gene names, or lower `cells.min_tokens`."
        )
        raise UserError(msg)
    short = (
        f"{int((~enough).sum())} of {len(enough)} cells have fewer than {config.min_tokens} expressed genes that the "
        "model knows; they are left out."
    )
    notes = tuple(
        f"{name}: {note}" if name else note for note in (*cells.notes, *([] if enough.all() else [short]))
    )
    for note in notes:
        progress.note(note)
    tokens = tokens.keep(enough)
    rows = tokens.cells["row"].to_numpy()
    donors = cells.obs[config.donor].astype("string") if config.donor else pd.Series(pd.NA, cells.obs.index, "string")
    kept = cells.take(rows)
    return Source(
        name, cells.source, tokens, kept.names, kept.totals,
        _named(f"{name}/" + donors if name else donors)[rows],
        (labels.assign(**{SOURCE: name}) if name else labels).iloc[rows], int((~enough).sum()), notes,
    )


def _labels(cells: Cells, config: CellsConfig, *, pooled: bool) -> pd.DataFrame:
    """The label columns; in a pool, a source may lack some."""
    wanted = [*([] if pooled else config.labels), *([config.donor] if config.donor else [])]
    missing = [name for name in wanted if name not in cells.obs]
    if missing:
        msg = (
            f"{cells.source} has no column {missing[0]!r} in obs: choose `cells.labels` and `cells.donor` among "
            f"{', '.join(cells.obs.columns)}."
        )
        raise UserError(msg)
    return cells.obs.reindex(columns=list(config.labels)).astype("string")


def _named(column: pd.Series) -> np.ndarray:
    """Text or None."""
    return column.astype(object).where(column.notna(), None).to_numpy()
