"""UNIQUE, row lock, CHECK: each dropped once, with real settlements against it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from settlement.domain.bill import CareType
from settlement.service import totals
from settlement.store.database import Database
from settlement.store.ledger import Ledger
from tests.meta.checker import Checker, execute, statement_with
from tests.settlement.house import House, bill, make_keys, open_house

#: How long the first of two waits for the other before both go on.
MEET_S = 1.0


@pytest.mark.parametrize("is_unique", [True, False])
async def test_unique_of_keys(house: House, checker: Checker, is_unique: bool) -> None:
    """Without it a retry is settled a second time."""
    await house.enrol("C1")
    if not is_unique:
        await execute(house, "ALTER TABLE settle_key DROP CONSTRAINT settle_key_pkey")
        await execute(house, "ALTER TABLE visit DROP CONSTRAINT visit_pkey")
    one = bill("C1")
    for _ in range(2):
        assert await checker.settle(house, one, "k1")
    found = await checker.violations(house)
    if is_unique:
        assert found == []
    else:
        assert "notes: two answers under one key" in found
        assert any(rule.startswith("once: two settlements under") for rule in found)


@dataclass
class TwoWorkers:
    """Two workers on one database, whose batches meet at the accumulators."""

    one: House
    two: House
    checker: Checker

    async def meet(self) -> list[str]:
        """Settle for one person on both at once; what is wrong afterwards."""
        await asyncio.gather(
            *(
                self.checker.settle(worker, _most_of_the_cap(), key)
                for worker, key in ((self.one, "k1"), (self.two, "k2"))
            )
        )
        return await self.checker.violations(self.one)


def _most_of_the_cap() -> Any:
    """A stay whose aid is above half of the yearly cap of its pot."""
    fen = 10_000_000
    return bill(
        "C1",
        care_type=CareType.INPATIENT,
        total_fen=fen,
        self_funded_fen=0,
        pre_selfpay_fen=0,
        in_policy_fen=fen,
        basic_insurance_fen=0,
    )


@pytest.fixture
async def two_workers(
    database: Database,
    tmp_path: Path,
    checker: Checker,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[TwoWorkers]:
    """Give two workers that wait for each other once both have read the totals."""
    keys = make_keys()
    async with (
        open_house(database, tmp_path / "one", keys) as one,
        open_house(database, tmp_path / "two", keys) as two,
    ):
        await one.enrol("C1")
        await two.follow(1)
        await checker.settle(one, bill("C1", care_type=CareType.INPATIENT), "k0")
        both = asyncio.Barrier(2)
        real = Ledger.lock_accumulators

        async def lock(self: Ledger, wanted: Any) -> Any:
            held = await real(self, wanted)
            with contextlib.suppress(TimeoutError, asyncio.BrokenBarrierError):
                async with asyncio.timeout(MEET_S):
                    await both.wait()
            return held

        monkeypatch.setattr(Ledger, "lock_accumulators", lock)
        yield TwoWorkers(one, two, checker)


def no_row_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> contextlib.AbstractContextManager[None]:
    """Read the running totals without locking their rows."""
    return statement_with(monkeypatch, "lock_accumulators", "FOR UPDATE OF a", "")


async def _drop_check(house: House) -> None:
    await execute(house, "ALTER TABLE accumulator DROP CONSTRAINT accumulator_cap")


async def test_lock_and_check_on(two_workers: TwoWorkers) -> None:
    """Both on: the second waits for the first and gets what is left."""
    assert await two_workers.meet() == []
    assert len(two_workers.checker.acknowledged) == 3


async def test_row_lock_removed(
    two_workers: TwoWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it both decide by the same total; what was sealed is not what stood."""
    await _drop_check(two_workers.one)
    with no_row_lock(monkeypatch):
        found = await two_workers.meet()
    assert any("pot held another sum" in rule for rule in found)
    assert any(rule.startswith("caps: ") for rule in found)


async def test_check_holds_the_cap_without_the_lock(
    two_workers: TwoWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CHECK alone: one of the two is refused, and no cap is passed."""
    with no_row_lock(monkeypatch):
        found = await two_workers.meet()
    assert len(two_workers.checker.acknowledged) == 2
    assert two_workers.checker.refused == ["MA-5107"]
    assert found == []


async def test_lock_holds_the_cap_without_the_check(two_workers: TwoWorkers) -> None:
    """The lock alone: the second gets what is left."""
    await _drop_check(two_workers.one)
    assert await two_workers.meet() == []
    assert len(two_workers.checker.acknowledged) == 3


@pytest.mark.parametrize("has_check", [True, False])
async def test_cap_check(
    house: House,
    checker: Checker,
    monkeypatch: pytest.MonkeyPatch,
    has_check: bool,
) -> None:
    """Against a core that forgets the cap the CHECK is the last that holds it."""
    await house.enrol("C1")
    _forget_the_cap(monkeypatch)
    if not has_check:
        await _drop_check(house)
    for number in range(2):
        await checker.settle(house, _most_of_the_cap(), f"k{number}")
    found = [r for r in await checker.violations(house) if r.startswith("caps: ")]
    if has_check:
        assert found == []
        assert checker.refused == ["MA-5107"]
    else:
        assert "caps: accumulator outside 0..cap (accumulator)" in found


def _forget_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the rules read an empty pot, and the totals let everything through."""
    plain = totals.Totals.used

    def used(self: totals.Totals, *arguments: Any) -> Any:
        return dict.fromkeys(plain(self, *arguments), 0)

    monkeypatch.setattr(totals.Totals, "used", used)
    monkeypatch.setattr(totals, "require", lambda *_: None)
