"""Progress for people: bars in a terminal, a line per piece of work elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Task


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {task.fields['unit']}/s" if speed else "", style="dim")


class Listener:
    """Shows bars with rate and time left in a terminal; elsewhere it prints what was done and how long it took."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)

    @contextmanager
    def bar(self, label: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        started = time.monotonic()
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(),
            )
            with Bars(*columns, console=self.console) as bars:
                task = bars.add_task(label, total=total, unit=unit)
                yield lambda n: bars.advance(task, n)
        else:
            yield lambda _n: None
            count = f"{total:,} {unit}{'' if total == 1 else 's'}"
            self.console.print(f"{label}: {count} in {time.monotonic() - started:.1f} s", highlight=False)

    def note(self, text: str) -> None:
        self.console.print(f"note: {text}", highlight=False, soft_wrap=True)
