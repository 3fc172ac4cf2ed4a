"""Taking one roster file in: a single database transaction from staging to head.

If the process stops anywhere before COMMIT, PostgreSQL has taken nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
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
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Connection, Database, Session

#: More changed persons than this, and caches read the whole roster instead.
CHANGE_FEED_LIMIT = 200_000
CHANNEL = "roster_change"
_CARD = "card_number"
_DRIVER = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)


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
        """Let the persons whom these lines seem to mean keep their former state."""
        await self._connection.copy_records_to_table(
            "roster_refused", records=[(row.person, row.card) for row in rows]
        )

    async def settle_conflicts(self) -> tuple[list[RefusedRow], int]:
        """Refuse rows that contradict each other or the roster.

        Call once, after the last row. Also gives the number of removals of persons
        who never were on the roster, which do nothing and are no fault.
        """
        await self._connection.execute(statement("roster_staged"))
        refused = await self._conflicts("roster_contradictions", "", "MA-6213")
        refused += await self._conflicts("roster_shared_cards", _CARD, "MA-6214")
        lost = await self._connection.fetch(statement("roster_lost_removals"))
        known = [(row["line"], row["person"]) for row in lost if row["is_known"]]
        refused += await self._keep(known, "valid_from", "MA-6215")
        # Whoever is kept stays an owner of cards, so each round may add conflicts.
        while taken := await self._conflicts(
            "roster_taken_cards", _CARD, "MA-6214", self._day, self._is_full
        ):
            refused += taken
        return refused, len(lost) - len(known)

    async def merge(
        self, *, refused: int, removals_without_effect: int, imported_at: datetime
    ) -> RosterCounts:
        """Bring windows and cards to the file's state, and move the head."""
        version = self.manifest.version
        ended = await self._count("roster_end_removed", self._day, version)
        if self._is_full:
            ended += await self._count("roster_end_absent", self._day, version)
        upserted = await self._count("roster_upsert_windows", version)
        await self._count("roster_upsert_cards")
        changed = await self._connection.fetchval(statement("roster_count_touched"))
        counts = RosterCounts(
            rows=self.manifest.rows,
            refused=refused,
            persons_changed=changed,
            windows_upserted=upserted,
            windows_ended=ended,
            removals_without_effect=removals_without_effect,
        )
        await self._post(counts, imported_at)
        return counts

    @property
    def _is_full(self) -> bool:
        return self.manifest.is_full

    async def _conflicts(
        self, name: str, column: str, reason: str, *arguments: date | bool
    ) -> list[RefusedRow]:
        rows = await self._connection.fetch(statement(name), *arguments)
        found = [(row["line"], row["person"]) for row in rows]
        return await self._keep(found, column, reason)

    async def _keep(
        self, found: list[tuple[int, bytes]], column: str, reason: str
    ) -> list[RefusedRow]:
        persons = [person for _, person in found]
        if persons:
            await self._connection.execute(statement("roster_keep"), persons)
        return [RefusedRow(line, column, reason, person) for line, person in found]

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
        )
    if not manifest.is_full and manifest.previous_version != head.version:
        raise RosterRefusedError(
            "MA-6108",
            f"the delta changes version {manifest.previous_version},"
            f" the current one is {head.version}",
        )
    if head.as_of is not None and manifest.as_of < head.as_of:
        raise RosterRefusedError(
            "MA-6109",
            f"as_of {manifest.as_of.isoformat()} lies before the current"
            f" {head.as_of.isoformat()}",
        )
