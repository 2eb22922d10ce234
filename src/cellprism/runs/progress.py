"""How long work reports itself, without the workers knowing who listens."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


class Bar:
    """A piece of work: call it with the number of units just done, and `say` how it goes."""

    def __init__(self, advance: Callable[[int], None], say: Callable[[str], None]) -> None:
        self._advance = advance
        self.say = say

    def __call__(self, n: int) -> None:
        self._advance(n)


class Progress(Protocol):
    """A listener."""

    def bar(self, label: str, total: int, unit: str) -> AbstractContextManager[Bar]: ...

    def note(self, text: str) -> None: ...


class Silent:
    """Reports to nobody; the default of the Python API."""

    @contextmanager
    def bar(self, label: str, total: int, unit: str) -> Iterator[Bar]:
        yield Bar(lambda _n: None, lambda _text: None)

    def note(self, text: str) -> None:
        """Ignore ``text``."""
