"""A screen: perturbed cells and their control, chosen, checked and tokenised by the model of a run."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from cellprism.cells.expression import read_expression
from cellprism.cells.mixture import refuse_mixture
from cellprism.errors import UserError
from cellprism.models.sources import choose_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cellprism.cells.expression import Expression
    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.base import CellModel
    from cellprism.runs.config import CellsConfig

GUIDE_CELLS = 3
"""A guide with fewer cells is left out."""
GUIDES = 2
"""A perturbation with fewer such guides is left out: one guide cannot be told from what it does off its target."""
UNIT_CELLS = 10
"""A perturbation with fewer cells is left out where cells are the replicates."""
WORDS = {
    "`cells.layer`": "`--counts`", "`cells.where: {(.*): (.*)}`": r'`--where "\1=\2"`',
    "`cells.where`": "`--where`", "name (.*) in `cells.labels`": r"give `--batch \1`", "`cells.min_share_mapped`":
    "`cells.min_share_mapped` of the run",
}
CONTROLS = 4
"""Control cells for each perturbed cell of one perturbation."""


@dataclass(frozen=True)
class PerturbRequest:
    """What is asked for.

    Attributes
    ----------
    screen
        An ``.h5ad`` of raw counts.
    layer
        Layer of the run.
    target, control
        Column of obs that names the perturbed gene, and its value in control cells.
    guide, batch
        Columns that name the guide and the batch, if there are any.
    where
        Columns and the value that cells must have.
    counts
        AnnData layer that holds the counts, or ``raw``; default: X.
    cells
        Cells of each perturbation, at most; four times as many of the control.
    networks
        Files or names of factors and their targets, beside those among the gene sets of the run.
    """

    screen: str
    layer: int
    target: str
    control: str
    guide: str | None = None
    batch: str | None = None
    where: tuple[tuple[str, str], ...] = ()
    counts: str | None = None
    cells: int = 200
    networks: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Screen:
    """Cells that are compared.

    Attributes
    ----------
    expression, tokens
        Counts of the cells, and what the model reads of them.
    arms
        Names of the arms, the control first.
    arm, batch
        Arm and batch of each cell, whole numbers from 0.
    guide
        Guide of each cell, numbered over all arms; None if the screen names none.
    left_out
        Perturbation that cannot be tested -> its cells.
    notes
        What was done to the cells, one sentence each.
    """

    expression: Expression
    tokens: TokenizedCells
    arms: tuple[str, ...]
    arm: np.ndarray
    batch: np.ndarray
    guide: np.ndarray | None
    left_out: dict[str, int]
    notes: tuple[str, ...]

    def of(self, number: int) -> np.ndarray:
        """The cells of an arm and of the control, ascending."""
        return np.flatnonzero((self.arm == number) | (self.arm == 0))

    def own_gene(self, number: int) -> int:
        """The gene of ``tokens.genes`` that an arm perturbs; -1 if the model does not read it."""
        symbols = self.tokens.genes["symbol"].str.upper().to_numpy()
        names = self.tokens.genes["id"].str.upper().to_numpy()
        found = np.flatnonzero((symbols == self.arms[number].upper()) | (names == self.arms[number].upper()))
        return int(found[0]) if len(found) else -1


def read_screen(request: PerturbRequest, model: CellModel, config: CellsConfig) -> Screen:
    """Read a screen, draw its cells and tokenise them.

    Of every perturbation at most ``request.cells`` cells are drawn, as evenly over its guides and batches as these
    allow.

    Parameters
    ----------
    config
        How the run reads cells: the fewest tokens of a cell, and the smallest share of entries that map.

    Raises
    ------
    UserError
        A column or the control is not there, the file holds no raw counts of genes that the model knows, it mixes cell
        lines, or no perturbation has cells and guides enough.
    """
    if not Path(request.screen).is_file():
        msg = f"no file {request.screen}: give the path of an .h5ad file as SCREEN."
        raise UserError(msg)
    with _in_words_of_the_command():
        cells = read_expression(request.screen, layer=request.counts)
        cells = cast("Expression", choose_cells(cells, dict(request.where)))
        columns = {c for c in (request.target, request.guide, request.batch) if c}
        labels = _labels(cells, request)
        refuse_mixture(cells.obs, cells.source, named=columns | {name for name, _ in request.where})
        rows = _draw(labels, request)
        tokens = model.tokenize(cells.take(rows), min_share_mapped=config.min_share_mapped)
    enough = tokens.lengths >= config.min_tokens
    labels = labels.loc[rows][enough].reset_index(drop=True)
    kept, left_out = _testable(labels, request)
    notes = [*cells.notes]
    if not enough.all():
        notes.append(f"{int((~enough).sum())} cells with fewer than {config.min_tokens} genes read are left out.")
    tokens = tokens.keep(enough).keep(kept)
    labels = labels[kept]
    arms = (request.control, *sorted(set(labels["target"]) - {request.control}))
    return Screen(
        cells.take(rows[enough][kept]), tokens, arms,
        labels["target"].map({name: number for number, name in enumerate(arms)}).to_numpy(np.int64),
        pd.factorize(labels["batch"], sort=True)[0],
        pd.factorize(labels["target"] + "\t" + labels["guide"], sort=True)[0] if request.guide else None,
        left_out, tuple(notes),
    )


def _labels(cells: Expression, request: PerturbRequest) -> pd.DataFrame:
    """Columns row, target, guide and batch of the cells that have all of them."""
    columns = {"target": request.target, "guide": request.guide, "batch": request.batch}
    missing = [(option, name) for option, name in columns.items() if name and name not in cells.obs]
    if missing:
        msg = (
            f"{cells.source} has no column {missing[0][1]!r} in obs: choose `--{missing[0][0]}` among "
            f"{', '.join(map(str, cells.obs.columns))}."
        )
        raise UserError(msg)
    labels = pd.DataFrame({
        option: cells.obs[name].astype("string").to_numpy(object) if name else "" for option, name in columns.items()
    }, index=np.arange(len(cells))).assign(row=np.arange(len(cells))).dropna()
    there = labels["target"].value_counts()
    if request.control not in there.index:
        shown = ", ".join(map(str, there.index[:10])) + (", ..." if len(there) > 10 else "")
        msg = f"{cells.source}: no cell has {request.target} {request.control!r} (there are {shown}): give `--control`."
        raise UserError(msg)
    if len(there) == 1:
        msg = f"{cells.source}: all cells have {request.target} {request.control!r}: give perturbed cells too."
        raise UserError(msg)
    return labels


def _draw(labels: pd.DataFrame, request: PerturbRequest) -> np.ndarray:
    """Rows that are drawn, ascending: of each arm one cell of every guide and batch in turn, in random order."""
    rng = np.random.default_rng([request.seed, 21])
    mixed = labels.iloc[rng.permutation(len(labels))]
    turn = mixed.groupby(["target", "guide", "batch"], sort=False).cumcount()
    mixed = mixed.iloc[np.argsort(turn.to_numpy(), kind="stable")]
    place = mixed.groupby("target", sort=False).cumcount()
    most = np.where(mixed["target"] == request.control, CONTROLS * request.cells, request.cells)
    return np.sort(mixed.loc[place.to_numpy() < most, "row"].to_numpy(np.int64))


def _testable(labels: pd.DataFrame, request: PerturbRequest) -> tuple[np.ndarray, dict[str, int]]:
    """Which cells belong to guides and arms with cells enough, and the cells of the arms that have not."""
    cells = labels.groupby("target")["target"].transform("size")
    if request.guide:
        kept = labels.groupby(["target", "guide"])["target"].transform("size") >= GUIDE_CELLS
        guides = labels["guide"].where(kept).groupby(labels["target"]).transform("nunique")
        kept &= guides >= GUIDES
        wanted, mend = f"{GUIDES} guides with {GUIDE_CELLS} cells each", "give a larger screen, or leave out `--guide`"
    else:
        kept = cells >= UNIT_CELLS
        wanted, mend = f"{UNIT_CELLS} cells", "give a larger screen"
    there = set(labels.loc[kept, "target"])
    if request.control not in there:
        msg = f"the control {request.control!r} has not {wanted} that the model can read: {mend}."
        raise UserError(msg)
    left_out = {str(k): int(n) for k, n in labels["target"].value_counts().items() if k not in there}
    if len(there) == 1:
        shown = ", ".join(f"{name} ({n})" for name, n in list(left_out.items())[:5])
        msg = f"no perturbation has {wanted} that the model can read; cells there are: {shown}: {mend}."
        raise UserError(msg)
    return kept.to_numpy(bool), left_out


@contextmanager
def _in_words_of_the_command() -> Iterator[None]:
    """What is wrong with the cells of a run is said in words of its configuration; here they are options."""
    try:
        yield
    except UserError as error:
        text = str(error)
        for ours, theirs in WORDS.items():
            text = re.sub(ours, theirs, text)
        raise UserError(text) from None
