"""The alert rules in use, read once, with the numbers the database knows them by."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from settlement.domain.watch.changes import subject_digest
from settlement.domain.watch.detecting import reach_days, reach_of
from settlement.domain.watch.rules import (
    Action,
    AlertRules,
    RulesError,
    in_force,
    read_rules,
)
from settlement.domain.watch.seen import WATCHED_REASONS
from settlement.domain.watch.signal import Signal, SubjectKind
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
#: What keeps a claim from being settled.
_BLOCKING = frozenset({Action.DENY, Action.HOLD})

_log = logging.getLogger(__name__)


class RulesInUse(NamedTuple):
    """One document, its number, and how far its detectors look."""

    no: int
    rules: AlertRules
    reach: Mapping[SubjectKind, timedelta]
    """Before and behind a claim; whole days but for operators."""
    blocks: bool
    """Whether a detector about persons may keep a claim from being settled."""
    watched_reasons: frozenset[str]
    """Of declines that count as visits or that a detector asks about."""


def _in_use(no: int, rules: AlertRules) -> RulesInUse:
    reach = {
        kind: timedelta(days=reach_days(kind, rules))
        for kind in (SubjectKind.PERSON, SubjectKind.HOUSEHOLD)
    }
    reach[SubjectKind.OPERATOR] = reach_of(SubjectKind.OPERATOR, rules)
    blocks = any(
        rules.detectors[detector.name].action in _BLOCKING for detector in rules.at_desk
    )
    reasons = WATCHED_REASONS | rules.reading.counted_declines
    return RulesInUse(no, rules, reach, blocks, reasons)


class RulesShelf:
    """Swapped whole on a change. Without any rules nothing is detected."""

    def __init__(self, rows: Sequence[RulesRow] = ()) -> None:
        """Read every document; raises `RulesError` for one that cannot be read."""
        self._muted: frozenset[tuple[str, bytes]] = frozenset()
        #: What the database said when it was last read.
        self.seen: tuple[int, ...] | None = None
        self.replace(rows)

    def replace(self, rows: Sequence[RulesRow]) -> None:
        """Use these from now on; raises `RulesError`, and then nothing has changed."""
        known: list[tuple[AlertRules, datetime]] = []
        in_use: dict[str, RulesInUse] = {}
        for row in rows:
            if row.active:
                rules = read_rules(row.document)
                known.append((rules, row.known_since))
                in_use[rules.sha256] = _in_use(row.no, rules)
        self._known, self._in_use = known, in_use

    def mute(self, pairs: Collection[tuple[str, bytes]]) -> None:
        """From now on these detectors are silent about these subjects."""
        self._muted = frozenset(pairs)

    def is_muted(self, signal: Signal) -> bool:
        """Whether staff have dismissed the detector about the subject twice."""
        return (signal.detector, subject_digest(signal.subject)) in self._muted

    def in_force(self, day: date, known_at: datetime) -> RulesInUse | None:
        """Of those in force on the day, the latest known; `None` without any."""
        rules = in_force(self._known, day, known_at)
        return None if rules is None else self._in_use[rules.sha256]


async def refresh(shelf: RulesShelf, session: Session) -> None:
    """Take over documents and muted pairs where they have changed.

    Documents that cannot be read are told in the log, once; those in use go on to be
    used.
    """
    state = await rules_state(session)
    if state == shelf.seen:
        return
    shelf.mute(await all_muted(session))
    shelf.seen = state
    try:
        shelf.replace(await read_rules_rows(session))
    except RulesError as fault:
        _log.error("alerts.rules_refused", extra={"fault": type(fault).__name__})


async def read_rules_shelf(database: Database) -> RulesShelf:
    """The rules and muted pairs as they stand; what cannot be read is left out."""
    shelf = RulesShelf()
    async with database.pool.acquire() as session:
        await refresh(shelf, session)
    return shelf


async def follow_rules(shelf: RulesShelf, database: Database) -> None:
    """Take over what changes while the process runs, for ever."""
    while True:
        try:
            with our_errors():
                async with database.pool.acquire() as session:
                    await refresh(shelf, session)
        except (StoreUnavailableError, BatchConflictError, BatchRefusedError):
            pass  # the next look tries again
        await asyncio.sleep(LOOK_EVERY_S)
