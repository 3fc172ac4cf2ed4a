"""What the cashier is told, and what the rules let through, as a claim is settled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from settlement.domain.bill import CareType, ConfirmReason
from settlement.service.watch.work import AlertSearch, dismiss, list_alerts, open_case
from settlement.store.database import Database
from tests.settlement.house import (
    House,
    assert_books_clean,
    bill,
    body,
    new_key,
    open_house,
)
from tests.watching.watched import (
    LATER,
    alerts,
    all_wait,
    held_back,
    look,
    open_watched,
    put,
    rules_document,
    settle,
    visit,
    who,
)

DAY = date(2026, 3, 2)


@pytest.fixture
async def alerting(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """Give a gateway whose detectors tell."""
    async with open_watched(database, tmp_path / "var") as house:
        yield house


@pytest.fixture
async def holding(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """Give a gateway that holds exact repeats."""
    async with open_watched(database, tmp_path / "var", exact_repeat="hold") as house:
        yield house


def _codes(document: dict[str, Any]) -> list[str]:
    return [alert["code"] for alert in document["alerts"]]


async def test_alert_is_told_and_the_claim_goes_through(alerting: House) -> None:
    """Nothing blocks care unless the bureau says so."""
    first = await settle(alerting, visit("C1", DAY))
    second = await settle(alerting, visit("C1", DAY))

    assert (first["decision"], first["alerts"]) == ("approved", [])
    assert (second["decision"], _codes(second)) == ("approved", ["exact-repeat"])
    assert second["alerts"][0]["text"]["zh"]
    await assert_books_clean(alerting)


async def test_denied_claim_says_why_and_its_replay_is_the_same(
    database: Database, tmp_path: Path
) -> None:
    """Same key, same bytes, for ever; nothing is posted, the visit stays free."""
    async with open_watched(database, tmp_path / "var", exact_repeat="deny") as house:
        await settle(house, visit("C1", DAY))
        sent, key = visit("C1", DAY), new_key()
        answers = [
            await house.gateway.settle(who(), key, sent, house.when(LATER))
            for _ in range(2)
        ]
        denied = body(answers[0])
        again = await settle(
            house, replace(sent, confirm_reason=ConfirmReason.REFERRED)
        )

        assert (denied["decision"], denied["reason"]["code"]) == ("declined", "MA-2208")
        assert _codes(denied) == ["exact-repeat"]
        assert answers[0].body == answers[1].body
        assert answers[1].replayed
        assert again["reason"]["code"] == "MA-2208", (
            "a reason does not open what is denied"
        )
        await assert_books_clean(house)


async def test_held_claim_goes_through_under_a_new_key_with_a_reason(
    holding: House,
) -> None:
    """The reason is in the settlement, in the sealed record, and in the case."""
    await settle(holding, visit("C1", DAY))
    sent, key = visit("C1", DAY), new_key()
    held = await settle(holding, sent, key=key)
    still_held = await settle(holding, sent, key=key)
    confirmed = await settle(
        holding, replace(sent, confirm_reason=ConfirmReason.ONGOING_TREATMENT)
    )

    assert (held["decision"], held["reason"]["code"]) == ("declined", "MA-2209")
    assert held == still_held
    assert (confirmed["decision"], _codes(confirmed)) == ("approved", ["exact-repeat"])
    reason = await holding.database.pool.fetchval(
        "SELECT confirm_reason FROM settlement WHERE id = $1",
        bytes.fromhex(confirmed["settlement_id"]),
    )
    assert reason == "ongoing_treatment"
    # The books compare it with what the bureau's key reads in the record.
    await assert_books_clean(holding)
    await look(holding.database)
    async with holding.database.pool.acquire() as session:
        (alert,) = await list_alerts(session, AlertSearch())
        opened = await open_case(session, alert.case_id or b"")
    reasons = {claim.id.hex(): claim.confirm_reason for claim in opened.claims}
    assert reasons[confirmed["settlement_id"]] == "ongoing_treatment"
    assert bytes.fromhex(held["settlement_id"]) not in alert.settlement_ids


async def test_books_notice_another_confirm_reason(holding: House) -> None:
    """The row says what the record says."""
    await settle(holding, visit("C1", DAY, confirm_reason=ConfirmReason.REFERRED))
    await holding.database.pool.execute(
        "UPDATE settlement SET confirm_reason = 'emergency'"
    )
    with pytest.raises(AssertionError):
        await assert_books_clean(holding)


async def test_claims_of_one_batch_see_each_other(holding: House) -> None:
    """Three equal bills at once: one goes through, whoever comes first."""
    async with held_back(holding):
        waiting = [
            asyncio.create_task(settle(holding, visit("C1", DAY))) for _ in range(3)
        ]
        await all_wait(holding, 3)
    decisions = [(await each)["decision"] for each in waiting]
    assert sorted(decisions) == ["approved", "declined", "declined"]


async def test_claim_undone_in_the_same_batch_counts_no_more(holding: House) -> None:
    """A corrected bill beside the reversal of the wrong one is no repeat."""
    wrong = await settle(holding, visit("C1", DAY))
    async with held_back(holding):
        undoing = asyncio.create_task(
            holding.reverse(settlement_id=wrong["settlement_id"], reason="mistake")
        )
        again = asyncio.create_task(settle(holding, visit("C1", DAY)))
        await all_wait(holding, 2)
    assert body(await undoing)["state"] == "reversed"
    right = await again
    assert (right["decision"], _codes(right)) == ("approved", [])


async def test_muted_pair_is_silent_at_the_desk(alerting: House) -> None:
    """What staff dismissed twice neither tells nor holds; others still speak."""
    await alerting.enrol("C2")
    for day in (DAY, DAY + timedelta(days=40)):
        await settle(alerting, visit("C1", day))
        assert _codes(await settle(alerting, visit("C1", day))) == ["exact-repeat"]
        await look(alerting.database)
        async with alerting.database.pool.acquire() as session, session.transaction():
            case = await session.fetchval(
                "SELECT id FROM alert_case WHERE state = 'new'"
            )
            await dismiss(session, case, by="li", at=LATER, note="twins")
    await asyncio.sleep(1.5)
    day = DAY + timedelta(days=80)
    await settle(alerting, visit("C1", day))
    quiet = await settle(alerting, visit("C1", day))
    assert _codes(quiet) == []
    await settle(alerting, visit("C2", day))
    assert _codes(await settle(alerting, visit("C2", day))) == ["exact-repeat"]
    await look(alerting.database)
    stored = await alerts(alerting.database, ("muted",))
    assert [each.detector for each in stored] == ["exact-repeat"]
    # Nobody was asked to look at it, so nobody is told that it no longer holds.
    await alerting.reverse(settlement_id=quiet["settlement_id"], reason="mistake")
    await look(alerting.database)
    assert await alerts(alerting.database, ("muted",)) == set()
    told = await alerting.database.pool.fetch(
        "SELECT what FROM alert_event JOIN alert_claim USING (alert_id)"
        " WHERE settlement_id = $1",
        bytes.fromhex(quiet["settlement_id"]),
    )
    assert [event["what"] for event in told] == ["muted"]


async def test_zero_aid_visit_of_the_same_batch_counts(
    database: Database, tmp_path: Path
) -> None:
    """Care took place, though the policy gave nothing: rules may count it."""
    async with open_watched(database, tmp_path / "var", too_frequent="hold") as house:
        nothing = {"care_type": CareType.INPATIENT, "referred": False}
        async with held_back(house):
            tasks = [
                asyncio.create_task(
                    settle(
                        house, visit("C1", DAY, diagnoses=(f"I1{number}",), **nothing)
                    )
                )
                for number in range(3)
            ]
            await all_wait(house, 3)
            tasks.append(
                asyncio.create_task(
                    settle(house, visit("C1", DAY, care_type=CareType.INPATIENT))
                )
            )
            await all_wait(house, 4)
        answers = [await task for task in tasks]
        assert {each["decision"] for each in answers[:3]} == {"declined"}
        assert answers[3]["reason"]["code"] == "MA-2209"


async def test_desk_costs_one_statement(
    alerting: House, database: Database, tmp_path: Path
) -> None:
    """With rules and without history; without rules none at all."""
    await alerting.enrol("C3")
    for number in "45":
        await alerting.enrol(f"C{number}")
        # Prepares what is prepared once on each line.
        await settle(alerting, visit(f"C{number}", DAY))

    async def statements(house: House, card: str) -> list[str]:
        heard: list[str] = []
        with contextlib.ExitStack() as listening:
            for line in house.gateway.lines:
                session = line._connection
                assert session is not None
                listening.enter_context(
                    session.query_logger(lambda record: heard.append(record.query))
                )
            await settle(house, visit(card, DAY))
        return heard

    with_rules = await statements(alerting, "C1")
    assert sum("clinical.diagnosis d" in query for query in with_rules) == 1
    await database.pool.execute("UPDATE alert_rules SET active = false")
    await asyncio.sleep(1.3)
    without = await statements(alerting, "C3")
    assert len(with_rules) == len(without) + 1


async def test_detector_that_raises_keeps_nobody_from_being_settled(
    alerting: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where all it could do is tell. The watch looks at the claim after."""

    def broken(*_: object) -> list[Any]:
        raise KeyError("C1")

    monkeypatch.setattr("settlement.service.watch.at_desk.signals_about", broken)
    assert (await settle(alerting, visit("C1", DAY)))["decision"] == "approved"
    assert "alerts.desk_failed" in {record.message for record in caplog.records}


async def test_detector_that_may_block_and_raises_stops_the_claim(
    holding: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that is down never approves."""

    def broken(*_: object) -> list[Any]:
        raise KeyError("C1")

    monkeypatch.setattr("settlement.service.watch.at_desk.signals_about", broken)
    with pytest.raises(Exception, match="MA-5107"):
        await settle(holding, visit("C1", DAY))


async def test_rules_of_later_bind_from_then_on(
    database: Database, tmp_path: Path
) -> None:
    """A running gateway takes over what was put, within seconds."""
    async with open_house(database, tmp_path / "var") as house:
        await house.enrol("C1")
        await settle(house, bill("C1", service_start=DAY, service_end=DAY))
        assert _codes(await settle(house, visit("C1", DAY))) == []
        await put(database, rules_document(exact_repeat="hold"))
        await asyncio.sleep(1.5)
        assert (await settle(house, visit("C1", DAY)))["reason"]["code"] == "MA-2209"
