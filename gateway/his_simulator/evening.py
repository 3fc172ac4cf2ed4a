"""The end of a hospital's day: 3201 for each kind, and 3202 where it is not flat.

A difference is mended only where the hospital knows why it is there: a 2207 that its
log holds under another msgid than was sent. Any other is a finding, and stays.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from gateway.his.money import yuan_of
from gateway.his_simulator.books import Outcome
from gateway.his_simulator.desk import Desk
from gateway.his_simulator.faults import Fault
from gateway.his_simulator.messages import Answer, NoEnvelope
from gateway.his_simulator.people import AREA, EMPLOYEES, RESIDENTS
from gateway.his_simulator.plan import Visit
from gateway.his_simulator.settling import GAVE_UP, reverse
from gateway.his_simulator.statement import (
    FLAT,
    PLATFORM_MORE,
    Difference,
    file_number,
    packed_file,
    read_differences,
    rows_file,
)

#: Every kind is asked for: one that only the gateway knows of would stay unseen.
KINDS = tuple((insutype, clr) for insutype in (EMPLOYEES, RESIDENTS)
              for clr in ("11", "21"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Statement:
    """What came of one kind."""

    insutype: str
    clr_type: str
    first: str
    """`stmt_rslt` of the first 3201; empty where it was not answered."""
    last: str
    """The same after 3202, where there was need of it."""
    mended: int
    """Differences that a 2601 has put right."""

    @property
    def is_flat(self) -> bool:
        """At last."""
        return self.last == FLAT


class Evening:
    """One hospital's."""

    def __init__(
        self, desk: Desk, visits: Mapping[str, Visit], days: tuple[date, date],
        at: datetime,
    ) -> None:  # fmt: skip
        """`visits` by mdtrt_id; `days` are those on which may have been settled."""
        self._desk = desk
        self._visits = visits
        self._days = days
        self._at = at

    async def close(self) -> list[Statement]:
        """3201 of every kind; of what is not flat once more after 3202."""
        first = {kind: await self._total(*kind) for kind in KINDS}
        last, mended = dict(first), Counter[tuple[str, str]]()
        if any(result != FLAT for result in first.values()):
            for difference in await self._differences():
                mended += await self._mend(difference)
            for kind, result in first.items():
                if result != FLAT:
                    last[kind] = await self._total(*kind)
        for (insutype, clr_type), result in last.items():
            if result != FLAT:
                self._desk.found(f"3201 of {insutype}/{clr_type} is not flat: {result}")
        return [
            Statement(*kind, first[kind], last[kind], mended[kind]) for kind in KINDS
        ]

    def _stretch(self) -> dict[str, str]:
        first, last = self._days
        return {
            "setl_optins": AREA,
            "stmt_begndate": first.isoformat(),
            "stmt_enddate": last.isoformat(),
        }

    async def _total(self, insutype: str, clr_type: str) -> str:
        data = {
            "insutype": insutype,
            "clr_type": clr_type,
            **self._stretch(),
            **self._desk.books.sums((insutype, clr_type)).fields(),
        }
        answer = await self._ask("3201", {"data": data})
        return f"{answer.node('stmtinfo').get('stmt_rslt') or ''}" if answer else ""

    async def _differences(self) -> list[Difference]:
        """9101 up, 3202, 9102 down; what does not work is a finding.

        All kinds at once: 3202 has no field that says which insurance is meant.
        """
        desk, code = self._desk, self._desk.client.fixmedins_code
        name = f"{code}{self._at:%Y%m%d}"
        upload = {
            "in": base64.b64encode(rows_file(name, desk.books.rows())).decode(),
            "filename": f"{name}.zip",
            "fixmedins_code": code,
        }
        sent = await self._ask("9101", {"fsUploadIn": upload})
        if sent is None:
            return []
        data = {
            **self._stretch(),
            **desk.books.sums().fields(),
            "file_qury_no": file_number(sent),
            "cash_payamt": yuan_of(desk.books.cash_fen),
        }
        made = await self._ask("3202", {"data": data})
        if made is None:
            return []
        info = made.node("fileinfo")
        download = {
            "file_qury_no": f"{info.get('file_qury_no') or ''}",
            "filename": f"{info.get('filename') or ''}",
            "fixmedins_code": code,
        }
        got = await self._ask("9102", {"fsDownloadIn": download})
        try:
            return [] if got is None else read_differences(packed_file(got))
        except NoEnvelope as fault:
            desk.found(f"9102: {fault}")
            return []

    async def _mend(self, difference: Difference) -> Counter[tuple[str, str]]:
        """Reverse what this hospital has given up under another number."""
        desk = self._desk
        visit = self._visits.get(difference.mdtrt_id)
        is_reversed = desk.books.outcomes.get(difference.mdtrt_id) is Outcome.REVERSED
        is_known = (
            visit is not None
            and visit.strike is not None
            and visit.strike.fault is Fault.MSGID_CHANGED
        )
        is_ours = difference.stmt_rslt == PLATFORM_MORE and is_reversed and is_known
        if visit is None or not is_ours or not difference.msgid:
            what = f"3202 names a difference, {difference.stmt_rslt}"
            desk.found(what, difference.mdtrt_id)
            return Counter()
        if await reverse(desk, visit, difference.msgid) is not GAVE_UP:
            return Counter()
        return Counter({(visit.person.insutype, visit.clr_type): 1})

    async def _ask(self, infno: str, given: Mapping[str, Any]) -> Answer | None:
        answer = await self._desk.read(infno, given, self._at)
        if answer is None:
            self._desk.found(f"{infno} was never answered")
            return None
        if not answer.is_done:
            self._desk.found(f"{infno} was refused: {answer.err_msg}")
            return None
        return answer
