"""Progress for people: bars in a terminal, a line a minute and one at the end elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from cellprism.runs.machine import in_time
from cellprism.runs.progress import Bar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Task


EVERY = 60.0
"""Seconds between two lines of one piece of work where there is no terminal."""


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {task.fields['unit']}/s" if speed else "", style="dim")


class Listener:
    """Shows bars with rate and time left in a terminal; elsewhere it prints what is done each minute and at the end."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._bars: Bars | None = None

    @contextmanager
    def bar(self, label: str, total: int, unit: str) -> Iterator[Bar]:
        started = time.monotonic()
        if self._bars is not None:
            yield self._add(self._bars, label, total, unit)
        elif self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(),
                TextColumn("{task.fields[said]}", style="dim"),
            )
            try:
                with Bars(*columns, console=self.console) as self._bars:
                    yield self._add(self._bars, label, total, unit)
            finally:
                self._bars = None
        else:
            said: list[str] = []
            plural = "" if total == 1 else "es" if unit.endswith("s") else "s"
            yield Bar(self._lines(label, total, unit + plural), said.append)
            seconds = time.monotonic() - started
            last = f"; {said[-1]}" if said else ""
            rate = f", {total / seconds:,.0f} {unit}{plural}/s" if seconds > 1 else ""
            self.console.print(f"{label}: {total:,} {unit}{plural} in {seconds:.1f} s{rate}{last}", highlight=False)

    def _lines(self, label: str, total: int, units: str) -> Callable[[int], None]:
        """Says about once in `EVERY` seconds how far a piece of work is."""
        started = spoke = time.monotonic()
        done = 0

        def advance(n: int) -> None:
            nonlocal done, spoke
            done, now = done + n, time.monotonic()
            if now - spoke >= EVERY:
                spoke = now
                self.console.print(
                    f"{label}: {done:,} of {total:,} {units} after {in_time(now - started)}", highlight=False,
                )

        return advance

    @staticmethod
    def _add(bars: Bars, label: str, total: int, unit: str) -> Bar:
        task = bars.add_task(label, total=total, unit=unit, said="")
        return Bar(lambda n: bars.advance(task, n), lambda text: bars.update(task, said=text))

    def note(self, text: str) -> None:
        self.console.print(f"note: {text}", highlight=False, soft_wrap=True)
