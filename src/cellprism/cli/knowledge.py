"""knowledge list, get, add."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (typer reads the annotations)
from typing import Annotated, Any

import typer

commands = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown",
    help="Gene sets, networks and gene names: what there is, get it, add your own.\n\n"
    "Example: `cellprism knowledge get trrust`",
)


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="knowledge")


@commands.command("list")
def list_sources() -> None:
    """Show the catalogue, and what is downloaded.

    Example: `cellprism knowledge list`
    """
    from cellprism.knowledge import cache
    from cellprism.knowledge.sources import SOURCES

    here = cache.records()
    for name, source in SOURCES.items():
        state = f"{here[name]['version']}, got {here[name]['date']}" if name in here else "not downloaded"
        typer.echo(f"{name:<13} {source.kind:<11} {state:<30} {source.title} [{source.licence}]")
    for name, known in here.items():
        if name not in SOURCES:
            state = f"added {known['date']}"
            typer.echo(f"{name:<13} {known['kind']:<11} {state:<30} {known['title']} [{known['licence']}]")
    typer.echo(f"files are kept in {cache.folder()}")


@commands.command("get")
def get_source(
    name: Annotated[str, typer.Argument(help="name in the catalogue")],
    *,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="accept a licence that forbids some uses"),
    ] = False,
    update: Annotated[bool, typer.Option("--update", help="download again")] = False,
    record: Annotated[
        Path | None, typer.Option(help="record of an earlier download: refuse files that differ from it"),
    ] = None,
) -> None:
    """Download a source from its makers; afterwards no network is needed.

    Example: `cellprism knowledge get reactome`
    """
    import sys

    from cellprism.knowledge.download import get

    known = get(
        name, accept_licence=accept_licence, update=update, expected=record, progress=sys.stderr.isatty(),
    )
    _show(known)


@commands.command("add")
def add_source(
    name: Annotated[str, typer.Argument(help="what to call it")],
    files: Annotated[list[Path], typer.Argument(help="its files", metavar="FILE...")],
    licence: Annotated[str, typer.Option(help="licence of the files, for the record")] = "not stated",
) -> None:
    """Keep your own files under a name that configurations can use.

    Example: `cellprism knowledge add mine sets.gmt`
    """
    from cellprism.knowledge.download import add

    _show(add(name, files, licence=licence))


def _show(known: dict[str, Any]) -> None:
    from cellprism.knowledge import cache

    counts = ", ".join(f"{n:,} {what}" for what, n in known["contents"].items())
    version = f"version {known['version']}, " if known["version"] else ""
    typer.echo(f"{known['name']}: {counts}; {version}{known['date']}; licence: {known['licence']}")
    for file in known["files"]:
        typer.echo(f"  {file['name']}  {file['bytes']:,} bytes  sha256 {file['sha256']}")
    typer.echo(f"it is in {cache.folder() / known['name']}")
