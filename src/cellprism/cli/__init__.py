"""The command line: parse, call one function, print."""

from __future__ import annotations

import errno
import os
import sys

import typer

from cellprism import _version
from cellprism.cli import (
    ablate,
    atlas,
    bench,
    demo,
    doctor,
    import_atlas,
    knowledge,
    perturb,
    pretrain,
    report,
    runs,
    steer,
    trace,
)
from cellprism.errors import UserError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False,
    help="Take a single-cell foundation model apart: features, what they mean, how sure that is.\n\n"
    "Example: `cellprism demo`",
)
DISK_FULL = "the disk is full: free some space and give the same command again; it goes on where it stopped."

for group in (
    demo, runs, trace, ablate, steer, perturb, report, atlas, import_atlas, pretrain, knowledge, bench, doctor,
):
    group.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(_version.__version__)
        raise typer.Exit


@app.callback()
def _options(
    *,
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and end.",
    ),
) -> None:
    """Options of every command; `main` reads ``--debug``, because errors reach it after parsing."""


def main() -> None:
    """Run the command line; what the user can mend becomes one sentence and exit code 2."""
    # threads that wait for each other by spinning starve each other on a busy machine; read when torch is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except KeyboardInterrupt:
        typer.echo("\nstopped; the same command goes on where it stopped.", err=True)
        sys.exit(130)
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None or "--debug" in sys.argv:
            raise
        typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
        typer.echo(sentence, err=True)
        sys.exit(2)


def _sentence(error: Exception) -> str | None:
    """What to tell the user; None for what is our fault. Writers in other languages say a full disk in words only."""
    if isinstance(error, UserError):
        return str(error)
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in str(error):
        return DISK_FULL
    if isinstance(error, PermissionError) and error.filename:
        return f"{error.filename} may not be read or written by you: change its permissions, or choose another path."
    return None
