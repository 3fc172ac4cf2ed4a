"""What the watch reads: new leaves and declines, and what subjects claimed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import starmap
from typing import TYPE_CHECKING, NamedTuple

from settlement.domain.watch.seen import SeenClaim
from settlement.store.statements import statement

if TYPE_CHECKING:
    import asyncpg

    from settlement.store.database import Session


#: Of a person, an operator and a household's member no more is read at once, the
#: latest: whoever claims more often than that has long been found.
MOST_CLAIMS = 1_000
#: Of a person at the desk, where patients wait.
MOST_AT_DESK = 50
MOST_OF_OPERATOR = 300
MOST_OF_MEMBER = 200


class Cursor(NamedTuple):
    """How far the watch has come."""

    log_index: int
    """The next leaf to look at."""
    decline_seq: int
    """The last decline that was looked at."""


class NewClaim(NamedTuple):
    """A claim that the watch has not seen, or that was undone since."""

    id: bytes
    person: bytes | None
    facility: int
    operator: str
    service_start: date
    service_end: date
    occurred_at: datetime
    decided_at: datetime
    """When it was settled, declined, or undone: whichever came last."""


@dataclass(frozen=True, slots=True)
class News:
    """What has come since the cursor, and where it stands then."""

    claims: tuple[NewClaim, ...]
    cursor: Cursor
    is_full: bool
    """Whether more may wait behind it."""


class PersonSpan(NamedTuple):
    """One person's claims that began between two days, ends included."""

    person: bytes
    since: date
    until: date


class HouseholdSpan(NamedTuple):
    """One household's claims that began between two days, ends included."""

    household: bytes
    since: date
    until: date


class OperatorSpan(NamedTuple):
    """One operator's claims made between two instants, ends included."""

    facility: int
    operator: str
    since: datetime
    until: datetime


async def lock_cursor(session: Session) -> Cursor | None:
    """Lock the cursor until the transaction ends; `None` while somebody else has it."""
    row = await session.fetchrow(
        "SELECT log_index, decline_seq FROM watch_cursor FOR UPDATE SKIP LOCKED"
    )
    return None if row is None else Cursor(*row.values())


async def wait_for_cursor(session: Session) -> Cursor:
    """The same, waiting for whoever has it."""
    (row,) = await session.fetch(
        "SELECT log_index, decline_seq FROM watch_cursor FOR UPDATE"
    )
    return Cursor(*row.values())


async def move_cursor(session: Session, cursor: Cursor) -> None:
    """What lies before it was looked at, once this transaction commits."""
    await session.execute(
        "UPDATE watch_cursor SET log_index = $1, decline_seq = $2", *cursor
    )


async def read_news(session: Session, cursor: Cursor, limit: int) -> News:
    """At most so many leaves and as many declines since the cursor.

    Leaves are committed in the order of their indexes, because whoever adds one holds
    the log's head; so nothing is passed over.
    """
    leaves = await session.fetch(statement("watch_leaves"), cursor.log_index, limit)
    declines = await session.fetch(
        statement("watch_declines"), cursor.decline_seq, limit
    )
    claims = [_new(row) for row in leaves if row["id"] is not None]
    claims += [_new(row) for row in declines]
    after = Cursor(
        leaves[-1]["log_index"] + 1 if leaves else cursor.log_index,
        declines[-1]["seq"] if declines else cursor.decline_seq,
    )
    is_full = len(leaves) >= limit or len(declines) >= limit
    return News(tuple(claims), after, is_full)


async def has_news(session: Session) -> bool:
    """Whether anything has come since the cursor; locks and writes nothing."""
    is_there: bool = await session.fetchval(
        "SELECT EXISTS (SELECT FROM log_head h WHERE h.size > c.log_index)"
        " OR EXISTS (SELECT FROM watched_decline w WHERE w.seq > c.decline_seq)"
        " FROM watch_cursor c"
    )
    return is_there


async def skipped_before(
    session: Session, instant: datetime, limit: int
) -> list[NewClaim]:
    """Claims that were skipped before an instant, at most so many."""
    found = await session.fetch(statement("watch_again"), instant, limit)
    return [_new(row) for row in found]


async def put_skipped(
    session: Session, ids: Collection[bytes], fault: str, at: datetime
) -> None:
    """Keep claims for another time; one that is kept already keeps its place behind."""
    await session.execute(
        "INSERT INTO watch_skipped SELECT unnest($1::bytea[]), $2, $3"
        " ON CONFLICT (settlement_id) DO UPDATE SET fault = $2, skipped_at = $3",
        sorted(ids),
        fault,
        at,
    )


async def drop_skipped(session: Session, ids: Collection[bytes]) -> None:
    """They were looked at."""
    await session.execute(
        "DELETE FROM watch_skipped WHERE settlement_id = ANY($1::bytea[])", sorted(ids)
    )


async def behind(session: Session) -> int:
    """How many leaves and watched declines have not been looked at yet."""
    count: int = await session.fetchval(
        "SELECT (SELECT size FROM log_head) - log_index"
        " + (SELECT count(*) FROM watched_decline w WHERE w.seq > c.decline_seq)"
        " FROM watch_cursor c"
    )
    return count


async def claims_of_persons(
    session: Session, spans: Sequence[PersonSpan], *, at_most: int = MOST_CLAIMS
) -> dict[bytes, list[SeenClaim]]:
    """What each person claimed, by token; of more than `at_most` the latest."""
    found = await session.fetch(
        statement("watch_persons"),
        [span.person for span in spans],
        [span.since for span in spans],
        [span.until for span in spans],
        at_most,
    )
    claims: dict[bytes, list[SeenClaim]] = {}
    for row in found:
        columns = (*row[:-1], tuple(row["codes"] or ()))
        claim = SeenClaim(*columns)
        claims.setdefault(claim.person or b"", []).append(claim)
    return claims


async def claims_of_operators(
    session: Session, spans: Sequence[OperatorSpan]
) -> dict[tuple[int, str], list[SeenClaim]]:
    """What each operator settled, by facility and operator; without diagnoses."""
    found = await session.fetch(
        statement("watch_operators"),
        [span.facility for span in spans],
        [span.operator for span in spans],
        [span.since for span in spans],
        [span.until for span in spans],
        MOST_OF_OPERATOR,
    )
    claims: dict[tuple[int, str], list[SeenClaim]] = {}
    for claim in starmap(SeenClaim, found):
        claims.setdefault((claim.facility, claim.operator), []).append(claim)
    return claims


async def households_of(
    session: Session, persons: Collection[bytes]
) -> list[tuple[bytes, bytes]]:
    """Persons, each with the households that a window of theirs names."""
    found = await session.fetch(statement("watch_households"), list(persons))
    return [(row["person"], row["household"]) for row in found]


async def claims_of_households(
    session: Session, spans: Sequence[HouseholdSpan]
) -> dict[bytes, list[SeenClaim]]:
    """What the members of each household claimed, by household; no diagnoses."""
    found = await session.fetch(
        statement("watch_members"),
        [span.household for span in spans],
        [span.since for span in spans],
        [span.until for span in spans],
        MOST_OF_MEMBER,
    )
    claims: dict[bytes, list[SeenClaim]] = {}
    for claim in starmap(SeenClaim, found):
        claims.setdefault(claim.household or b"", []).append(claim)
    return claims


def _new(row: asyncpg.Record) -> NewClaim:
    return NewClaim(
        row["id"],
        row["person"],
        row["facility_id"],
        row["operator"],
        row["service_start"],
        row["service_end"],
        row["occurred_at"],
        row["decided_at"],
    )
