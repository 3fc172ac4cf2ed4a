"""Statements by their text: which step each is, and what it does to the tables.

A statement that is not here fails the run, so that a new one in the product is
noticed. That these do what PostgreSQL does is tested on a real server:
tests/simulation/test_fake_store.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from tests.simulation.transactions import Transaction

if TYPE_CHECKING:
    from tests.simulation.server import Backend

Row = dict[str, Any]
Handler = Callable[["Backend", Transaction, tuple[Any, ...]], Awaitable[Any]]

#: By text: the step that it is, and what it does.
STATEMENTS: dict[str, tuple[str, Handler]] = {}


def does(text: str, step: str) -> Callable[[Handler], Handler]:
    """Enter a statement."""

    def enter(handler: Handler) -> Handler:
        STATEMENTS[text] = (step, handler)
        return handler

    return enter


class Record(dict[str, Any]):
    """A row that is also read by place."""

    def __getitem__(self, key: Any) -> Any:
        if key.__class__ is int:
            return tuple(self.values())[key]
        return dict.__getitem__(self, key)
