"""serve, export, merge-notes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

Runs = Annotated[list[Path], typer.Argument(help="run directories", metavar="RUN...")]


def register(app: typer.Typer) -> None:
    app.command()(serve)
    app.command()(export)
    app.command("merge-notes")(merge_notes)


def serve(
    runs: Annotated[list[Path], typer.Argument(help="run directories, or one exported atlas", metavar="RUN...")],
    port: Annotated[int | None, typer.Option(help="port; default: 8642 or the next free one")] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="site whose pages may read the answers (CORS); default: none"),
    ] = None,
) -> None:
    """Serve the atlas of one or more runs on this machine.

    Example: `cellprism serve runs/demo`
    """
    serve_until_interrupted(runs, port=port, origins=allow_origin or [])


def export(
    runs: Runs, out: Annotated[Path, typer.Option(help="directory to write")] = Path("atlas"),
    as_zip: Annotated[bool, typer.Option("--zip", help="write one zip file, `atlas.zip`, instead")] = False,
) -> None:
    """Write the atlas as plain files for any static host.

    Example: `cellprism export runs/demo --out atlas`
    """
    if as_zip:
        from cellprism.atlas.archive import export_zip

        archive = export_zip(runs, out if out.suffix == ".zip" else out.with_name(f"{out.name}.zip"))
        typer.echo(f"wrote {archive}: unpack it where it is to be published.")
        return
    from cellprism.atlas.export import export as write

    atlas = write(runs, out)
    typer.echo(f"wrote {atlas}: publish it anywhere, or look at it with `cellprism serve {atlas}`.")


def merge_notes(
    run: Annotated[Path, typer.Argument(help="run directory")],
    files: Annotated[list[Path], typer.Argument(help="JSON files that the atlas saved", metavar="FILE...")],
) -> None:
    """Add readers' own labels and notes to a run, so that its atlas shows them to everybody.

    Example: `cellprism merge-notes runs/demo demo-notes.json`
    """
    from cellprism.atlas.remarks import merge_remarks

    n = merge_remarks(run, files)
    typer.echo(f"{run} has {n} note{'' if n == 1 else 's'} now: serve or export it again to show them.")


def serve_until_interrupted(paths: Sequence[Path], *, port: int | None, origins: Sequence[str] = ()) -> None:
    from cellprism.atlas.server import serve as serve_paths

    serve_paths(
        paths, host="127.0.0.1", port=port, origins=origins,
        on_ready=lambda address: typer.echo(f"The atlas is at {address} (Ctrl-C ends it)."),
    )
