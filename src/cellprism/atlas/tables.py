"""The run's own tables within an atlas: copied whole, and listed with what each is and where it came from."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import yaml

from cellprism.atlas.asked import result_command
from cellprism.atlas.packing import clean
from cellprism.atlas.public import public
from cellprism.runs.directory import FORMAT
from cellprism.runs.files import sha256
from cellprism.runs.schemas import TABLES, read_notes

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.reader import RunReader

NAMES = {"rates": "rate", "metrics": "metric", "trace_rates": "rate"}
"""Tables of which a layer has several files, and the column by which a number is found in one of them."""
OPTIONS = {
    "source": None, "targets": None, "features": "all", "cells": 200, "method": "ablation", "target_features": "all",
    "alpha": 0.0, "seed": 0,
}
"""Options of `cellprism trace` and what they are if left out."""
INTERVENTIONS = {"patching": "patch", "interactions": "interact", "combinations": "interact", "damage": "damage"}
"""Beginning of the name of a file beside the traces, and the command that writes it."""
WORDS = ("target", "cells", "trace")
"""Notes of such a file that were options of its command."""


def copy_tables(reader: RunReader, folder: Path) -> dict[str, Any]:
    """Copy every Parquet table of a run, with the few files that make ``folder`` a run directory for reading.

    Paths of the machine that made the run are cut to their last part.

    Returns
    -------
    dict
        Content of ``tables.jz``: seed, command, the meaning of every column, and every file with its size, SHA-256,
        stage and notes; where another command than the run's wrote it, that command and its seed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plain = {
        "format.json": json.dumps({"format": FORMAT, "tables_only": True}),
        "run.yaml": yaml.safe_dump(public(reader.config.model_dump(mode="json")), sort_keys=False, allow_unicode=True),
        "model.json": json.dumps(public(reader.run.model), indent=1),
        "absent.json": json.dumps(reader.run.absences, indent=1),
    }
    for name, text in plain.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")
    stages = _stages(reader)
    files = []
    for path in tables_of(reader.path):
        name = path.relative_to(reader.path).as_posix()
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
        files.append(_entry(path, name, stages.get(name)) | _intervention(path, name))
    for path in sorted(reader.path.glob("causal/*/*.json")):
        name = path.relative_to(reader.path).as_posix()
        plain[name] = json.dumps(public(json.loads(path.read_text(encoding="utf-8"))))
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(plain[name] + "\n", encoding="utf-8")
    files += [{"file": name, **_content(folder / name)} for name in plain]
    used = sorted({file["table"] for file in files if "table" in file})
    return {
        "command": command(reader),
        "seed": reader.config.seed,
        "tables": {
            name: {
                "version": TABLES[name].version,
                "columns": [[column, str(kind), text] for column, (kind, text) in TABLES[name].columns.items()],
            }
            for name in used if name in TABLES
        },
        "files": files,
    }


def tables_of(run: Path) -> list[Path]:
    """The Parquet files of a run in order; what lies in hidden folders, such as a kept atlas, is not the run's."""
    found = [path for path in run.rglob("*.parquet")
             if not any(part.startswith(".") for part in path.relative_to(run).parts)]
    return sorted(found, key=lambda path: path.relative_to(run).as_posix())


def command(reader: RunReader) -> str:
    """The command that makes such a run again."""
    if reader.run.model["kind"] == "published atlas":
        return f"cellprism import-atlas {public(reader.config.model.path)} --out RUN"
    return "cellprism run run.yaml"


def _intervention(path: Path, name: str) -> dict[str, Any]:
    """Command and seed of a file that another command than the run's has written."""
    if (asked := result_command(path, name)) is not None:
        return asked
    if not name.startswith("causal/"):
        return {}
    about = path.with_name("trace.json")
    if not about.exists():
        stem = path.stem.removeprefix("rates_")
        found = [command for start, command in INTERVENTIONS.items() if stem.startswith(start)]
        return _asked(path, found[0]) if found else {}
    asked = json.loads(about.read_text(encoding="utf-8")).get("asked", {})
    options = {name: asked[name] for name in OPTIONS if asked.get(name) is not None and asked[name] != OPTIONS[name]}
    words = [f"--{name.replace('_', '-')} {_option(value)}" for name, value in options.items()]
    control = asked.get("control", "none") != "none"
    return {"command": " ".join(["cellprism trace RUN", *words, *(["--controls 1"] if control else [])]),
            "seed": asked.get("seed", 0)}


def _asked(path: Path, command: str) -> dict[str, Any]:
    """Command and seed of a file whose notes hold what was asked for."""
    notes: dict[str, Any] = read_notes(path)
    options: dict[str, Any] = {"layer": notes.get("layer"), "features": notes.get("features")}
    if command == "interact":
        layers = [int(layer) for layer in re.findall(r"\d\d(?=-)", path.stem)]
        options = {"layers": layers, "each": notes.get("each")} if layers else {"features": "FILE"}
    options |= {name: notes.get(name) for name in WORDS}
    words = [f"--{name} {_option(value)}" for name, value in options.items() if value is not None]
    return {"command": " ".join([f"cellprism {command} RUN", *words]), "seed": notes.get("seed", 0)}


def _option(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(public(value))


def _entry(path: Path, name: str, stage: str | None) -> dict[str, Any]:
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    own = metadata.metadata or {}
    header = json.loads(own.get(b"cellprism", b"{}"))
    table = header.get("table", path.stem)
    named = NAMES.get(table)
    held = {} if named is None else {"names": pq.read_table(path, columns=[named])[named].to_pylist()}
    return {
        "file": name, "table": table, "rows": metadata.num_rows, **held, **_content(path), "stage": stage,
        "notes": clean(public(json.loads(own.get(b"notes", b"{}")))),
    }


def _content(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def _stages(reader: RunReader) -> dict[str, str]:
    """The stage that wrote each file."""
    markers = {path.stem: json.loads(path.read_text()) for path in (reader.path / "stages").glob("*.json")}
    return {name: stage for stage, marker in sorted(markers.items()) for name in marker["outputs"]}
