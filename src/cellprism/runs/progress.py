"""How long work reports itself, without the workers knowing who listens."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


class Progress(Protocol):
    """A listener: ``bar`` yields a function to call with the number of units just done."""

    def bar(self, label: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]: ...

    def note(self, text: str) -> None: ...


class Silent:
    """Reports to nobody; the default of the Python API."""

    @contextmanager
    def bar(self, label: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        yield lambda _n: None

    def note(self, text: str) -> None:
        """Ignore ``text``."""
