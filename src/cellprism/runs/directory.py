"""A run: the directory in which one model and one set of cells are taken apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cellprism.errors import UserError
from cellprism.runs.config import Config, dump_config, parse_config
from cellprism.runs.files import write_json, write_text
from cellprism.runs.schemas import TABLES, empty, read_notes, read_table, write_table

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
"""Version of the run directory's layout."""


class Run:
    """Paths, config and tables of a run directory.

    Parameters
    ----------
    path
        The run directory.
    config
        What the run does, as resolved.
    """

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        self.config = config

    def __repr__(self) -> str:
        return f"Run({self.name!r})"

    @property
    def name(self) -> str:
        """Where the run is, for people."""
        return str(self.path)

    def file(self, name: str, layer: int | None = None) -> Path:
        """Path of a file of the run, or of one of its layers."""
        return self.path / name if layer is None else self.layer_folder(layer) / name

    def layer_folder(self, layer: int) -> Path:
        return self.path / "layers" / f"{layer:02d}"

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers that are taken apart, known once the cells were read."""
        return tuple(json.loads(self.file("model.json").read_text())["layers"])

    @property
    def tables_only(self) -> bool:
        """Whether this is a copy of a run's tables for reading, as an atlas holds: nothing in it changes any more."""
        found: dict[str, Any] = json.loads(self.file("format.json").read_text())
        return bool(found.get("tables_only"))

    @property
    def model(self) -> dict[str, Any]:
        """What the run knows of its model: kind, path, n_layers, d_model, layers."""
        facts: dict[str, Any] = json.loads(self.file("model.json").read_text())
        return facts

    @property
    def absences(self) -> list[dict[str, Any]]:
        """What this run was made without, as imported ones are: ``table``, ``layers`` (None: all) and ``reason``."""
        path = self.file("absent.json")
        absent: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        return absent

    def absent(self, name: str, layer: int | None = None) -> str | None:
        """Why the run has no table ``name``; None if it has one or should have."""
        for absence in self.absences:
            if absence["table"] == name and (absence["layers"] is None or layer in absence["layers"]):
                return str(absence["reason"])
        return None

    def read(self, name: str, layer: int | None = None, *, suffix: str = "") -> pd.DataFrame:
        """Read table ``name`` (see `runs.schemas.TABLES`); ``suffix`` tells several files of one layout apart.

        A table that `absent` explains has no rows.
        """
        if self.absent(name, layer) is not None:
            return empty(TABLES[name])
        return read_table(self._table(name, layer, suffix), TABLES[name])

    def notes(self, name: str, layer: int | None = None, *, suffix: str = "") -> dict[str, object]:
        return read_notes(self._table(name, layer, suffix))

    def write(
        self, name: str, frame: pd.DataFrame, layer: int | None = None, *, suffix: str = "",
        notes: dict[str, object] | None = None,
    ) -> None:
        write_table(self._table(name, layer, suffix), TABLES[name], frame, notes=notes)

    def suffixes(self, name: str, layer: int) -> list[str]:
        """The suffixes of the files with the layout ``name`` that a layer has, in alphabetical order."""
        files = self.layer_folder(layer).glob(f"{name}*.parquet")
        found = (path.stem.removeprefix(name) for path in files)
        return sorted(suffix for suffix in found if suffix == "" or suffix.startswith("_"))

    def beginning(self, start: str) -> list[str]:
        """The files of a folder of the run whose paths within it begin with ``start``, such as ``causal/rates_``."""
        folder = self.path / start.rpartition("/")[0]
        found = (path.relative_to(self.path).as_posix() for path in folder.glob("*") if path.is_file())
        return sorted(path for path in found if path.startswith(start))

    def _table(self, name: str, layer: int | None, suffix: str) -> Path:
        return self.file(f"{name}{suffix}.parquet", layer)


def create(config: Config) -> Run:
    """Make the directory ``config.out`` (or take the one that is there) and write the config into it."""
    path = Path(config.out)
    check_target(path)
    write_json(path / "format.json", {"format": FORMAT})
    write_text(path / "run.yaml", dump_config(config))
    return Run(path, config)


def check_target(path: Path) -> None:
    """Raise a `UserError` unless ``path`` is new, empty, or a run that this version can go on with."""
    if path.exists() and not path.is_dir():
        msg = f"{path} is a file: choose another run directory with `--out`."
        raise UserError(msg)
    if (path / "format.json").exists():
        check_format(path)
        return
    others = [p.name for p in path.iterdir() if p.name != ".lock"] if path.is_dir() else []
    if others:
        msg = f"{path} holds other files ({others[0]}, ...): choose an empty or new run directory with `--out`."
        raise UserError(msg)


def open_directory(path: Path) -> Run:
    """Open an existing run.

    Raises
    ------
    UserError
        The directory is not a run, or was written by a newer cellprism.
    """
    path = Path(path)
    if not (path / "format.json").exists():
        msg = f"{path} is not a cellprism run: give the directory that `cellprism run` or `cellprism demo` wrote."
        raise UserError(msg)
    check_format(path)
    raw = yaml.safe_load((path / "run.yaml").read_text(encoding="utf-8"))
    return Run(path, parse_config(raw, source=str(path / "run.yaml")))


def check_format(path: Path) -> None:
    found = json.loads((path / "format.json").read_text())["format"]
    if found > FORMAT:
        msg = f"{path} has format {found}, this cellprism reads up to {FORMAT}: update with `pip install -U cellprism`."
        raise UserError(msg)
