"""Reading the roster's tables: heads, persons and cards, by token.

A settlement calls `roster_of_cards` inside its own database transaction; the change
feed is `settlement.store.roster_feed`, the import `settlement.store.roster_import`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from settlement.domain.calendar import rfc3339
from settlement.domain.eligibility import RosterPerson, RosterVersion, Window
from settlement.domain.errors import unreachable
from settlement.domain.roster import RosterHead
from settlement.store.statements import statement

if TYPE_CHECKING:
    import asyncpg

    from settlement.store.database import Session

_PERSON = itemgetter(0)
_CARD = itemgetter("card")


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterStatus:
    """The last file taken in, and what the roster holds now."""

    version: int
    kind: str
    previous_version: int | None
    as_of: datetime
    rows: int
    refused: int
    persons_changed: int
    windows_upserted: int
    windows_ended: int
    imported_at: datetime
    persons: int
    windows: int
    cards: int


async def read_head(connection: Session) -> RosterHead:
    """Where the roster stands, as the surrounding database transaction sees it."""
    row = await connection.fetchrow(statement("roster_head"))
    if row is None:
        unreachable("roster_head has its one row")
    return RosterHead(
        roster_id=row["roster_id"].bytes,
        version=_version(row["version"], row["as_of"]),
        last_change=row["last_change"],
        scan_floor=row["scan_floor"],
        key_check=row["key_check"],
    )


async def head_version(connection: Session) -> RosterVersion | None:
    """The roster version in force; `None` before the first file."""
    return (await read_head(connection)).version


async def read_persons(
    connection: Session, tokens: Sequence[bytes]
) -> dict[bytes, RosterPerson]:
    """The persons with these tokens; who is not on the roster is left out."""
    rows = await connection.fetch(statement("roster_persons"), list(tokens))
    return {person.token: person for person in persons_of(rows)}


async def roster_of_cards(
    connection: Session, cards: Sequence[bytes]
) -> tuple[RosterVersion | None, dict[bytes, RosterPerson]]:
    """The version in force with the person behind each card, both of one moment.

    Cards of nobody on the roster are left out. The token of a resident identity
    number is its person's own token.
    """
    rows = await connection.fetch(
        statement("roster_of_cards"), list(dict.fromkeys(cards))
    )
    if not rows:
        unreachable("roster_head has its one row")
    found = groupby((row for row in rows if row["card"] is not None), _CARD)
    persons = {}
    for card, windows in found:
        held = list(windows)
        persons[card] = _person(held[0][0], held)
    return _version(rows[0]["version"], rows[0]["as_of"]), persons


async def read_status(connection: Session) -> RosterStatus | None:
    """The roster in numbers; `None` before the first file. Counts every row."""
    row = await connection.fetchrow(statement("roster_status"))
    return None if row is None else RosterStatus(**dict(row.items()))


async def read_categories(connection: Session, day: date) -> dict[str, int]:
    """How many persons each category has on a day."""
    rows = await connection.fetch(statement("roster_categories"), day)
    return {row["category"]: row["persons"] for row in rows}


def persons_of(rows: Iterable[asyncpg.Record]) -> Iterable[RosterPerson]:
    """Persons from rows of windows that come sorted by person."""
    for token, windows in groupby(rows, _PERSON):
        yield _person(token, list(windows))


def _person(token: bytes, rows: list[asyncpg.Record]) -> RosterPerson:
    household = next((row[5] for row in reversed(rows) if row[5]), b"")
    return RosterPerson(
        token, household, tuple(Window(row[1], row[2], row[3], row[4]) for row in rows)
    )


def _version(version: int, as_of: datetime | None) -> RosterVersion | None:
    return None if as_of is None else RosterVersion(version, rfc3339(as_of))
