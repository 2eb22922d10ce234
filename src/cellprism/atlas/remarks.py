"""Labels and notes that readers wrote in their browser, merged into a run so that others see them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cellprism.atlas.optional import optional
from cellprism.errors import UserError
from cellprism.reader import open_run
from cellprism.runs.schemas import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Remark(BaseModel):
    """A reader's own label of a feature, or a note on it, or both."""

    model_config = ConfigDict(extra="forbid")

    layer: int = Field(ge=0)
    feature: int = Field(ge=0)
    label: str = Field("", max_length=200)
    note: str = Field("", max_length=10_000)
    author: str = Field("", max_length=200)
    written: str = Field(max_length=40, description="when, as ISO 8601")


class RemarkFile(BaseModel):
    """What the pages of an atlas save."""

    kind: Literal["cellprism remarks"]
    version: Literal[1]
    run: str
    title: str
    remarks: list[Remark]


def merge_remarks(run: Path, files: Sequence[Path]) -> int:
    """Add the remarks of ``files`` to the table ``remarks`` of a run.

    One that the run has already is not added again. Of two by the same author on the same feature the later stays.

    Parameters
    ----------
    run
        A run directory.
    files
        JSON files that the pages of an atlas saved.

    Returns
    -------
    int
        Remarks that the run has now.

    Raises
    ------
    UserError
        A file is not one of remarks, or names a feature that the run does not have.
    """
    reader = open_run(run)
    sizes = {layer: len(reader.run.read("features", layer)) for layer in reader.layers}
    rows: list[dict[Any, Any]] = optional(reader, "remarks").to_dict("records")
    for path in files:
        rows += [remark.model_dump() for remark in _read(path, sizes)]
    table = pd.DataFrame(rows, columns=list(TABLES["remarks"].columns))
    table = table.sort_values("written", kind="stable").drop_duplicates(["layer", "feature", "author"], keep="last")
    table = table.sort_values(["layer", "feature", "author"], ignore_index=True)
    reader.run.write("remarks", table)
    return len(table)


def _read(path: Path, sizes: dict[int, int]) -> list[Remark]:
    try:
        content = RemarkFile.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        msg = f"no file {path}: give a JSON file that the page of an atlas saved."
        raise UserError(msg) from None
    except (ValidationError, ValueError):
        msg = f"{path} does not hold remarks: give a JSON file that the page of an atlas saved."
        raise UserError(msg) from None
    for remark in content.remarks:
        if not remark.feature < sizes.get(remark.layer, 0):
            msg = (
                f"{path} has a remark on feature {remark.feature} of layer {remark.layer}, which this run does not "
                f"have: it was written for the run {content.title!r}."
            )
            raise UserError(msg)
    return content.remarks
