"""A quote tells what settling would tell, hold or deny, and raises nothing itself."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from settlement.domain.bill import ConfirmReason
from settlement.domain.errors import RequestRefused
from settlement.store.database import Database
from settlement.store.ledger import Ledger
from tests.settlement.house import House, assert_books_clean, body
from tests.watching.watched import (
    LATER,
    alerts,
    costing,
    look,
    open_watched,
    settle,
    visit,
    who,
)

DAY = date(2026, 3, 2)
#: What a quote and the settlement of the same bill have in common.
_SAME = ("decision", "reason", "next_step", "aid_fen", "patient_pays_fen", "alerts")


async def _quote(house: House, sent: Any, facility: int = 1) -> dict[str, Any]:
    answer = await house.gateway.quote(who(facility), sent, house.when(LATER))
    assert answer.status == 200
    return body(answer)


async def _written(database: Database) -> list[tuple[int, ...]]:
    """How much every table holds that settling and the watch write."""
    found = await database.pool.fetch(
        "SELECT (SELECT count(*) FROM settlement), (SELECT count(*) FROM log_leaf),"
        " (SELECT count(*) FROM answer), (SELECT count(*) FROM watched_decline),"
        " (SELECT count(*) FROM alert), (SELECT count(*) FROM alert_event),"
        " (SELECT count(*) FROM posting)"
    )
    return [tuple(row) for row in found]


@pytest.mark.parametrize(
    "actions",
    [
        {},
        {"exact_repeat": "hold"},
        {"exact_repeat": "deny", "same_day_hospitals": "hold"},
        {"exact_repeat": "off", "same_day_hospitals": "off", "too_soon": "off"},
    ],
    ids=["alert", "hold", "deny", "off"],
)
async def test_a_quote_says_what_settling_says(
    database: Database, tmp_path: Path, actions: dict[str, str]
) -> None:
    """Of any visits in any order, at several hospitals, confirmed or not."""
    drawn = random.Random(6)
    told = 0
    async with open_watched(database, tmp_path / "var", **actions) as house:
        await house.enrol("C2")
        for _ in range(40):
            day = DAY + timedelta(days=drawn.randrange(4))
            sent = visit(
                drawn.choice(["C1", "C2"]),
                day,
                diagnoses=("I10",),
                confirm_reason=drawn.choice([None, None, *ConfirmReason]),
                **costing(drawn.choice([8_000, 12_000])),
            )
            facility = drawn.randrange(1, 4)
            before = await _written(database)
            quoted = await _quote(house, sent, facility)
            assert await _written(database) == before
            settled = await settle(house, sent, facility)
            assert {n: quoted[n] for n in _SAME} == {n: settled[n] for n in _SAME}
            assert (quoted["settlement_id"], quoted["receipt"]) == (None, None)
            told += len(quoted["alerts"])
        assert told > 5
        await assert_books_clean(house)


async def test_a_quote_counts_as_no_visit_and_raises_nothing(
    database: Database, tmp_path: Path
) -> None:
    """However often it is asked; the first settlement has nothing before it."""
    async with open_watched(database, tmp_path / "var") as house:
        sent = visit("C1", DAY)
        for _ in range(5):
            assert (await _quote(house, sent))["alerts"] == []
        await look(database)
        assert await alerts(database) == set()
        assert (await settle(house, sent))["alerts"] == []
        again = await _quote(house, visit("C1", DAY))
        assert [each["code"] for each in again["alerts"]] == ["exact-repeat"]
        await look(database)
        assert await alerts(database) == set()


async def test_history_that_cannot_be_read_is_said(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quote without it would promise what settling may refuse."""
    async with open_watched(database, tmp_path / "var") as house:

        async def away(*_: object) -> None:
            raise OSError("gone")

        monkeypatch.setattr(Ledger, "claims_of_persons", away)
        with pytest.raises(RequestRefused, match="MA-5105"):
            await _quote(house, visit("C1", DAY))
