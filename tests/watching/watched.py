"""A gateway with alert rules, what it settles, and the alerts that stand at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import orjson

from settlement import alert_rules
from settlement.domain.calendar import SHANGHAI
from settlement.domain.watch.rules import read_rules
from settlement.service.ports import Caller
from settlement.service.watch.shelf import RulesShelf
from settlement.service.watch.watcher import catch_up
from settlement.store.alert_rules import put_rules
from settlement.store.database import Database
from tests.settlement.house import House, bill, body, caller, new_key, open_house

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
#: Later than whatever is settled.
LATER = datetime(2026, 6, 1, tzinfo=UTC)


def rules_document(version: str = "2026.1", **actions: str) -> bytes:
    """The rules that come with the program, with other actions of detectors."""
    text = alert_rules.read(alert_rules.DEFAULT).decode()
    text = text.replace("version: '2026.1'", f"version: '{version}'", 1)
    for name, action in actions.items():
        head = f"  {name.replace('_', '-')}:\n    action: "
        assert head + "alert" in text, name
        text = text.replace(head + "alert", head + action, 1)
    return text.encode()


async def put(
    database: Database, document: bytes, known_since: datetime = LONG_AGO
) -> None:
    """Use the rules from an instant on."""
    async with database.pool.acquire() as session, session.transaction():
        await put_rules(session, read_rules(document), document, known_since, "test")


@asynccontextmanager
async def open_watched(
    database: Database, folder: Path, **actions: str
) -> AsyncIterator[House]:
    """A gateway whose desk speaks; C1 is on its roster."""
    await put(database, rules_document(**actions))
    await database.pool.executemany(
        "INSERT INTO party (code, role, name, level, subdistrict, created_at)"
        " VALUES ($1, 'facility', $1, 2, '990101001', now())",
        [(f"H{number:03d}",) for number in range(1, 10)],
    )
    async with open_house(database, folder) as house:
        await house.enrol("C1")
        yield house


def at(day: date, hour: int = 10, minute: int = 1) -> datetime:
    """An instant in Shanghai."""
    return datetime.combine(day, time(hour, minute), SHANGHAI).astimezone(UTC)


def visit(card: str, day: date, **changes: Any) -> Any:
    """A visit of a day, whose minute is known."""
    changes.setdefault("service_start", day)
    changes.setdefault("service_end", day)
    changes.setdefault("occurred_at", at(day))
    return bill(card, **changes)


def costing(total_fen: int) -> dict[str, int]:
    """A bill's amounts by its total alone; the insurers pay half of it."""
    return {
        "total_fen": total_fen,
        "self_funded_fen": 0,
        "pre_selfpay_fen": 0,
        "in_policy_fen": total_fen,
        "basic_insurance_fen": total_fen // 2,
    }


def who(facility: int = 1, operator: str = "op-1") -> Caller:
    """An operator at a hospital's desk."""
    return replace(caller(facility), operator=operator)


async def settle(
    house: House,
    sent: Any,
    facility: int = 1,
    operator: str = "op-1",
    key: str | None = None,
    settled_at: datetime = LATER,
) -> dict[str, Any]:
    """Settle a bill; the answer's document."""
    answer = await house.gateway.settle(
        who(facility, operator), key or new_key(), sent, house.when(settled_at)
    )
    return body(answer)


async def look(database: Database) -> int:
    """Let a watch look at all that is new."""
    return await catch_up(database, RulesShelf(), lambda: LATER)


@dataclass(frozen=True)
class Raised:
    """An alert as it stands."""

    detector: str
    subject: bytes
    claims: frozenset[bytes]
    latest: bytes
    score: int
    facts: str
    state: str


async def alerts(
    database: Database, states: Iterable[str] = ("raised",)
) -> set[Raised]:
    """The alerts that stand; no two are equal."""
    rows = await database.pool.fetch(
        "SELECT a.detector, a.subject, array_agg(c.settlement_id) AS claims, a.latest,"
        " a.score, k.facts, a.state FROM alert a"
        " JOIN clinical.alert_facts k ON k.alert_id = a.id"
        " JOIN alert_claim c ON c.alert_id = a.id"
        " WHERE a.state = ANY($1::text[]) GROUP BY a.id, k.facts",
        list(states),
    )
    found = {
        Raised(
            r["detector"], r["subject"], frozenset(r["claims"]), r["latest"],
            r["score"], r["facts"], r["state"],
        )
        for r in rows
    }  # fmt: skip
    assert len(found) == len(rows), "an alert was raised twice"
    return found


def named(found: Iterable[Raised], names: dict[bytes, str]) -> set[tuple[Any, ...]]:
    """Alerts in names of claims, without aid, which the order of claims decides."""
    return {
        (
            each.detector,
            tuple(sorted(names[claim] for claim in each.claims)),
            names[each.latest],
            each.score,
            tuple((k, v) for k, v in orjson.loads(each.facts) if k != "aid_fen"),
        )
        for each in found
    }


async def events_make_sense(database: Database) -> None:
    """What streams carry tells of each alert what became of it, each thing once."""
    rows = await database.pool.fetch(
        "SELECT e.alert_id, a.state, array_agg(e.what ORDER BY e.seq) AS told"
        " FROM alert_event e JOIN alert a ON a.id = e.alert_id GROUP BY 1, 2"
    )
    assert len(rows) == await database.pool.fetchval("SELECT count(*) FROM alert")
    for row in rows:
        standing = None
        for what in row["told"]:
            allowed = {
                None: {"raised", "muted"},
                "withdrawn": {"raised", "muted"},
                "muted": {"raised"},
            }.get(standing, {"changed", "withdrawn"})
            assert what in allowed, row["told"]
            standing = what if what != "changed" else standing
        assert standing == row["state"], row["told"]


async def forget_alerts(database: Database) -> None:
    """As if nobody had looked yet."""
    await database.pool.execute(
        "TRUNCATE clinical.alert_facts, alert, alert_claim, alert_event, alert_case,"
        " alert_case_event, alert_mute, aid_recovery, watch_skipped;"
        " UPDATE watch_cursor SET log_index = 0, decline_seq = 0"
    )


async def _under_way(house: House, batches: int) -> None:
    lanes = house.gateway.sequencer._lanes
    async with asyncio.timeout(20):
        while sum(lane.began is not None for lane in lanes) < batches:  # noqa: ASYNC110  # another task's work
            await asyncio.sleep(0.01)


async def all_wait(house: House, claims: int) -> None:
    """Wait until so many claims are in the pool, for one batch."""
    async with asyncio.timeout(20):
        while house.gateway.sequencer.waiting < claims:  # noqa: ASYNC110  # another task's work
            await asyncio.sleep(0.01)


@asynccontextmanager
async def held_back(house: House) -> AsyncIterator[None]:
    """Claims of the block are one batch: whatever wants to add to the log waits.

    A claim of somebody else's is under way on each line of the sequencer.
    """
    others = []
    async with house.database.pool.acquire() as session, session.transaction():
        await session.execute("SELECT FROM log_head FOR UPDATE")
        for number, _ in enumerate(house.gateway.lines):
            await house.enrol(f"D{number}")
            theirs = settle(house, visit(f"D{number}", date(2026, 1, 1)))
            others.append(asyncio.create_task(theirs))
            await _under_way(house, number + 1)
        yield
    for other in others:
        assert (await other)["decision"] == "approved"
