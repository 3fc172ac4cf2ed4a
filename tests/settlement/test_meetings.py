"""Batches of two workers that meet at the worst moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from settlement.domain.bill import Card, CardKind, RepeatReason
from settlement.domain.errors import RequestRefused
from settlement.service.ports import ReversalRequest
from settlement.service.sequencer import SequencerLimits
from settlement.store.database import Database
from settlement.store.ledger import Ledger
from settlement.store.months import Months
from tests.settlement.house import (
    House,
    assert_books_clean,
    bill,
    body,
    caller,
    make_keys,
    new_key,
    open_house,
)


@asynccontextmanager
async def two_houses(
    database: Database, folder: Path
) -> AsyncIterator[tuple[House, House]]:
    """Two workers on one database."""
    keys = make_keys()
    async with (
        open_house(database, folder / "one", keys) as one,
        open_house(database, folder / "two", keys) as two,
    ):
        await one.enrol("C1")
        await two.follow(1)
        yield one, two


async def test_further_bill_meets_the_reversal_of_the_first(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bill that is left alone in force holds the visit against a repetition."""
    async with two_houses(database, tmp_path) as (one, two):
        first = body(await one.settle(bill("C1", visit_no="V1")))
        reached, go_on = asyncio.Event(), asyncio.Event()
        original = Ledger.lock_accumulators

        async def paused(self: Ledger, wanted: Any) -> Any:
            if not reached.is_set():
                reached.set()
                await go_on.wait()
            return await original(self, wanted)

        monkeypatch.setattr(Ledger, "lock_accumulators", paused)
        second = bill("C1", visit_no="V1", repeat_reason=RepeatReason.SECOND_BILL)
        settling = asyncio.create_task(one.settle(second))
        await reached.wait()
        await two.reverse(settlement_id=first["settlement_id"])
        go_on.set()
        assert body(await settling)["decision"] == "approved"
        third = body(await two.settle(bill("C1", visit_no="V1")))
        assert third["decision"] == "declined"
        await assert_books_clean(one)


async def test_read_only_moment_of_the_server_passes(house: House) -> None:
    """During a failover nothing settles; afterwards everything does, by itself."""
    await house.enrol("C1")
    await house.settle(bill("C1"))
    name = await house.database.pool.fetchval("SELECT current_database()")
    await _default_read_only(house, name, on=True)
    with pytest.raises(RequestRefused, match="MA-5105"):
        await house.settle(bill("C1"), "k1")
    await _default_read_only(house, name, on=False)
    async with asyncio.timeout(20):
        while not await _settles(house, "k2"):  # noqa: ASYNC110  # a server's state
            await asyncio.sleep(0.05)
    assert await house.gateway.not_ready() == []


async def _settles(house: House, key: str) -> bool:
    try:
        answer = await house.settle(bill("C1", visit_no="V"), key)
    except RequestRefused as refused:
        assert refused.reason == "MA-5105"  # noqa: PT017  # until it passes
        return False
    return bool(body(answer)["decision"] == "approved")


async def _default_read_only(house: House, name: str, *, on: bool) -> None:
    """Switch the database's default and end every session of it."""
    admin = await asyncpg.connect(
        house.database.dsn.replace(f"/{name}", "/postgres"),
        server_settings={"default_transaction_read_only": "off"},
    )
    setting = "on" if on else "off"
    await admin.execute(
        f'ALTER DATABASE "{name}" SET default_transaction_read_only = {setting}'
    )
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
        name,
    )
    await admin.close()


async def test_month_that_exists_waits_for_nobody(
    database: Database, house: House
) -> None:
    """A long reader never stands before the settlements of all workers."""
    await house.enrol("C1")
    await house.settle(bill("C1"))
    async with database.pool.acquire() as reader, reader.transaction():
        await reader.execute("LOCK TABLE answer, sealed_record IN ACCESS SHARE MODE")
        async with asyncio.timeout(10):
            await Months(database).ensure((202601, 203001))
            await house.settle(bill("C1"))


async def test_archived_month_is_one_callers_fault(house: House) -> None:
    """An answer that is no longer there fails its retry, not the worker."""
    await house.enrol("C1")
    one = bill("C1", visit_no="V1")
    await house.settle(one, "k1")
    async with house.database.pool.acquire() as connection:
        await connection.execute("ALTER TABLE answer DETACH PARTITION answer_202601")
        await connection.execute(
            "CREATE TABLE other PARTITION OF answer FOR VALUES IN (202601)"
        )
    with pytest.raises(RequestRefused) as refused:
        await house.settle(one, "k1")
    assert refused.value.reason in {"MA-4103", "MA-5107"}
    assert body(await house.settle(bill("C1")))["decision"] == "approved"


async def test_reversal_key_is_held_by_one_claim(
    database: Database, tmp_path: Path
) -> None:
    """An expired claim frees its key for the retry, and only once."""
    limits = SequencerLimits(batch=2)
    async with open_house(database, tmp_path / "var", limits=limits) as house:
        await house.enrol("C1")
        settled = body(await house.settle(bill("C1")))

        async def reverse(seconds: float) -> Any:
            return await house.gateway.reverse(
                caller(),
                "r1",
                _order(settled["settlement_id"]),
                house.when(seconds=seconds),
            )

        async with database.pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT * FROM log_head FOR UPDATE")
            others = [asyncio.create_task(house.settle(bill("C1"))) for _ in range(4)]
            await asyncio.sleep(0.1)
            results = [asyncio.create_task(reverse(0.05))]
            await asyncio.sleep(0.6)
            results += [asyncio.create_task(reverse(30)) for _ in range(3)]
            await asyncio.sleep(0.1)
        outcomes = await asyncio.gather(*results, return_exceptions=True)
        await asyncio.gather(*others)
        reasons = [o.reason for o in outcomes if isinstance(o, RequestRefused)]
        assert sorted(reasons) == ["MA-4102", "MA-4102", "MA-5102"]
        assert house.gateway.sequencer.stopped is None
        await assert_books_clean(house)


def _order(settlement_id: str) -> ReversalRequest:
    return ReversalRequest(reason="refund", settlement_id=settlement_id)


async def test_reverse_by_key_while_the_cache_lags(house: House) -> None:
    """The card of the settlement itself is always the right one."""
    await house.enrol("C1")
    await house.settle(bill("C1"), "k1")
    await house.settle(bill("unknown"), "k2")
    house.gateway.cache._generation = None
    for key, number, state in (("k1", "C1", "reversed"), ("k2", "unknown", "declined")):
        card = Card(kind=CardKind.SOCIAL_SECURITY_CARD, number=number)
        answer = body(await house.reverse(new_key(), original_key=key, card=card))
        assert answer["state"] == state


async def test_late_originals_id_reverses_as_declined(house: House) -> None:
    """There is nothing to give back for what was stopped."""
    await house.enrol("C1")
    card = Card(kind=CardKind.SOCIAL_SECURITY_CARD, number="C1")
    await house.reverse(original_key="k1", card=card)
    late = body(await house.settle(bill("C1"), "k1"))
    answer = body(await house.reverse(settlement_id=late["settlement_id"]))
    assert (answer["state"], answer["aid_fen"]) == ("declined", 0)
    with pytest.raises(RequestRefused, match="MA-4101"):
        await house.reverse(facility=2, settlement_id=late["settlement_id"])


async def test_own_money_makes_no_other_bill(house: House) -> None:
    """Without a bill number, the personal account does not tell two bills apart."""
    await house.enrol("C1")
    plain = bill("C1", visit_no="V1", bill_no=None)
    await house.settle(plain)
    again = bill("C1", visit_no="V1", bill_no=None, personal_account_fen=3_240)
    assert body(await house.settle(again))["decision"] == "declined"


async def test_checkpoint_behind_what_was_shown_is_not_shown(house: House) -> None:
    """A smaller checkpoint than before never leaves the process."""
    await house.enrol("C1")
    async with house.database.pool.acquire() as connection:
        old = await connection.fetchrow("SELECT size, root, edge FROM log_head")
        assert old is not None
        await house.settle(bill("C1"))
        await house.gateway.checkpoint()
        await connection.execute(
            "UPDATE log_head SET size = $1, root = $2, edge = $3", *old.values()
        )
    with pytest.raises(RequestRefused, match="MA-5104"):
        await house.gateway.checkpoint()
