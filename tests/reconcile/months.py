"""A month that was settled for real, and what tests do with it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from crypto.approval import Purpose, approve
from crypto.keys import Role, SigningKey
from settlement.domain.matching import Tally
from settlement.service.reconcile.bureau import BureauView
from settlement.service.reconcile.closing import Signing, prepare, sign
from settlement.service.reconcile.matching import Matched, NewList, match_month
from settlement.service.reconcile.months import open_month, require_opened
from settlement.store.database import Database
from settlement.store.hospital_lists import RawLine
from tests.settlement.house import ORIGIN, House, bill, body, open_house

JANUARY, FEBRUARY = 202601, 202602
#: The last instant of January in Shanghai, and the first of February.
LAST = datetime(2026, 1, 31, 15, 59, 59, 999000, tzinfo=UTC)
FIRST = datetime(2026, 1, 31, 16, 0, 0, tzinfo=UTC)


@dataclass
class Settled:
    """One settlement as the hospital keeps it."""

    id: bytes
    key: str
    visit_no: str
    total_fen: int
    aid_fen: int


@dataclass
class Months:
    """A gateway with two hospitals and two officers."""

    house: House
    officers: dict[str, SigningKey] = field(default_factory=dict)
    _lists: int = 0

    @property
    def database(self) -> Database:
        """Where it is stored."""
        return self.house.database

    async def settle(
        self, at: datetime | None = None, facility: int = 1, card: str = "C00000001"
    ) -> Settled:
        """Settle one bill at an instant."""
        # Long before each month, so that the date is never ahead.
        sent = bill(card)
        key = f"k-{sent.visit_no}"
        answer = body(
            await self.house.settle(sent, key, facility=facility, settled_at=at)
        )
        assert answer["decision"] == "approved", answer["reason"]
        identity = bytes.fromhex(answer["settlement_id"])
        return Settled(identity, key, sent.visit_no, sent.total_fen, answer["aid_fen"])

    async def reverse(
        self, settled: Settled, at: datetime | None = None, facility: int = 1
    ) -> bytes:
        """Take one back at an instant."""
        before, self.house.now = self.house.now, at or self.house.now
        try:
            answer = body(
                await self.house.reverse(
                    facility=facility, settlement_id=settled.id.hex()
                )
            )
        finally:
            self.house.now = before
        assert answer["state"] == "reversed"
        return bytes.fromhex(answer["reversal_id"])

    async def open(self, month: int = JANUARY) -> int:
        """Open a month; its cut."""
        return (await open_month(self.database, month, by="test")).tree_size

    async def match(
        self,
        lines: Iterable[RawLine] | None = None,
        *,
        month: int = JANUARY,
        code: str = "H001",
        with_bureau: bool = False,
    ) -> Matched:
        """Match a month, with a new list or with what is there."""
        new_list = None
        if lines is not None:
            self._lists += 1
            new_list = listing(lines, f"list {self._lists}")
        async with self.database.pool.acquire() as session:
            if with_bureau:
                view = BureauView(self.house.opening, self.house.trust)
                cut = await require_opened(session, month)
                await view.read(session, cut, lambda _count: None)
            return await match_month(
                session,
                month,
                code,
                by="test",
                new_list=new_list,
                with_bureau=with_bureau,
            )

    async def sign(
        self, officer: str, *, month: int = JANUARY, code: str = "H001"
    ) -> Signing:
        """Sign the statement as it stands."""
        key = self.officers[officer]
        ready = await prepare(
            self.database, month, code, origin=ORIGIN, without_list=True
        )
        return await sign(
            self.database,
            month,
            code,
            origin=ORIGIN,
            key_id=key.public.kid,
            signature=approve(ready.statement, key, Purpose.MONTH_STATEMENT),
            without_list=True,
        )

    async def close(self, *, month: int = JANUARY, code: str = "H001") -> Signing:
        """Close a month by both officers."""
        await self.sign("li", month=month, code=code)
        return await self.sign("wang", month=month, code=code)


def listing(lines: Iterable[RawLine], name: str) -> NewList:
    """Lines as a hospital's file."""

    async def pieces() -> AsyncIterator[list[RawLine]]:
        yield list(lines)

    sha256 = hashlib.sha256(name.encode()).hexdigest()
    return NewList(sha256, lambda: "test", pieces())


def line_of(settled: Settled, number: int = 1, *, refund: bool = False) -> RawLine:
    """A settlement as the hospital lists it."""
    sign = -1 if refund else 1
    return RawLine(
        number,
        settled.id,
        settled.id.hex(),
        settled.visit_no,
        "",
        sign * settled.total_fen,
        sign * settled.aid_fen,
        refund,
    )


def lines_of(*settled: Settled) -> list[RawLine]:
    """All of them, line by line."""
    return [line_of(each, number) for number, each in enumerate(settled, start=1)]


def kinds_of(matched: Matched) -> dict[str, int]:
    """What differs."""
    assert sum(matched.kinds.values()) == matched.tally.differences
    return matched.kinds


def net_of(tally: Tally) -> tuple[int, int]:
    """What the ledger counts: settlements, and aid in fen."""
    return tally.gateway.count, tally.gateway.aid_fen


@asynccontextmanager
async def open_months(database: Database, folder: Path) -> AsyncIterator[Months]:
    """A gateway whose hospitals are H001 and H002, with the officers li and wang."""
    async with open_house(database, folder) as house:
        await house.enrol("C00000001")
        months = Months(house)
        async with database.pool.acquire() as session:
            for code in ("H001", "H002"):
                await session.execute(
                    "INSERT INTO party (code, role, name, level, created_at)"
                    " VALUES ($1, 'facility', $2, 1, now())",
                    code,
                    f"医院 {code}",
                )
            for code in ("li", "wang"):
                key = SigningKey.generate(Role.PARTY, os.urandom)
                months.officers[code] = key
                await session.execute(
                    "WITH made AS (INSERT INTO party (code, role, name, created_at)"
                    " VALUES ($1, 'officer', $1, now()) RETURNING id)"
                    " INSERT INTO party_key (key_id, party_id, alg, public_key,"
                    " not_before) SELECT $2, id, 'ed25519', $3, now() FROM made",
                    code,
                    key.public.kid,
                    key.public.public_bytes,
                )
        yield months
