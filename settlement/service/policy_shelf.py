"""The packs in use, compiled once, with the numbers the database knows them by."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from settlement.domain.bill import Bill
from settlement.domain.errors import FatalError, RequestRefused
from settlement.domain.policy import (
    CompiledPack,
    PolicyBook,
    PolicyError,
    compile_pack,
)
from settlement.service.policy_approvals import lacks_approval
from settlement.service.ports import InstalledPack
from settlement.store.database import Database
from settlement.store.errors import (
    BatchConflictError,
    BatchRefusedError,
    StoreUnavailableError,
)
from settlement.store.policies import PackRow, packs_state, read_packs
from settlement.store.transaction import our_errors

#: How often a running gateway looks whether a pack was activated.
LOOK_EVERY_S = 1.0
#: A worker that has not looked for so long settles no more: it may have missed an
#: activation, and two workers would decide one bill differently.
STALE_AFTER_S = 5.0

_log = logging.getLogger(__name__)


class _InUse(NamedTuple):
    """The packs of one state of the database, and their numbers by hash."""

    book: PolicyBook
    numbers: dict[str, int]


class PolicyShelf:
    """Satisfies `settlement.service.ports.PolicyBook`; swapped whole on a change."""

    def __init__(self, installed: Sequence[PackRow], *, sandbox: bool) -> None:
        """Compile every pack; raises as `replace` does."""
        self._sandbox = sandbox
        self._compiled: dict[str, CompiledPack] = {}
        self.fault: str | None = None
        """Why the newest state could not be taken, or `None`; the older one holds."""
        self._fresh_until: float | None = None
        self.replace(installed)

    def replace(self, installed: Sequence[PackRow]) -> None:
        """Use these packs from now on.

        Raises `PolicyError`, and `FatalError` for altered bytes and for an active
        pack that officers have not approved; then nothing has changed.
        """
        packs, numbers = [], {}
        for row in installed:
            pack = self._compile(row)
            why = lacks_approval(row, pack, sandbox=self._sandbox)
            if why is not None:
                raise FatalError(why)
            packs.append((pack, row.known_since))
            numbers[pack.ref.sha256] = row.no
        # In one assignment: it may be a thread that compiles, beside the event loop.
        self._in_use = _InUse(PolicyBook(packs), numbers)
        self.fault = None

    def _compile(self, row: PackRow) -> CompiledPack:
        pack = self._compiled.get(row.sha256)
        if pack is None or pack.ref.sha256 != row.sha256:
            pack = compile_pack(row.document)
            self._compiled[pack.ref.sha256] = pack
        if pack.ref.sha256 != row.sha256:
            raise FatalError(f"policy pack {row.no} differs from its stored hash")
        return pack

    def looked(self, now: float) -> None:
        """Nothing was missed until `now`, on the event loop's clock."""
        self._fresh_until = now + STALE_AFTER_S

    def require_fresh(self, now: float) -> None:
        """Raise MA-5105 where an activation may have been missed.

        For what binds; questions are answered from the packs in use.
        """
        if self._fresh_until is not None and now > self._fresh_until:
            raise RequestRefused("MA-5105", retry_after_s=2)

    @property
    def is_empty(self) -> bool:
        """Whether no pack is in use at all."""
        return not self._in_use.numbers

    def in_force(self, bill: Bill, known_at: datetime) -> InstalledPack:
        """Of the packs in force for the bill, the latest known; else MA-5106."""
        book, numbers = self._in_use
        pack = book.in_force(bill, known_at)
        return InstalledPack(numbers[pack.ref.sha256], pack)

    def in_force_on(self, day: date, known_at: datetime) -> InstalledPack:
        """The same for a day without a bill."""
        book, numbers = self._in_use
        pack = book.in_force_on(day, known_at)
        return InstalledPack(numbers[pack.ref.sha256], pack)


async def follow_packs(shelf: PolicyShelf, database: Database) -> None:
    """Take over what is activated while the gateway runs, for ever.

    What cannot be taken over stands in `shelf.fault` and in the log; the packs in
    use go on to be used, because a pack once applied stays right for its dates.
    """
    loop = asyncio.get_running_loop()
    seen: tuple[int, int] | None = None
    while True:
        began = loop.time()
        try:
            with our_errors():
                state = await packs_state(database)
                if state != seen:
                    rows = await read_packs(database)
                    await asyncio.to_thread(shelf.replace, rows)
                    seen = state
            shelf.looked(began)
        except (StoreUnavailableError, BatchConflictError, BatchRefusedError):
            pass  # the next look tries again; `require_fresh` watches over it
        except (FatalError, PolicyError) as fault:
            if shelf.fault is None:
                _log.error("policy.refused", extra={"fault": type(fault).__name__})
            shelf.fault = str(fault).splitlines()[0]
            shelf.looked(began)
        await asyncio.sleep(LOOK_EVERY_S)
