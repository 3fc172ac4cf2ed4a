"""Alerts for whoever calls: the queue, one case, and working it off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import orjson

from gateway.alert_documents import alert_document, case_document, opened_document
from gateway.alert_events import stream_event
from settlement.domain.bill import BillFault
from settlement.domain.errors import RequestRefused
from settlement.service.ports import Answer
from settlement.service.watch import work
from settlement.service.watch.delivery import AlertHub
from settlement.service.watch.work import AlertSearch
from settlement.store.errors import CommitUnknownError, StoreUnavailableError
from settlement.store.find import reading_faults
from settlement.store.transaction import committed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from gateway.wire_alerts import WantedAlerts, WantedCases
    from settlement.service.ports import Caller
    from settlement.store.database import Connection, Database, Session

#: Questions at the same time in each worker: the others wait outside of the pool,
#: which belongs to the desk.
_AT_ONCE = 2
_AWAY = "MA-5105"
_NOT_FOUND = "MA-4101"
_UNKNOWN = "MA-5107"


class Alerts:
    """The use cases of one worker. All raise `RequestRefused`."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        """`now`: the wall clock."""
        self._database = database
        self._now = now
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self.hub = AlertHub(database, stream_event)

    async def page(self, wanted: WantedAlerts) -> Answer:
        """A page of the queue, in the order in which alerts were raised; 200."""
        search = AlertSearch(
            states=wanted.states,
            case_id=wanted.case_id,
            detector=wanted.detector,
            after=wanted.after,
            limit=wanted.limit + 1,
        )
        async with self._reading() as session:
            found = await work.list_alerts(session, search)
        return await _answer(lambda: _page(found, wanted.limit))

    async def alert(self, alert_id: bytes) -> Answer:
        """One alert, whatever its state; MA-4101 where there is none."""
        async with self._reading() as session:
            found = await work.list_alerts(session, AlertSearch(alert_id=alert_id))
        if not found:
            raise RequestRefused(_NOT_FOUND)
        return await _answer(lambda: alert_document(found[0]))

    async def cases(self, wanted: WantedCases) -> Answer:
        """Cases, the strongest first; 200."""
        async with self._reading() as session:
            found = await work.list_cases(session, wanted.states, limit=wanted.limit)
        return await _answer(lambda: {"items": [case_document(each) for each in found]})

    async def case(self, case_id: bytes) -> Answer:
        """A case with its alerts, claims and history; MA-4108 where there is none."""
        async with self._reading() as session:
            opened = await work.open_case(session, case_id)
        return await _answer(lambda: opened_document(opened))

    async def assign(
        self, caller: Caller, case_id: bytes, to: str, note: str
    ) -> Answer:
        """Say who works on a case; MA-4108, MA-4109."""

        async def step(session: Session) -> dict[str, Any]:
            by, at = who(caller), self._now()
            await work.assign(session, case_id, to, by=by, at=at, note=note)
            return {}

        return await self._work(case_id, step)

    async def confirm(
        self,
        caller: Caller,
        case_id: bytes,
        note: str,
        recover: Sequence[bytes] | None,
    ) -> Answer:
        """It was misuse; aid of `recover`, or of all claims, is asked back.

        MA-4108, MA-4109; MA-1102 for a settlement that is not of the case.
        """

        async def step(session: Session) -> dict[str, Any]:
            wanted = await _of_case(session, case_id, recover)
            ordered = await work.confirm(
                *(session, case_id),
                by=who(caller),
                at=self._now(),
                note=note,
                recover=wanted,
            )
            return {
                "recoveries": [
                    {"settlement_id": settlement.hex(), "aid_fen": aid_fen}
                    for settlement, aid_fen in ordered
                ]
            }

        return await self._work(case_id, step)

    async def dismiss(self, caller: Caller, case_id: bytes, note: str) -> Answer:
        """It was honest; MA-4108, MA-4109."""

        async def step(session: Session) -> dict[str, Any]:
            by, at = who(caller), self._now()
            silent = await work.dismiss(session, case_id, by=by, at=at, note=note)
            return {"muted": sorted(detector for detector, _ in silent)}

        return await self._work(case_id, step)

    async def _work(
        self,
        case_id: bytes,
        step: Callable[[Session], Awaitable[dict[str, Any]]],
    ) -> Answer:
        """One step, and the case as it stands then, in one database transaction."""
        try:
            async with (
                self._reading() as session,
                committed(cast("Connection", session)),
            ):
                done = await step(session)
                (case,) = await work.list_cases(session, case_id=case_id)
        except CommitUnknownError:
            # The case says which: it is looked at, or the step is sent again.
            raise RequestRefused(_UNKNOWN) from None
        except StoreUnavailableError as away:
            raise RequestRefused(_AWAY) from away
        told = {"case": case_document(case), "recoveries": [], "muted": []} | done
        return Answer(200, orjson.dumps(told))

    def _reading(self) -> AbstractAsyncContextManager[Session]:
        return _in_turn(self._turn, self._database)


@asynccontextmanager
async def _in_turn(
    turn: asyncio.Semaphore, database: Database
) -> AsyncIterator[Session]:
    """A connection; faults of the database are MA-5101 and MA-5105."""
    with reading_faults():
        async with turn, database.pool.acquire() as session:
            yield session


def who(caller: Caller) -> str:
    """Who acts, in a case's history: the party and its operator's opaque id."""
    return f"{caller.party_code}/{caller.operator}"


async def _of_case(
    session: Session, case_id: bytes, wanted: Sequence[bytes] | None
) -> list[bytes]:
    """The settlements whose aid is asked back; all of the case where none is named."""
    claims = [claim.id for claim in (await work.open_case(session, case_id)).claims]
    if wanted is None:
        return claims
    known = set(claims)
    strange = [place for place, each in enumerate(wanted) if each not in known]
    if strange:
        faults = tuple(BillFault(f"recover[{place}]", "MA-1123") for place in strange)
        raise RequestRefused("MA-1102", faults=faults)
    return list(wanted)


def _page(found: Sequence[work.ListedAlert], limit: int) -> dict[str, Any]:
    shown = found[:limit]
    return {
        "items": [alert_document(each) for each in shown],
        "next": shown[-1].no if len(found) > limit else None,
    }


async def _answer(document: Callable[[], dict[str, Any]]) -> Answer:
    """Made beside the event loop: a page of alerts is a megabyte."""
    return Answer(200, await asyncio.to_thread(lambda: orjson.dumps(document())))
