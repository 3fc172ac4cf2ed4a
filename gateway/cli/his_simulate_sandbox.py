"""A sandbox gateway for one simulated day: hospitals, roster, what it has stored."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from gateway.demo.audit import BooksAudit, MonthAudit, audit_books, audit_months
from gateway.demo.district import DISTRICT, HOSPITALS, Hospital
from gateway.demo.parties import facility, register_facilities
from gateway.demo.sandbox import Sandbox, open_sandbox, serving
from gateway.his_simulator.clients import Client
from gateway.his_simulator.people import Person
from gateway.keyfiles import load_party_secret_key
from gateway.wiring import wall_clock

#: Commands side by side: each is a process of its own.
_AT_ONCE = 3
_MOST = 99


@dataclass(frozen=True, slots=True)
class OwnGateway:
    """A gateway that runs, the hospitals it lets in, and its folder."""

    url: str
    clients: tuple[Client, ...]
    sandbox: Sandbox


def roster_rows(people: Sequence[Person]) -> Iterator[tuple[str, ...]]:
    """Everybody with a category, as the roster's columns have it."""
    for person in people:
        if person.category:
            yield (
                "upsert", person.card, person.id_number, person.name,
                f"SIM-{person.number:06d}", person.category, f"{DISTRICT}001",
                "2020-01-01", "", "", person.birth_on.isoformat(),
            )  # fmt: skip


def hospitals(count: int) -> list[Hospital]:
    """The demo district's, and as many more like them as are wanted."""
    found = list(HOSPITALS[:count])
    for number in range(len(found), min(count, _MOST)):
        like = HOSPITALS[number % len(HOSPITALS)]
        found.append(
            Hospital(
                f"DEMO-H{number + 1:02d}", f"{like.name}{number + 1}",
                like.level, like.subdistrict, like.weight,
            )
        )  # fmt: skip
    return found


def fixmedins_code(number: int) -> str:
    """An institution's national number, of region 99."""
    return f"H{DISTRICT}{number:05d}"


@asynccontextmanager
async def own_gateway(
    folder: Path, count: int, people: Sequence[Person], workers: int
) -> AsyncIterator[OwnGateway]:
    """Make a sandbox in the folder and serve it until the block ends."""
    async with open_sandbox(folder) as sandbox:
        wanted = hospitals(count)
        await register_facilities(
            sandbox.database,
            (
                facility(
                    each.code, each.name, level=each.level,
                    subdistrict=each.subdistrict, at=wall_clock(),
                )
                for each in wanted
            ),
            sealing_key=load_party_secret_key(sandbox.data_dir),
            random=os.urandom,
        )  # fmt: skip
        clients = await _allowed(sandbox, wanted)
        await sandbox.import_roster(roster_rows(people))
        async with serving(sandbox, port=0, workers=workers) as url:
            yield OwnGateway(url, clients, sandbox)


async def _allowed(sandbox: Sandbox, wanted: Sequence[Hospital]) -> tuple[Client, ...]:
    """Switch the weak profile on for each hospital, as an operator would."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def allow(number: int, hospital: Hospital) -> Client:
        code = fixmedins_code(number)
        async with turn:
            printed = await sandbox.command(
                "his", "allow", hospital.code, "--fixmedins-code", code,
                "--profile", "x-tif", "--weak", "--json",
            )  # fmt: skip
        told: dict[str, Any] = orjson.loads(printed)
        return Client(code, hospital.name, told["paasid"], told["secret"])

    return tuple(
        await asyncio.gather(
            *(allow(number, each) for number, each in enumerate(wanted, start=1))
        )
    )


@dataclass(frozen=True, slots=True)
class Audit:
    """What the gateway itself holds of the day, by the bureau's own commands."""

    aid_fen: int
    records: int
    findings: tuple[str, ...]
    """Of verifying what was exported."""
    violations: tuple[str, ...]
    """Of `medaid check-books`."""


async def audit(sandbox: Sandbox, days: Sequence[date]) -> Audit:
    """Export the months of these days, verify every record, and check the books."""
    months = sorted({f"{day:%Y-%m}" for day in days})
    found: list[MonthAudit] = [each async for each in audit_months(sandbox, months)]
    books: BooksAudit = await audit_books(sandbox)
    return Audit(
        aid_fen=sum(each.aid_fen for each in found),
        records=sum(each.checked for each in found),
        findings=tuple(text for each in found for text in each.findings),
        violations=books.violations,
    )
