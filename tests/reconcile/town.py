"""Two hospitals with real settlements that call the gateway about their months."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import orjson
from pydantic import BaseModel

from crypto.keys import Role, SigningKey
from gateway import wire_month_answers as out
from settlement.store.database import Database
from tests.gateway.desk import ControlledUseCases, RunningEdge, register, running_edge
from tests.reconcile.months import Months, Settled
from tests.settlement.house import open_house

OVERSEERS = ("bureau", "officer", "auditor")
HOSPITALS = ("H001", "H002")
#: What each call answers, by the end of its address.
_SHAPES: dict[str, type[BaseModel]] = {
    "totals": out.TotalsOut,
    "list": out.ListMatchedOut,
    "differences": out.DifferencesOut,
    "statement": out.StatementOut,
}


@dataclass
class Town:
    """A gateway that listens, and everybody who may ask it."""

    months: Months
    edge: RunningEdge
    folder: Path
    bearers: dict[str, str] = field(default_factory=dict)

    async def ask(
        self, who: str, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, Any]:
        """Status and document; whatever succeeds holds to its description."""
        content = body if isinstance(body, bytes | None) else orjson.dumps(body)
        address = f"/v1/reconciliation/{path}"
        headers["Authorization"] = self.bearers[who]
        status, document, _ = await self.edge.ask(method, address, content, **headers)
        if status == 200:
            name = path.partition("?")[0].rpartition("/")[2]
            shape = _SHAPES.get(name, out.MonthOut)
            shape.model_validate_json(orjson.dumps(document), strict=True)
        return status, document

    async def upload(
        self,
        content: bytes,
        period: str = "2026-01-05",
        who: str = "H001",
        kind: str = "text/plain",
    ) -> tuple[int, Any]:
        """Send a list."""
        return await self.ask(who, "POST", f"{period}/list", content, Content_Type=kind)

    async def kept_lists(self) -> int:
        """Lists and differences in the books."""
        count: int = await self.months.database.pool.fetchval(
            "SELECT (SELECT count(*) FROM hospital_list)"
            " + (SELECT count(*) FROM hospital_line)"
            " + (SELECT count(*) FROM difference)"
            " + (SELECT count(*) FROM month_match)"
        )
        return count


@asynccontextmanager
async def open_town(
    database: Database, folder: Path, **options: Any
) -> AsyncIterator[Town]:
    """Hospitals, overseers and two officers who sign; `options` of the listener."""
    async with open_house(database, folder) as house:
        await house.enrol("C00000001")
        months = Months(house)
        keys = {code: await register(database, code) for code in HOSPITALS}
        for role in OVERSEERS:
            keys[role] = await register(database, role, role)
        for code in ("li", "wang"):
            key = SigningKey.generate(Role.PARTY, os.urandom)
            months.officers[code] = key
            await register(database, code, "officer", key=key)
        calls = cast("ControlledUseCases", house.gateway)
        async with running_edge(database, calls, **options) as edge:
            town = Town(months, edge, folder)
            for code, made in keys.items():
                town.bearers[code] = await edge.bearer(made)
            yield town


def yuan(fen: int) -> str:
    """As hospitals write amounts."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def row_of(settled: Settled, *, refund: bool = False, **other: Any) -> list[str]:
    """A settlement in the columns of 3202; `other`: what the hospital has instead."""
    sign = -1 if refund else 1
    total_fen = other.get("total_fen", settled.total_fen)
    return [
        other.get("id", settled.id.hex()),
        settled.visit_no,
        "null",
        yuan(sign * total_fen),
        yuan(sign * settled.aid_fen),
        "null",
        "1" if refund else "0",
    ]


def text_of(*rows: list[str], between: str = "\t") -> bytes:
    """The rows as a text."""
    return "".join(between.join(row) + "\n" for row in rows).encode()


def by_kind(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The differences by their kinds, of which each stands once."""
    found = {each["kind"]: each for each in document["differences"]}
    assert len(found) == len(document["differences"])
    return found
