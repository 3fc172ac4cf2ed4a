"""Aid that a confirmed case asks back: named until the hospital has given it back."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from settlement.domain.errors import RequestRefused
from settlement.service.reconcile.working import (
    list_carried_in,
    list_differences,
    resolve,
)
from settlement.service.watch.shelf import RulesShelf
from settlement.service.watch.watcher import catch_up
from settlement.service.watch.work import confirm, open_case
from settlement.store.alerts import CaseRow, open_cases
from settlement.store.database import Database
from tests.reconcile.months import (
    FEBRUARY,
    FIRST,
    JANUARY,
    LAST,
    Months,
    Settled,
    kinds_of,
    line_of,
    lines_of,
    net_of,
    open_months,
)

_AT = datetime(2026, 2, 3, tzinfo=UTC)
_MARCH = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
async def months(database: Database, tmp_path: Path) -> AsyncIterator[Months]:
    """Give an empty gateway with two hospitals."""
    async with open_months(database, tmp_path / "var") as made:
        yield made


async def _ask_back(months: Months, *settled: Settled) -> bytes:
    """A case over these settlements, confirmed; its id."""
    case = os.urandom(16)
    async with months.database.pool.acquire() as session, session.transaction():
        row = CaseRow(
            id=case, subject=os.urandom(16), person=b"p", household=None,
            facility_id=None, score=50, opened_at=_AT,
        )  # fmt: skip
        await open_cases(session, [row])
        await session.execute(
            "INSERT INTO alert_rules (id, version, sha256, document, known_since,"
            " put_by) VALUES ('r', $1, $1, '', now(), 'test')",
            case.hex(),
        )
        await session.execute(
            "INSERT INTO alert (id, detector, subject, person, score, latest,"
            " rules_no, state, case_id, raised_at, changed_at) SELECT $1,"
            " 'exact-repeat', $1, 'p', 50, $2, max(no), 'raised', $1, now(),"
            " now() FROM alert_rules",
            case,
            settled[0].id,
        )
        await session.executemany(
            "INSERT INTO alert_claim VALUES ($1, $2)",
            [(case, each.id) for each in settled],
        )
        ordered = await confirm(
            session, case, by="li", at=_AT, note="", recover=[s.id for s in settled]
        )
        assert {identity for identity, _ in ordered} == {s.id for s in settled}
        # So that the watch, which has no rules to read here, goes past them.
        await session.execute("UPDATE alert_rules SET active = false")
    return case


async def _states(months: Months, month: int = JANUARY) -> list[tuple[str, str]]:
    told = await list_differences(months.database, month, None)
    return sorted((each.row.kind, each.row.state) for each in told)


async def _case_state(months: Months, case: bytes) -> tuple[str, list[str]]:
    await catch_up(months.database, RulesShelf(), lambda: _AT)
    async with months.database.pool.acquire() as session:
        opened = await open_case(session, case)
    return opened.case.state, [event.action for event in opened.history]


async def test_named_until_it_is_reversed(months: Months) -> None:
    """A list that agrees does not do away with it; the reversal does."""
    one, other = await months.settle(), await months.settle()
    await months.open()
    case = await _ask_back(months, one, other)

    found = await months.match(lines_of(one, other))
    assert kinds_of(found) == {"recovery_ordered": 2}
    told = (await list_differences(months.database, JANUARY, None))[0].row
    assert (told.owner, told.repair) == ("hospital", "give_back")
    assert told.amounts["gateway"] == {
        "total_fen": one.total_fen, "aid_fen": one.aid_fen,
    }  # fmt: skip
    assert kinds_of(await months.match()) == {"recovery_ordered": 2}

    await months.reverse(one, FIRST)
    assert kinds_of(await months.match()) == {"recovery_ordered": 1}
    assert (await _case_state(months, case))[0] == "confirmed"
    await months.reverse(other, FIRST)
    assert kinds_of(await months.match()) == {}
    assert await _states(months) == [("recovery_ordered", "gone")] * 2
    state, actions = await _case_state(months, case)
    assert state == "recovered"
    assert actions == [
        "opened", "confirmed", "recovery ordered", "recovery ordered", "recovered",
    ]  # fmt: skip
    assert (await _case_state(months, case))[1].count("recovered") == 1


async def test_named_for_its_hospital_alone(months: Months) -> None:
    """And only in a month below whose cut it was settled."""
    mine = await months.settle()
    await months.settle(facility=2)
    await months.open()
    later = await months.settle(FIRST)
    await _ask_back(months, mine, later)

    assert kinds_of(await months.match(code="H002")) == {}
    assert kinds_of(await months.match()) == {"recovery_ordered": 1}


async def test_closed_month_never_changes_and_the_next_one_names_it(
    months: Months,
) -> None:
    """Ordered after the close; the reversal counts in its own month."""
    settled = await months.settle()
    await months.open()
    await months.match(lines_of(settled))
    closed = await months.close()
    await _ask_back(months, settled)
    later = await months.settle(FIRST)
    await months.open(FEBRUARY)

    found = await months.match(lines_of(later), month=FEBRUARY)
    assert kinds_of(found) == {"recovery_ordered": 1}
    assert await _states(months) == []
    assert (await months.sign("li")).statement == closed.statement


async def test_carried_over_by_name_and_gone_once_it_is_given_back(
    months: Months,
) -> None:
    """The next month has it among what was carried in, and not a second time."""
    settled = await months.settle()
    await months.open()
    await _ask_back(months, settled)
    await months.match(lines_of(settled))
    row = (await list_differences(months.database, JANUARY, None))[0].row
    await resolve(
        months.database,
        row.id.hex(),
        by="zhao",
        note="next month",
        carry_over=True,
        names_somebody=lambda _text: False,
    )
    statement = (await months.close()).statement
    assert b"recovery_ordered" in statement
    later = await months.settle(FIRST)
    await months.open(FEBRUARY)

    assert kinds_of(await months.match(lines_of(later), month=FEBRUARY)) == {}
    carried = await list_carried_in(months.database, FEBRUARY, None)
    assert [each.row.kind for each in carried] == ["recovery_ordered"]

    await months.reverse(settled, _MARCH)
    await months.match(month=FEBRUARY)
    assert await list_carried_in(months.database, FEBRUARY, None) == []
    assert await _states(months) == [("recovery_ordered", "gone")]
    assert (await months.sign("li")).statement == statement


async def test_reversed_before_it_is_asked_back_is_not_asked_back(
    months: Months,
) -> None:
    """Nothing is left to give back."""
    settled = await months.settle()
    await months.reverse(settled)
    await months.open()
    with pytest.raises(AssertionError):
        await _ask_back(months, settled)
    assert kinds_of(await months.match()) == {}


async def test_list_of_a_hospital_does_not_do_away_with_it(months: Months) -> None:
    """A match without the bureau's records seeks it all the same."""
    settled = await months.settle()
    await months.open()
    await _ask_back(months, settled)
    await months.match(lines_of(settled), with_bureau=True)
    await months.match(lines_of(settled))
    assert await _states(months) == [("recovery_ordered", "open")]


async def test_case_confirmed_twice_is_refused(months: Months) -> None:
    """So no settlement is asked back by two hands."""
    settled = await months.settle()
    case = await _ask_back(months, settled)
    async with months.database.pool.acquire() as session, session.transaction():
        with pytest.raises(RequestRefused, match="MA-4109"):
            await confirm(session, case, by="li", at=_AT, note="")


async def _confirm_another(months: Months, settled: Settled) -> tuple[bytes, int]:
    """A second case over the same settlement, confirmed; how many it asks back."""
    case = os.urandom(16)
    async with months.database.pool.acquire() as session, session.transaction():
        row = CaseRow(
            id=case, subject=os.urandom(16), person=None, household=b"h",
            facility_id=None, score=50, opened_at=_AT,
        )  # fmt: skip
        await open_cases(session, [row])
        await session.execute(
            "INSERT INTO alert (id, detector, subject, household, score, latest,"
            " rules_no, state, case_id, raised_at, changed_at) SELECT $1,"
            " 'household-lockstep', $1, 'h', 50, $2, max(no), 'raised', $1, now(),"
            " now() FROM alert_rules",
            case,
            settled.id,
        )
        await session.execute(
            "INSERT INTO alert_claim VALUES ($1, $2)", case, settled.id
        )
        ordered = await confirm(
            session, case, by="wang", at=_AT, note="", recover=[settled.id]
        )
    return case, len(ordered)


async def test_two_cases_ask_one_settlement_back_once(months: Months) -> None:
    """The first has ordered it; the second says that nothing is left to ask back."""
    settled = await months.settle()
    await months.open()
    first = await _ask_back(months, settled)
    second, count = await _confirm_another(months, settled)

    assert count == 0
    assert kinds_of(await months.match(lines_of(settled))) == {"recovery_ordered": 1}
    await months.reverse(settled, FIRST)
    assert kinds_of(await months.match()) == {}
    assert (await _case_state(months, first))[0] == "recovered"
    # It has asked nothing back, so nothing of it was recovered.
    assert (await _case_state(months, second))[0] == "confirmed"


async def test_given_back_in_its_own_month_before_the_close(months: Months) -> None:
    """The pair cancels on both sides, and the statement has nothing to name."""
    settled = await months.settle()
    await _ask_back(months, settled)
    await months.reverse(settled, LAST)
    await months.open()

    assert kinds_of(await months.match()) == {}
    statement = json.loads((await months.close()).statement)
    assert statement["differences"] == []
    assert statement["ledger"]["net"]["aid_fen"] == 0


async def test_given_back_after_the_cut_and_before_the_close(months: Months) -> None:
    """The month pays it, names nothing, and the next one takes it back."""
    settled = await months.settle()
    await months.open()
    await _ask_back(months, settled)
    await months.match(lines_of(settled))
    await months.reverse(settled, FIRST)

    assert kinds_of(await months.match(lines_of(settled))) == {}
    statement = json.loads((await months.close()).statement)
    assert statement["differences"] == []
    assert statement["ledger"]["net"]["aid_fen"] == settled.aid_fen
    await months.open(FEBRUARY)
    found = await months.match([line_of(settled, refund=True)], month=FEBRUARY)
    assert kinds_of(found) == {}
    assert net_of(found.tally)[1] == -settled.aid_fen


async def test_resolved_without_a_reversal_is_named_no_more(months: Months) -> None:
    """An officer has said why; the case stays confirmed until it is given back."""
    settled = await months.settle()
    await months.open()
    case = await _ask_back(months, settled)
    await months.match(lines_of(settled))
    row = (await list_differences(months.database, JANUARY, None))[0].row
    await resolve(
        months.database,
        row.id.hex(),
        by="zhao",
        note="paid back in cash",
        carry_over=False,
        names_somebody=lambda _text: False,
    )
    await months.close()
    later = await months.settle(FIRST)
    await months.open(FEBRUARY)

    assert kinds_of(await months.match(lines_of(later), month=FEBRUARY)) == {}
    assert await list_carried_in(months.database, FEBRUARY, None) == []
    assert (await _case_state(months, case))[0] == "confirmed"
