"""Every rate of a run beside the same rate of dictionaries of models that know less."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pandas as pd

from cellprism.runs.config import Control, HighwaysConfig
from cellprism.runs.directory import Run, create, open_directory
from cellprism.runs.schemas import TABLES, empty

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cellprism.runs.config import Config

FOLDER = "controls"


def control_config(config: Config, control: str) -> Config:
    """The run of a control: everything as in ``config``, but for the model and the folder.

    Static embeddings are the same at all layers, so that one stands for them.
    """
    model = config.model.model_copy(update={"control": control})
    sae = config.sae.model_copy(update={"seeds": 1})
    highways = config.highways
    if control == "static_embedding":
        sae, highways = sae.model_copy(update={"layers": "all"}), HighwaysConfig()
    return config.model_copy(update={
        "title": f"{config.title}: control, {control.replace('_', ' ')}", "out": f"{config.out}/{FOLDER}/{control}",
        "model": model, "sae": sae, "highways": highways, "controls": (),
    })


def create_controls(config: Config) -> dict[str, Run]:
    """The directories of the controls that ``config`` asks for, by name."""
    return {control: create(control_config(config, control)) for control in config.controls}


def begun_controls(run: Run) -> dict[str, Run]:
    """The controls that the directory of a run holds, finished or not, by name."""
    folders = {name: run.file(FOLDER) / name for name in get_args(Control)}
    return {name: open_directory(path) for name, path in folders.items() if (path / "format.json").exists()}


def control_table(run: Run, controls: Mapping[str, Run]) -> pd.DataFrame:
    """Table ``controls``: each rate of each layer with its null, and the same of each control that has the rate.

    A control with one layer is compared with all layers of the run, others layer by layer.
    """
    own = {layer: _rates(run, layer) for layer in run.layers}
    parts = []
    for name, control in controls.items():
        theirs = {layer: _rates(control, layer) for layer in control.layers}
        for layer, rates in own.items():
            other = control.layers[0] if len(control.layers) == 1 else layer
            both = rates.merge(theirs[other], on=["rate", "protocol"], suffixes=("", "_control"), sort=False)
            parts.append(both.assign(layer=layer, control=name, control_layer=other))
    if not parts:
        return empty(TABLES["controls"])
    table = pd.concat(parts, ignore_index=True).rename(columns={
        f"{column}_control": f"control_{column}" for column in ("value", "n", "null_mean", "null_q95")
    })
    return table[list(TABLES["controls"].columns)]


def _rates(run: Run, layer: int) -> pd.DataFrame:
    tables = [run.read("rates", layer, suffix=suffix) for suffix in run.suffixes("rates", layer)]
    return pd.concat([table for table in tables if len(table)], ignore_index=True)
