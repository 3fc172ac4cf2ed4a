"""Taking one roster file in: a single database transaction from staging to head.

If the process stops anywhere before COMMIT, PostgreSQL has taken nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import asyncpg

from settlement.domain.errors import FatalError, require, unreachable
from settlement.domain.roster import (
    RefusedRow,
    RosterCounts,
    RosterManifest,
    RosterRefusedError,
    RosterRow,
)
from settlement.store.errors import CommitUnknownError, StoreUnavailableError
from settlement.store.roster import read_head
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Connection, Database, Session

#: More changed persons than this, and caches read the whole roster instead.
CHANGE_FEED_LIMIT = 200_000
CHANNEL = "roster_change"
#: Rows that are held in memory while a list of refused ones is read.
_LISTED_AT_ONCE = 2_000
#: Readers of an empty roster are waited for so long, then they are left alone.
_LOCK_WITHIN_MS = 2_000
_DRIVER = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)


#: Called with the steps done, of `MERGE_STEPS`, after the file has been read.
Told = Callable[[int], None]
MERGE_STEPS = 7


def _nobody(_done: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class _LockedHead:
    version: int
    as_of: datetime | None
    key_check: bytes
    last_change: int
    scan_floor: int


@asynccontextmanager
async def open_import(
    database: Database, manifest: RosterManifest, key_check: bytes
) -> AsyncIterator[RosterImport]:
    """One database transaction for one file; commits when the block ends well.

    Raises `RosterRefusedError` where the version does not follow on the roster's
    (MA-6107 to MA-6110) or another token key wrote it (MA-6111), and
    `StoreUnavailableError` where the database fails before COMMIT: nothing was taken
    then. `CommitUnknownError`: take the same file again to learn which it is. A
    second import waits here for the first.
    """
    try:
        connection = await database.connect()
    except _DRIVER as error:
        raise StoreUnavailableError(type(error).__name__) from error
    try:
        yield await _begin(connection, manifest, key_check)
        await _commit(connection)
    except _DRIVER as error:
        raise StoreUnavailableError(type(error).__name__) from error
    finally:
        # Closing rolls back whatever was not committed.
        await connection.close()


async def _begin(
    connection: Connection, manifest: RosterManifest, key_check: bytes
) -> RosterImport:
    await connection.execute("BEGIN")
    # Else a killed importer's statement runs on to its end, and the next one waits.
    await connection.execute("SET LOCAL client_connection_check_interval = '1s'")
    head = await _lock_head(connection)
    await _require_successor(connection, head, manifest)
    if head.key_check not in (b"", key_check):
        raise RosterRefusedError(
            "MA-6111", "the roster was written with another token key"
        )
    await connection.execute("SET LOCAL work_mem = '256MB'")
    await connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
    await connection.execute(statement("roster_staging"))
    return RosterImport(connection, manifest, head, key_check)


async def _commit(connection: Connection) -> None:
    try:
        tag = await connection.execute("COMMIT")
    except _DRIVER as error:
        raise CommitUnknownError(type(error).__name__) from error
    # asyncpg does not look at the command tag (reliability H1).
    if tag != "COMMIT":
        raise FatalError("PostgreSQL rolled the roster import back at COMMIT")


class RosterImport:
    """The file being taken in; call `stage`, `refuse`, `settle_conflicts`, `merge`."""

    def __init__(
        self,
        connection: Session,
        manifest: RosterManifest,
        head: _LockedHead,
        key_check: bytes,
    ) -> None:
        """Made by `open_import`."""
        self._connection = connection
        self.manifest = manifest
        self._head = head
        self._key_check = key_check
        self._day = manifest.as_of_day

    async def stage(self, rows: Sequence[RosterRow]) -> None:
        """Copy rows of the file beside the roster."""
        await self._connection.copy_records_to_table("roster_in", records=rows)

    async def refuse(self, rows: Iterable[RefusedRow]) -> None:
        """Note refused lines; the persons whom they seem to mean keep their state."""
        await self._connection.copy_records_to_table(
            "roster_refused",
            records=[
                (0, row.line, row.column, row.reason, row.value_class, row.person,
                 row.card)
                for row in rows
            ],
        )  # fmt: skip

    async def settle_conflicts(self, told: Told = _nobody) -> int:
        """Refuse rows that contradict each other or the roster.

        Call once, after the last row. Gives the number of removals of persons who
        never were on the roster, which do nothing and are no fault.
        """
        told(0)
        await self._connection.execute(statement("roster_staged"))
        told(1)
        await self._count("roster_contradictions")
        await self._count("roster_shared_cards")
        without_effect: int = await self._connection.fetchval(
            statement("roster_lost_removals")
        )
        told(2)
        # Whoever is kept stays an owner of cards, so each round may add conflicts.
        while await self._count("roster_taken_cards", self._day, self._is_full):
            pass
        told(3)
        return without_effect

    async def count_refused(self) -> int:
        """Lines refused so far."""
        count: int = await self._connection.fetchval(statement("roster_count_refused"))
        return count

    async def refused_rows(self, limit: int) -> tuple[RefusedRow, ...]:
        """The first refused lines, in order."""
        rows = await self._connection.fetch(
            statement("roster_list_refused") + " LIMIT $1", limit
        )
        return tuple(RefusedRow(*row) for row in rows)

    async def remark(self) -> int:
        """Note lines that are taken and worth a look; gives how many."""
        delta = not self._is_full
        overlaps = await self._count("roster_remark_overlaps", delta)
        return overlaps + await self._count("roster_remark_cards")

    async def listed(self) -> AsyncIterator[list[RefusedRow]]:
        """All refused lines in order, then all remarks, some at a time."""
        async for rows in self._some_at_a_time("roster_list_refused"):
            yield [RefusedRow(*row) for row in rows]
        async for rows in self._some_at_a_time("roster_list_remarks"):
            yield [
                RefusedRow(line, field, reason, value_class=value_class)
                for line, field, reason, value_class in rows
            ]

    async def _some_at_a_time(self, name: str) -> AsyncIterator[list[asyncpg.Record]]:
        # By hand: asyncpg wants a transaction of its own making for its cursors.
        await self._connection.execute(
            f"DECLARE {name} NO SCROLL CURSOR FOR {statement(name)}"
        )
        fetch = f"FETCH {_LISTED_AT_ONCE} FROM {name}"
        while rows := await self._connection.fetch(fetch):
            yield rows
        await self._connection.execute(f"CLOSE {name}")

    async def merge(
        self,
        *,
        refused: int,
        remarked: int,
        removals_without_effect: int,
        imported_at: datetime,
        told: Told = _nobody,
    ) -> RosterCounts:
        """Bring windows and cards to the file's state, and move the head."""
        version = self.manifest.version
        ended = await self._count("roster_end_removed", self._day, version)
        if self._is_full:
            ended += await self._count("roster_end_absent", self._day, version)
        told(4)
        aside = await self._indexes_aside()
        upserted = await self._count("roster_upsert_windows", version)
        told(5)
        await self._count("roster_upsert_cards")
        told(6)
        for definition in aside:
            await self._connection.execute(definition)
        changed = await self._connection.fetchval(statement("roster_count_touched"))
        counts = RosterCounts(
            rows=self.manifest.rows,
            refused=refused,
            persons_changed=changed,
            windows_upserted=upserted,
            windows_ended=ended,
            removals_without_effect=removals_without_effect,
            remarked=remarked,
        )
        await self._post(counts, imported_at)
        told(MERGE_STEPS)
        return counts

    async def _indexes_aside(self) -> list[str]:
        """Drop what is quicker made anew, where the roster is empty; how to make it.

        Millions of entries in random order cost as much as all else, and sorted next
        to nothing. Nobody is kept waiting for it: who reads an empty roster finds
        nothing, and where somebody reads just now all stays as it is.
        """
        if self._head.version:
            return []
        found = await self._connection.fetch(statement("roster_indexes_aside"))
        await self._connection.execute(
            f"SAVEPOINT aside; SET LOCAL lock_timeout = {_LOCK_WITHIN_MS}"
        )
        try:
            for name, _ in found:
                await self._connection.execute(f"DROP INDEX {name}")
        except asyncpg.LockNotAvailableError:
            await self._connection.execute("ROLLBACK TO aside")
            return []
        await self._connection.execute("SET LOCAL lock_timeout = 0")
        return [definition for _, definition in found]

    @property
    def _is_full(self) -> bool:
        return self.manifest.is_full

    async def _count(self, name: str, *arguments: date | int) -> int:
        tag = await self._connection.execute(statement(name), *arguments)
        return int(tag.rsplit(" ", 1)[1])

    async def _post(self, counts: RosterCounts, imported_at: datetime) -> None:
        last_change, scan_floor = await self._post_changes(counts.persons_changed)
        manifest = self.manifest
        await self._connection.execute(
            statement("roster_post_version"),
            manifest.version,
            manifest.kind,
            manifest.previous_version,
            manifest.as_of,
            manifest.sha256,
            counts.rows,
            counts.refused,
            counts.persons_changed,
            counts.windows_upserted,
            counts.windows_ended,
            manifest.key_id,
            imported_at,
        )
        tag = await self._connection.execute(
            statement("roster_move_head"),
            manifest.version,
            manifest.as_of,
            self._key_check,
            last_change,
            scan_floor,
        )
        require(tag == "UPDATE 1", "roster_head has its one row")
        await self._connection.execute(
            "SELECT pg_notify($1, $2)", CHANNEL, str(manifest.version)
        )

    async def _post_changes(self, changed: int) -> tuple[int, int]:
        """Newest change and scan floor; one number is used up where none is posted."""
        last = self._head.last_change
        if changed > CHANGE_FEED_LIMIT:
            return last + 1, last + 1
        posted = await self._count("roster_post_changes", last, self.manifest.version)
        return last + posted, self._head.scan_floor


async def require_successor(database: Database, manifest: RosterManifest) -> None:
    """Whether the file would be let in as the roster stands; raises as `open_import`.

    Nothing is locked: the import itself asks again.
    """
    async with database.pool.acquire() as connection:
        head = await read_head(connection)
        version, as_of = 0, None
        if head.version is not None:
            version = head.version.version
            as_of = datetime.fromisoformat(head.version.as_of)
        found = _LockedHead(version, as_of, b"", head.last_change, head.scan_floor)
        await _require_successor(connection, found, manifest)


async def _lock_head(connection: Session) -> _LockedHead:
    row = await connection.fetchrow(statement("roster_lock_head"))
    if row is None:
        unreachable("roster_head has its one row")
    return _LockedHead(*row)


async def _require_successor(
    connection: Session, head: _LockedHead, manifest: RosterManifest
) -> None:
    """Order of precedence: the same file again, an old version, a gap, the clock."""
    same = await connection.fetchval(
        statement("roster_same_file"), manifest.version, manifest.sha256
    )
    if same is not None:
        raise RosterRefusedError(
            "MA-6110", f"version {manifest.version} is this same file, taken in already"
        )
    if manifest.version <= head.version:
        raise RosterRefusedError(
            "MA-6107",
            f"version {manifest.version} is not above the current {head.version}",
            current_version=head.version,
        )
    if not manifest.is_full and manifest.previous_version != head.version:
        raise RosterRefusedError(
            "MA-6108",
            f"the delta changes version {manifest.previous_version},"
            f" the current one is {head.version}",
            current_version=head.version,
        )
    if head.as_of is not None and manifest.as_of < head.as_of:
        raise RosterRefusedError(
            "MA-6109",
            f"as_of {manifest.as_of.isoformat()} lies before the current"
            f" {head.as_of.isoformat()}",
        )
