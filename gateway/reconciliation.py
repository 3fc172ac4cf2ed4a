"""Reconciliation for whoever calls: a facility its own alone, the others all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from gateway.list_order import ListOrder
from gateway.list_runner import ListRunner
from gateway.reconcile_documents import (
    page_document,
    state_document,
    statement_document,
    totals_document,
)
from settlement.domain.errors import RequestRefused
from settlement.service.ports import Answer
from settlement.service.reconcile.daily import compare_days
from settlement.service.reconcile.statements import closed_statement
from settlement.service.reconcile.working import list_differences, month_state
from settlement.store.exporting import facility_no
from settlement.store.find import reading_faults

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import date

    from gateway.wire_reconciliation import Period, WantedDifferences
    from settlement.service.ports import Caller
    from settlement.service.reconcile.daily import AskedTotals
    from settlement.store.database import Database

_T = TypeVar("_T")
#: Questions about whole months at the same time in each worker: the others wait
#: outside of the pool, which belongs to the desk.
_AT_ONCE = 2
_NOT_FOUND = "MA-4101"


class Reconciliation:
    """The use cases of one worker."""

    def __init__(
        self, database: Database, data_dir: Path, runner: ListRunner | None = None
    ) -> None:
        """`data_dir`: lists lie in its folder `run` while they are read."""
        self._database = database
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self.lists = runner or ListRunner()
        self.list_folder = data_dir / "run"

    async def totals(self, caller: Caller, asked: AskedTotals) -> Answer:
        """A facility's own totals beside ours."""
        found = await self.in_turn(compare_days(self._database, caller.party_id, asked))
        return await _answer(totals_document, found)

    async def match_list(
        self,
        caller: Caller,
        period: Period,
        fd: int,
        *,
        today: date,
        is_wanted: Callable[[], bool],
    ) -> Answer:
        """A facility's list matched; of an opened month, kept too."""
        order = ListOrder(
            dsn=self._database.dsn,
            fd=fd,
            facility=caller.party_code,
            period=period.name,
            operator=caller.operator,
            today=f"{today}",
        )
        return await self.lists.match(order, is_wanted)

    async def month(self, caller: Caller, month: int, facility: str | None) -> Answer:
        """How a month stands; raises MA-4101 and MA-4201."""
        number = await self._facility_id(caller, facility)
        found = await self.in_turn(month_state(self._database, month, number))
        return await _answer(state_document, found)

    async def differences(
        self, caller: Caller, month: int, wanted: WantedDifferences
    ) -> Answer:
        """A page of the month's differences; raises MA-4101 and MA-4201."""
        number = await self._facility_id(caller, wanted.facility)
        told = await self.in_turn(
            list_differences(
                self._database,
                month,
                number,
                states=wanted.states,
                after=wanted.after,
                limit=wanted.limit + 1,
            )
        )
        return await _answer(page_document, month, told, wanted.limit)

    async def statement(
        self, caller: Caller, month: int, facility: str | None
    ) -> Answer:
        """A closed statement as signed; raises MA-4101, MA-4201 and MA-4213."""
        number = await self._facility_id(caller, facility)
        if number is None:
            # It is one hospital's; which one, an overseer says.
            raise RequestRefused(_NOT_FOUND)
        found = await self.in_turn(closed_statement(self._database, month, number))
        return await _answer(statement_document, month, found)

    async def in_turn(self, reading: Coroutine[Any, Any, _T]) -> _T:
        """A read of whole days or months: few at once, the pool belongs to the desk.

        Raises MA-5101 and MA-5105.
        """
        try:
            with reading_faults():
                async with self._turn:
                    return await reading
        finally:
            # Of a caller who has gone before its turn came, nothing was begun.
            reading.close()

    async def _facility_id(self, caller: Caller, code: str | None) -> int | None:
        """Whose; `None` for all. Another's is as unknown as one that never was."""
        if caller.role == "facility":
            if code not in (None, caller.party_code):
                raise RequestRefused(_NOT_FOUND)
            return caller.party_id
        if code is None:
            return None
        number = await self.in_turn(facility_no(self._database, code))
        if number is None:
            raise RequestRefused(_NOT_FOUND)
        return number


async def _answer(document: Callable[..., dict[str, Any]], *found: object) -> Answer:
    """Made beside the event loop: a page of differences is a megabyte."""
    return Answer(200, await asyncio.to_thread(_rendered, document, found))


def _rendered(
    document: Callable[..., dict[str, Any]], found: tuple[object, ...]
) -> bytes:
    return orjson.dumps(document(*found))
