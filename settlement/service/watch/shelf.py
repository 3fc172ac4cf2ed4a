"""The alert rules in use, read once, with the numbers the database knows them by."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from settlement.domain.watch.changes import subject_digest
from settlement.domain.watch.rules import AlertRules, RulesError, in_force, read_rules
from settlement.domain.watch.signal import Signal
from settlement.store.alert_rules import RulesRow, read_rules_rows, rules_state
from settlement.store.alerts import all_muted
from settlement.store.errors import (
    BatchConflictError,
    BatchRefusedError,
    StoreUnavailableError,
)
from settlement.store.transaction import our_errors

if TYPE_CHECKING:
    from settlement.store.database import Database, Session

#: How often a running process looks whether rules were changed.
LOOK_EVERY_S = 1.0

_log = logging.getLogger(__name__)


class RulesInUse(NamedTuple):
    """One document and its number."""

    no: int
    rules: AlertRules


class RulesShelf:
    """Swapped whole on a change. Without any rules nothing is detected."""

    def __init__(self, rows: Sequence[RulesRow] = ()) -> None:
        """Read every document; raises `RulesError` for one that cannot be read."""
        self._muted: frozenset[tuple[str, bytes]] = frozenset()
        self.replace(rows)

    def replace(self, rows: Sequence[RulesRow]) -> None:
        """Use these from now on; raises `RulesError`, and then nothing has changed."""
        known: list[tuple[AlertRules, datetime]] = []
        numbers: dict[str, int] = {}
        for row in rows:
            if row.active:
                rules = read_rules(row.document)
                known.append((rules, row.known_since))
                numbers[rules.sha256] = row.no
        self._known, self._numbers = known, numbers

    def mute(self, pairs: Collection[tuple[str, bytes]]) -> None:
        """From now on these detectors are silent about these subjects."""
        self._muted = frozenset(pairs)

    def is_muted(self, signal: Signal) -> bool:
        """Whether staff have dismissed the detector about the subject twice."""
        return (signal.detector, subject_digest(signal.subject)) in self._muted

    def in_force(self, day: date, known_at: datetime) -> RulesInUse | None:
        """Of those in force on the day, the latest known; `None` without any."""
        rules = in_force(self._known, day, known_at)
        return None if rules is None else RulesInUse(self._numbers[rules.sha256], rules)


async def read_into(shelf: RulesShelf, session: Session) -> None:
    """Take over the documents and the muted pairs; raises `RulesError`."""
    shelf.mute(await all_muted(session))
    shelf.replace(await read_rules_rows(session))


async def read_rules_shelf(database: Database) -> RulesShelf:
    """The rules and muted pairs as they stand; raises `RulesError`."""
    shelf = RulesShelf()
    async with database.pool.acquire() as session:
        await read_into(shelf, session)
    return shelf


async def follow_rules(shelf: RulesShelf, database: Database) -> None:
    """Take over what changes while the process runs, for ever.

    What cannot be read is told in the log; the rules in use go on to be used.
    """
    seen: tuple[int, ...] | None = None
    state = seen
    while True:
        try:
            with our_errors():
                async with database.pool.acquire() as session:
                    state = await rules_state(session)
                    if state != seen:
                        await read_into(shelf, session)
                        seen = state
        except (StoreUnavailableError, BatchConflictError, BatchRefusedError):
            pass  # the next look tries again
        except RulesError as fault:
            _log.error("alerts.rules_refused", extra={"fault": type(fault).__name__})
            seen = state
        await asyncio.sleep(LOOK_EVERY_S)
