"""Statistics for whoever calls: a facility its own alone, the others all of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Protocol

from settlement.domain.errors import RequestRefused
from settlement.service.aid_statistics import (
    Bounds,
    Statistics,
    StatisticsQuery,
    read_statistics,
)
from settlement.service.ports import Answer, Caller
from settlement.store.database import Database
from settlement.store.exporting import facility_no
from settlement.store.find import reading_faults

#: Half of what the edge waits for an answer. A stretch that takes longer is counted
#: in pieces, or by the command on the gateway's machine.
BOUNDS = Bounds(within_ms=5_000, most_rows=2_000)


class StatisticsRenderer(Protocol):
    """Makes the JSON; the wire's names live at the edge."""

    def statistics(self, found: Statistics) -> bytes:
        """The answer as one JSON object."""
        ...


class AskStatistics:
    """The use case. It shares the pool with everybody else and takes little of it."""

    def __init__(self, database: Database, renderer: StatisticsRenderer) -> None:
        """One question at a time in each worker: the others wait outside the pool."""
        self._database = database
        self._renderer = renderer
        self._turn = asyncio.Semaphore(1)

    async def __call__(self, caller: Caller, query: StatisticsQuery) -> Answer:
        """Answer 200. Nothing per person is in it.

        Raises MA-4101 for a facility that is unknown, or another than the one that
        asks; MA-1102 for an answer that would be too large; MA-5101 for one that
        takes too long.
        """
        if caller.role == "facility":
            if query.facility not in (None, caller.party_code):
                raise RequestRefused("MA-4101")
            query = replace(query, facility=caller.party_code)
        with reading_faults():
            async with self._turn:
                facility_id = await self._facility_id(caller, query.facility)
                found = await read_statistics(
                    self._database, query, facility_id=facility_id, bounds=BOUNDS
                )
        return Answer(200, await asyncio.to_thread(self._renderer.statistics, found))

    async def _facility_id(self, caller: Caller, code: str | None) -> int | None:
        if caller.role == "facility":
            return caller.party_id
        if code is None:
            return None
        number = await facility_no(self._database, code)
        if number is None:
            raise RequestRefused("MA-4101")
        return number
