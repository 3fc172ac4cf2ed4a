"""The store in memory does what PostgreSQL does: same requests, same bytes.

The simulation is worth as much as its store. The same worker, with the same ids and
the same randomness, is put on a real server and on the one in memory; every answer
must be equal byte for byte, signatures included, and every table at the end. The
interleavings are fixed: one worker stops before a statement, another one runs into
what it holds, and is seen to wait or to pass in both worlds alike.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import pytest

from settlement.domain.bill import Bill, Card, CardKind, CareType, RepeatReason
from settlement.domain.errors import RequestRefused
from settlement.service.ports import ReversalRequest, When
from settlement.service.sequencer import SequencerLimits
from settlement.store.database import Database
from settlement.store.ledger import Ledger
from settlement.store.policies import install
from tests.settlement.house import DEMO_PACK
from tests.simulation.clients import Draw, Operation, World, caller, settlement_id
from tests.simulation.driver import SimDatabase, as_database
from tests.simulation.faults import Plan
from tests.simulation.loop import SimLoop
from tests.simulation.machine import Keys, Machine, Settings, Worker, make_keys
from tests.simulation.registry import Record
from tests.simulation.run import _pack_ref, _shelf
from tests.simulation.server import Roster, Server

_NOW = datetime(2026, 1, 31, 15, 59, 58, tzinfo=UTC)
_CARDS = {
    "C0": ("dibao",),
    "C1": ("dishouru", "yinbing"),
    "C2": ("tekun",),
    "C3": ("dibao_bianyuan",),
}
_TABLES = {
    "settle_key": 7, "reversal_key": 4, "settlement": 28, "reversal": 13, "visit": 3,
    "accumulator": 5, "posting": 6, "sealed_record": 3, "answer": 5, "log_leaf": 4,
    "log_node": 3,
}  # fmt: skip

Told = list[bytes | str]
Play = Callable[["Stage"], Awaitable[Told]]


@dataclass
class Stage:
    """Two workers on one database, of either kind."""

    database: Database
    keys: Keys
    workers: list[Worker] = field(default_factory=list)
    draw: Draw = field(init=False)
    _clock: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        plan = Plan(Random(1), Counter())
        world = World([*_CARDS, "unknown"], 2, date(2026, 1, 30))
        self.draw = Draw(Random(11), world, plan)

    async def open(self, count: int = 2) -> None:
        """Start the workers, one after the other."""
        loop: Any = asyncio.get_running_loop()
        server = Server(loop, Random(3), self.draw._plan, _roster(self.keys), _PACK)
        machine = Machine(server, _shelf(), self.keys)
        machine.open_database = lambda: self.database
        for number in range(count):
            settings = Settings(
                random=Random(number),
                limits=SequencerLimits(),
                tombstones_per_day=5,
                now=lambda: _NOW,
            )
            worker = Worker(machine, f"worker-{number}", settings)
            await worker.open()
            self.workers.append(worker)

    async def close(self) -> None:
        """Let the workers end, so that nothing is left on a real server."""
        for worker in self.workers:
            await worker.close()

    async def ask(self, operation: Operation, worker: int = 0) -> bytes | str:
        """One request to its end: the answer's bytes or the refusal's code."""
        instant = _NOW.timestamp() + next(self._clock)
        when = When(
            settled_at=datetime.fromtimestamp(instant, UTC),
            sandbox=True,
            deadline=asyncio.get_running_loop().time() + 60,
        )
        chosen, who = self.workers[worker], caller(operation.facility)
        try:
            if operation.bill is not None and chosen.settle is not None:
                answer = await chosen.settle(who, operation.key, operation.bill, when)
            elif operation.order is not None and chosen.reverse is not None:
                answer = await chosen.reverse(who, operation.key, operation.order, when)
            else:
                return "closed"
        except RequestRefused as refused:
            return refused.reason
        operation.body = operation.body or answer.body
        return answer.body


_PACK = _pack_ref()


def _roster(keys: Keys) -> Roster:
    """The roster in memory."""
    tokenizer = keys.tokenizer
    windows, cards = {}, {}
    for card, categories in _CARDS.items():
        person = tokenizer.person(f"person-{card}")
        cards[tokenizer.card("social_security_card", card)] = person
        windows[person] = [
            Record(
                person=person, category=category, valid_from=date(2020, 1, 1),
                valid_to=None, subdistrict="990101001", household=b"",
            )
            for category in categories
        ]  # fmt: skip
    return Roster(
        b"r" * 16, 1, datetime(2025, 12, 1, tzinfo=UTC),
        tokenizer.digest("roster-key-check", "1"), 0, 0, windows, cards,
    )  # fmt: skip


async def _store_roster(database: Database, keys: Keys) -> None:
    """The same roster in PostgreSQL."""
    roster = _roster(keys)
    async with database.pool.acquire() as connection:
        await install(connection, DEMO_PACK.read_bytes())
        await connection.execute(
            "UPDATE roster_head SET version = 1, as_of = $1, key_check = $2",
            roster.as_of,
            roster.key_check,
        )
        for rows in roster.windows.values():
            for row in rows:
                await connection.execute(
                    "INSERT INTO roster_window VALUES ($1, $2, $3, $4, $5, $6, 1)",
                    *tuple(row.values()),
                )
        await connection.executemany(
            "INSERT INTO roster_card VALUES ($1, $2)", list(roster.cards.items())
        )


# -- what is played ----------------------------------------------------------------


async def _one_by_one(stage: Stage) -> Told:
    """Every kind of request, each after the other's end, both workers in turn."""
    told: Told = []
    for number in range(90):
        operation = stage.draw.next()
        told.append(await stage.ask(operation, number % 2))
        if number % 7 == 0:
            told.append(await stage.ask(operation, (number + 1) % 2))
    mine = stage.draw._settle(_sound(stage.draw, "C0"))
    told.append(await stage.ask(mine))
    stranger = _reversal(mine)
    stranger.facility += 1
    told.append(await stage.ask(stranger))
    return told


async def _further_bills(stage: Stage) -> Told:
    """A further bill outlives the first, and holds the visit from then on."""
    draw = stage.draw
    bill = _sound(draw, "C0")
    first = draw._settle(bill)
    place = first.facility
    further = replace(bill, repeat_reason=RepeatReason.CORRECTION)
    second, third = (draw._settle(further, facility=place) for _ in range(2))
    told = [await stage.ask(operation) for operation in (first, second, third)]
    for gone in (first, second, third):
        told.append(await stage.ask(_reversal(gone)))
        told.append(await stage.ask(draw._settle(bill, facility=place)))
        told.append(await stage.ask(_reversal(gone)))
    return told


async def _in_batches(stage: Stage) -> Told:
    """Crowds that share a batch: twins, repeats and reversals among them."""
    # Midnight passes first: a month's partition is made before its first row.
    told = [await stage.ask(stage.draw.next()) for _ in range(5)]
    for _ in range(12):
        crowd = [stage.draw.next() for _ in range(9)]
        told += await asyncio.gather(*(stage.ask(one) for one in crowd))
    return told


class Gate:
    """Stops the first worker that comes before a statement."""

    def __init__(self, patch: pytest.MonkeyPatch, statement: str) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()
        unpatched = getattr(Ledger, statement)

        async def stopped(ledger: Ledger, *args: Any) -> Any:
            if not self.reached.is_set():
                self.reached.set()
                await self.opened.wait()
            return await unpatched(ledger, *args)

        patch.setattr(Ledger, statement, stopped)


_MEETINGS = (
    "claim_visits",
    "lock_accumulators",
    "lock_head",
    "post",
)


def _meeting(patch: pytest.MonkeyPatch, statement: str) -> Play:
    """One worker holds what it has up to `statement`; the other runs into it."""

    async def play(stage: Stage) -> Told:
        told: Told = []
        first = stage.draw._settle(_sound(stage.draw, "C3"))
        told.append(await stage.ask(first))
        for mine, other in _pairs(stage.draw, first):
            with patch.context() as local:
                gate = Gate(local, statement)
                one = asyncio.ensure_future(stage.ask(mine, 0))
                await gate.reached.wait()
                two = asyncio.ensure_future(stage.ask(other, 1))
                await asyncio.sleep(0.25)
                told.append("waits" if not two.done() else "passes")
                gate.opened.set()
                told += await asyncio.gather(one, two)
        return told

    return play


def _pairs(draw: Draw, first: Operation) -> list[tuple[Operation, Operation]]:
    """Requests that meet: same key, same visit, same person, nothing in common."""
    key, visit, one, other = (_sound(draw, card) for card in ("C0", "C0", "C2", "C2"))
    mine = draw._settle(key)
    placed = draw._settle(visit)
    return [
        (mine, Operation(0, mine.facility, mine.key, bill=key)),
        (placed, draw._settle(visit, facility=placed.facility)),
        (draw._settle(one), draw._settle(other)),
        (draw._settle(_sound(draw, "C3")), _reversal(first)),
        (draw._settle(_sound(draw, "C0")), draw._settle(_sound(draw, "C2"))),
    ]


def _sound(draw: Draw, card: str) -> Bill:
    """A bill that gets as far as any statement."""
    return replace(
        draw._bill(),
        card=Card(kind=CardKind.SOCIAL_SECURITY_CARD, number=card),
        care_type=CareType.OUTPATIENT,
        visit_no=f"M-{next(draw._numbers)}",
        medical_aid_fen=0,
        expected_aid_fen=None,
    )


def _reversal(original: Operation) -> Operation:
    order = ReversalRequest(reason="refund", settlement_id=settlement_id(original))
    return Operation(0, original.facility, f"r-{original.key}", order=order)


# -- both worlds -------------------------------------------------------------------


async def _in_memory(play: Play, keys: Keys) -> tuple[Told, dict[str, set[Any]]]:
    loop: Any = asyncio.get_running_loop()
    server = Server(loop, Random(5), Plan(Random(1), Counter()), _roster(keys), _PACK)
    stage = Stage(as_database(SimDatabase(server)), keys)
    await stage.open()
    told = await play(stage)
    await stage.close()
    return told, _tables_of(server)


def _tables_of(server: Server) -> dict[str, set[Any]]:
    rows = server.tables.rows
    tables = {
        name: {tuple(row)[:width] for row in rows[name].values()}
        for name, width in _TABLES.items()
        if name != "posting"
    }
    tables["posting"] = {
        tuple(r) for of_leaf in rows["posting"].values() for r in of_leaf
    }
    head = rows["log_head"][True]
    tables["log_head"] = {(head.size, head.root, head.edge, head.checkpoint)}
    return tables


async def _on_postgres(
    play: Play, keys: Keys, database: Database
) -> tuple[Told, dict[str, set[Any]]]:
    await _store_roster(database, keys)
    stage = Stage(database, keys)
    await stage.open()
    told = await play(stage)
    await stage.close()
    tables = {}
    async with database.pool.acquire() as connection:
        for name, width in _TABLES.items():
            found = await connection.fetch(f"SELECT * FROM {name}")  # noqa: S608  # ours
            tables[name] = {tuple(row.values())[:width] for row in found}
        head = await connection.fetch(
            "SELECT size, root, edge, checkpoint FROM log_head"
        )
    tables["log_head"] = {tuple(row.values()) for row in head}
    return told, tables


async def _compare(
    play_here: Play, play_there: Play, database: Database
) -> tuple[Told, dict[str, set[Any]]]:
    keys = make_keys(Random(9).randbytes, real=True)
    loop = SimLoop(Random(2))  # type: ignore[abstract]  # it has no sockets
    real = await _on_postgres(play_there, keys, database)
    simulated = await asyncio.to_thread(
        loop.run, _in_memory(play_here, keys), until=600.0
    )
    assert simulated[0] == real[0]
    for name, rows in real[1].items():
        assert simulated[1][name] == rows, name
    return real


#: Refusals without which a play would not have met what it is for.
_EXPECTED: dict[Play, set[str]] = {
    _one_by_one: {"MA-4101", "MA-4103"},
    _further_bills: set(),
    _in_batches: {"MA-4102"},
}


@pytest.mark.parametrize("play", [_one_by_one, _further_bills, _in_batches])
async def test_same_requests_have_the_same_bytes(
    database: Database, play: Play
) -> None:
    """Answers and tables, for requests of every kind."""
    told, tables = await _compare(play, play, database)

    assert len(told) > 10
    assert _EXPECTED[play] <= {one for one in told if isinstance(one, str)}
    assert tables["answer"]


@pytest.mark.parametrize("statement", _MEETINGS)
async def test_who_waits_there_waits_here(
    database: Database, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """Locks, and what is seen after them, are those of PostgreSQL."""
    play = _meeting(monkeypatch, statement)
    told, _ = await _compare(play, play, database)

    assert "waits" in told
