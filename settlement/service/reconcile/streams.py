"""Sorted streams out of the database, cut into pieces that a pure match can take.

A match looks at one settlement at a time, so it gives the same for the whole as for
pieces that are cut between settlements. That is what keeps memory flat.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Generic, TypeVar

_Item = TypeVar("_Item")
_FEW = 2
#: Items with one key are held together, so there are no more of them than this.
MOST_ALIKE = 50_000


class Stream(Generic[_Item]):
    """Items in the order of their keys, read ahead piece by piece."""

    def __init__(
        self,
        pieces: AsyncIterator[list[_Item]],
        key: Callable[[_Item], Any],
        too_many: Callable[[_Item], Exception] | None = None,
    ) -> None:
        """`pieces` come in order; several items may have one key.

        `too_many`: what is raised over more than `MOST_ALIKE` of them, given one.
        """
        self._pieces = pieces
        self._key = key
        self._too_many = too_many
        self._held: list[_Item] = []
        self._is_at_end = False

    async def fill(self) -> Any | None:
        """Read ahead; the key below which all is here, `None` where all is."""
        while not self._is_at_end and not self._has_two_keys():
            if self._too_many is not None and len(self._held) > MOST_ALIKE:
                raise self._too_many(self._held[0])
            piece = await anext(self._pieces, None)
            if piece is None:
                self._is_at_end = True
            else:
                self._held += piece
        return None if self._is_at_end else self._key(self._held[-1])

    def _has_two_keys(self) -> bool:
        held = self._held
        return len(held) >= _FEW and self._key(held[0]) != self._key(held[-1])

    def take_below(self, bound: Any | None) -> list[_Item]:
        """Take every item with a smaller key; all of them where there is no bound."""
        held = self._held
        if bound is None:
            self._held = []
            return held
        count = bisect_left(held, bound, key=self._key)
        taken, self._held = held[:count], held[count:]
        return taken


async def pieces_of(
    streams: Sequence[Stream[Any] | None],
) -> AsyncIterator[list[list[Any] | None]]:
    """Cut several streams at the same keys; a stream that is not there stays `None`."""
    there = [stream for stream in streams if stream is not None]
    while True:
        bounds = [await stream.fill() for stream in there]
        known = [bound for bound in bounds if bound is not None]
        bound = min(known) if known else None
        yield [None if each is None else each.take_below(bound) for each in streams]
        if bound is None:
            return
