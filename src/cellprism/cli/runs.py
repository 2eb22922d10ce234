"""init, plan, run, status."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellprism.errors import UserError

if TYPE_CHECKING:
    from cellprism.runs.config import Config

ConfigFile = Annotated[Path, typer.Argument(help="YAML configuration of a run", metavar="CONFIG")]


def register(app: typer.Typer) -> None:
    app.command()(init)
    app.command()(plan)
    app.command()(run)
    app.command()(status)


def init(config: ConfigFile = Path("run.yaml")) -> None:
    """Write a commented configuration with every key at its default.

    Example: `cellprism init run.yaml`
    """
    from cellprism.runs.config import starter_yaml
    from cellprism.runs.files import write_text

    if config.exists():
        msg = f"{config} is already there: name another file."
        raise UserError(msg)
    write_text(config, starter_yaml())
    typer.echo(f"wrote {config}: name your cells in it, then `cellprism plan {config}` and `cellprism run {config}`.")


def plan(config: ConfigFile, out: Annotated[str | None, typer.Option(help="run directory")] = None) -> None:
    """Say what a run will need of disk, memory and time, before anything is spent.

    Example: `cellprism plan run.yaml`
    """
    from cellprism.plan import describe

    typer.echo(describe(_config(config, out)))


def run(config: ConfigFile, out: Annotated[str | None, typer.Option(help="run directory")] = None) -> None:
    """Do a run, or go on with one that was interrupted.

    Example: `cellprism run run.yaml --out runs/mine`
    """
    from cellprism.cli.progress import Listener
    from cellprism.pipeline import run as run_pipeline

    done = run_pipeline(_config(config, out), Listener())
    typer.echo(f"{done.path} is done: look at it with `cellprism serve {done.path}`.")


def status(path: Annotated[Path, typer.Argument(help="run directory", metavar="RUN")]) -> None:
    """Show which stages of a run are done.

    Example: `cellprism status runs/demo`
    """
    from cellprism.compare.controls import begun_controls
    from cellprism.pipeline import CONTROL_STAGES, STAGES
    from cellprism.runs.directory import open_directory
    from cellprism.runs.stage import stage_states

    run = open_directory(path)
    states = stage_states(STAGES, run)
    for control, its in begun_controls(run).items():
        states += [(f"{control}: {name}", state, s) for name, state, s in stage_states(CONTROL_STAGES, its)]
    width = max(len(name) for name, *_ in states)
    for name, state, seconds in states:
        typer.echo(f"{name:<{width}} {state:<12}" + (f"{seconds:8.1f} s" if state == "done" else ""))
    done = sum(state == "done" for _, state, _ in states)
    typer.echo(f"{done} of {len(states)} done.")


def _config(path: Path, out: str | None) -> Config:
    from cellprism.runs.config import load_config

    config = load_config(path)
    return config.model_copy(update={"out": out}) if out else config
