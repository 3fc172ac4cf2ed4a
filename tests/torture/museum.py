"""Damage and forgery, made on copies of a past that is known to be sound."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from settlement.domain.bill import Card, CardKind, RepeatReason
from settlement.service.books import Means, check_books
from settlement.store.database import Database
from settlement.store.migrate import migrate
from tests.settlement.house import House, bill, body, open_house
from tests.tampering.columns import (
    KINDS,
    altered,
    columns,
    flipped,
    lay_open,
    values,
)
from tests.tampering.test_flipped_bits import EXCEPTIONS
from tests.tampering.test_rewritten_past import FORGERIES, VICTIM, an_honest_day, rules
from tests.torture.stage import HarnessError, Stage

#: So many leaves that the log has a full tile.
_LEAVES = 260
_FLIPPED, _HONEST, _FORGED = "museum_flipped", "museum_honest", "museum_forged"
_TABLES_AT_ONCE = 5


class Museum:
    """Two pasts: one of every kind of row, and one of a few honest settlements."""

    def __init__(self) -> None:
        """Made when first wanted."""
        self._flipped: House | None = None
        self._honest: House | None = None

    async def flip_bits(self, stage: Stage, rng: random.Random) -> None:
        """One bit in one column of some tables: `check-books` names the table."""
        if self._flipped is None:
            self._flipped = await _open(stage, _FLIPPED, _fill)
        async with _reading(stage, self._flipped, _FLIPPED) as house:
            for table in rng.sample(sorted(KINDS), _TABLES_AT_ONCE):
                await _flip_one(stage, house, table, rng)

    async def forge_past(self, stage: Stage, rng: random.Random) -> None:
        """A superuser with our keys rewrites everything: others' receipts tell."""
        held = stage.folder / "held"
        if self._honest is None:

            async def honest(house: House) -> None:
                shutil.rmtree(held, ignore_errors=True)
                await an_honest_day(house, held)

            self._honest = await _open(stage, _HONEST, honest)
        await _copy(stage, _HONEST, _FORGED)
        name = rng.choice(sorted(FORGERIES))
        scratch = stage.folder / "forger"
        async with _reading(stage, self._honest, _FORGED) as house:
            await FORGERIES[name](house, scratch)
            for witness in ("answer-4.json", f"checkpoint-{VICTIM + 1}"):
                if not await rules(house, held / witness):
                    what = f"settlement {name}, not found against {witness}"
                    stage.tally.violated("forged past", what)
        shutil.rmtree(scratch, ignore_errors=True)


async def _flip_one(stage: Stage, house: House, table: str, rng: random.Random) -> None:
    async with house.database.pool.acquire() as connection:
        found = [
            (column, kind)
            for column in await columns(connection, table)
            for kind in KINDS[table]
            if (f"{table}.{column.name}", kind) not in EXCEPTIONS
            and column.name != "known_since"
        ]
        rng.shuffle(found)
        for column, kind in found:
            old = await values(connection, column, kind)
            if old is None:
                continue
            async with altered(connection, column, kind, flipped(column, old, rng)):
                means = Means(bureau_key=house.opening, tokenizer=house.tokenizer)
                report = await check_books(house.database, house.trust, means=means)
                stage.tally.noted["bits flipped"] += 1
                if not any(table in each.rule for each in report.violations):
                    stage.tally.violated("flipped bit", f"{table}.{column.name}")
            return


@asynccontextmanager
async def _reading(stage: Stage, house: House, name: str) -> AsyncIterator[House]:
    """The same house on another copy of its database."""
    dsn = stage.sandbox.server.dsn_of(name)
    database = await Database.open(dsn, max_size=4)
    try:
        yield replace(house, database=database)
    finally:
        await database.close()


async def _open(stage: Stage, name: str, fill: object) -> House:
    """Make a database, have a gateway of one process fill it, close the gateway."""
    await _make(stage, name)
    connection = await stage.admin_soon(name)
    try:
        await migrate(connection)
    finally:
        await connection.close()
    folder: Path = stage.folder / name
    shutil.rmtree(folder, ignore_errors=True)
    database = await Database.open(stage.sandbox.server.dsn_of(name))
    try:
        async with open_house(database, folder) as house:
            await fill(house)  # type: ignore[operator]  # one of the two above
        if name == _FLIPPED:
            async with database.pool.acquire() as connection_:
                for table in KINDS:
                    await lay_open(connection_, await columns(connection_, table))
            means = Means(bureau_key=house.opening, tokenizer=house.tokenizer)
            report = await check_books(database, house.trust, means=means)
            if report.violations:
                raise HarnessError(f"the museum is not sound: {report.violations[:3]}")
    finally:
        await database.close()
    return house


async def _make(stage: Stage, name: str, template: str = "template1") -> None:
    connection = await stage.admin_soon("postgres")
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    finally:
        await connection.close()


async def _copy(stage: Stage, source: str, target: str) -> None:
    await _make(stage, target, source)


async def _fill(house: House) -> None:
    """Every kind of row, and a full tile."""
    for name in ("C1", "C2", "C3"):
        await house.enrol(name, "tekun")
    first = await house.settle(bill("C1", diagnoses=("I10", "E11")))
    again = {"visit_no": "V", "total_fen": 40_000, "in_policy_fen": 38_200}
    await house.settle(bill("C2", visit_no="V"))
    await house.settle(bill("C2", repeat_reason=RepeatReason.SECOND_BILL, **again))
    await house.reverse(settlement_id=body(first)["settlement_id"])
    card = Card(kind=CardKind.SOCIAL_SECURITY_CARD, number="C3")
    await house.reverse(original_key="late", card=card, reason="timeout")
    await house.settle(bill("C3", expected_aid_fen=1))
    await house.settle(bill("C3"), "late")
    await asyncio.gather(*(house.settle(bill("C1")) for _ in range(_LEAVES)))
