"""One process writes a run at a time."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cellprism.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the run directory ``folder`` for this process.

    The lock is an advisory lock on ``.lock``: the operating system drops it when the process ends, however it ends,
    so a dead process never leaves one behind.

    Raises
    ------
    UserError
        Another living process holds the run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            msg = f"{folder} is in use by process {holder}: wait for it to end, or choose another run directory."
            raise UserError(msg) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield
