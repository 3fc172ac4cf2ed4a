"""A month closes by two officers' hands, once, and then it never changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from crypto.approval import Purpose, approve
from settlement.service.reconcile.closing import prepare, sign
from settlement.service.reconcile.faults import MonthFault
from settlement.service.reconcile.working import (
    list_differences,
    month_state,
    resolve,
)
from settlement.store import closing as store
from settlement.store.database import Database
from tests.reconcile.months import (
    FEBRUARY,
    FIRST,
    JANUARY,
    LAST,
    Months,
    line_of,
    lines_of,
    open_months,
)
from tests.settlement.house import ORIGIN, assert_books_clean


@pytest.fixture
async def months(database: Database, tmp_path: Path) -> AsyncIterator[Months]:
    """Give an empty gateway with two hospitals."""
    async with open_months(database, tmp_path / "var") as made:
        yield made


async def _work_off(months: Months, *, carry_over: bool = False) -> None:
    for told in await list_differences(months.database, JANUARY, None, states=["open"]):
        await resolve(
            months.database,
            told.row.id.hex(),
            by="zhao",
            note="told the hospital",
            carry_over=carry_over,
            names_somebody=lambda _text: False,
        )


async def test_two_officers_close_a_flat_month(months: Months) -> None:
    """One signs and it stays open; the second one's signature closes it."""
    settled = [await months.settle() for _ in range(2)]
    undone = await months.settle()
    await months.reverse(undone)
    await months.open()
    await months.match(lines_of(*settled))

    first = await months.sign("li")
    again = await months.sign("li")
    closed = await months.sign("wang")

    assert (first.closed_at, again.closed_at) == (None, None)
    assert again.officers == ("li",)
    assert closed.officers == ("li", "wang")
    assert closed.closed_at is not None
    statement = json.loads(closed.statement)
    ledger = statement["ledger"]
    aid = sum(each.aid_fen for each in settled)
    assert ledger["net"]["count"] == 2
    assert ledger["net"]["aid_fen"] == aid
    assert ledger["settled"]["count"] == 3
    assert ledger["reversed"]["aid_fen"] == undone.aid_fen
    assert ledger["by_category"]["dibao"]["aid_fen"] == aid
    assert ledger["by_care_type"]["outpatient"]["aid_fen"] == aid
    assert ledger["by_subdistrict"]["990101001"]["aid_fen"] == aid
    state = await month_state(months.database, JANUARY)
    assert [each.state for each in state.hospitals] == ["closed"]
    assert state.is_closed
    await assert_books_clean(months.house)


async def test_open_differences_keep_a_month_open(months: Months) -> None:
    """Each is resolved or carried over by name first, and the statement says which."""
    listed, missing = await months.settle(), await months.settle()
    await months.open()
    await months.match(lines_of(listed))

    with pytest.raises(MonthFault) as refused:
        await months.sign("li")
    assert refused.value.reason == "MA-4206"

    await _work_off(months, carry_over=True)
    closed = await months.close()
    (stated,) = json.loads(closed.statement)["differences"]
    assert stated["state"] == "carried_over"
    assert stated["settlement_id"] == missing.id.hex()
    assert stated["aid_fen"] == {
        "bureau": None, "gateway": missing.aid_fen, "hospital": None,
    }  # fmt: skip


async def test_a_signature_is_for_the_statement_as_it_stands(months: Months) -> None:
    """What changes meanwhile makes another statement, and the first officer looks."""
    settled = await months.settle()
    await months.open()
    await months.match(lines_of(settled))
    await months.sign("li")
    await months.match([])
    await _work_off(months)

    second = await months.sign("wang")
    assert (second.officers, second.closed_at) == (("wang",), None)
    assert (await months.sign("li")).closed_at is not None


async def test_only_an_officers_own_signature_counts(months: Months) -> None:
    """Not another purpose's, not another hospital's, not a stranger's."""
    await months.settle()
    await months.settle(facility=2)
    await months.open()
    await months.match([])
    await months.match([], code="H002")
    await _work_off(months)
    li = months.officers["li"]
    ready = await prepare(
        months.database, JANUARY, "H001", origin=ORIGIN, without_list=True
    )
    other = await prepare(
        months.database, JANUARY, "H002", origin=ORIGIN, without_list=True
    )
    for signature, kid in (
        (approve(ready.statement, li), li.kid),
        (approve(other.statement, li, Purpose.MONTH_STATEMENT), li.kid),
        (
            approve(ready.statement, li, Purpose.MONTH_STATEMENT),
            months.officers["wang"].kid,
        ),
        (approve(ready.statement, li, Purpose.MONTH_STATEMENT), "party-nobody"),
    ):
        with pytest.raises(MonthFault) as refused:
            await sign(
                months.database,
                JANUARY,
                "H001",
                origin=ORIGIN,
                key_id=kid,
                signature=signature,
                without_list=True,
            )
        assert refused.value.reason == "MA-4208"


async def test_two_officers_at_once_close_it_once(months: Months) -> None:
    """Whoever comes second finds the first one's signature; there is one row."""
    settled = await months.settle()
    await months.open()
    await months.match(lines_of(settled))

    signings = await asyncio.gather(
        *(months.sign(officer) for officer in ("li", "wang", "li", "wang"))
    )

    assert any(each.closed_at is not None for each in signings)
    assert len({each.sha256 for each in signings}) == 1
    rows = await months.database.pool.fetch("SELECT * FROM closed_month")
    assert [row["sha256"] for row in rows] == [signings[0].sha256]


async def test_a_closed_month_never_changes(months: Months) -> None:
    """Not by a match, a list, a later settlement or reversal, nor by hand."""
    settled = await months.settle(LAST)
    await months.open()
    await months.match(lines_of(settled))
    closed = await months.close()

    late = await months.settle(LAST)
    await months.reverse(settled, FIRST)
    with pytest.raises(MonthFault) as refused:
        await months.match([line_of(settled), line_of(late, 2)])
    assert refused.value.reason == "MA-4204"
    again = await months.sign("li")
    assert (again.statement, again.closed_at) == (closed.statement, closed.closed_at)
    async with months.database.pool.acquire() as session:
        for by_hand in (
            "DELETE FROM closed_month",
            "UPDATE opened_month SET tree_size = tree_size + 1",
            "DELETE FROM statement_signature",
        ):
            with pytest.raises(asyncpg.RaiseError, match="never changes"):
                await session.execute(by_hand)
    await months.open(FEBRUARY)
    await months.match(
        [line_of(late), line_of(settled, 2, refund=True)], month=FEBRUARY
    )
    ledger = json.loads((await months.close(month=FEBRUARY)).statement)["ledger"]
    assert ledger["late"]["count"] == 1
    assert ledger["net"]["aid_fen"] == late.aid_fen - settled.aid_fen
    await assert_books_clean(months.house)


async def test_months_close_in_their_order(months: Months) -> None:
    """February waits for January, of the same hospital only."""
    january, february = await months.settle(LAST), await months.settle(FIRST)
    other = await months.settle(FIRST, facility=2)
    await months.open()
    await months.open(FEBRUARY)
    await months.match(lines_of(january))
    await months.match(lines_of(february), month=FEBRUARY)
    await months.match(lines_of(other), month=FEBRUARY, code="H002")

    with pytest.raises(MonthFault, match="2026-01 comes first"):
        await months.sign("li", month=FEBRUARY)
    assert (await months.close(month=FEBRUARY, code="H002")).closed_at is not None
    await months.close()
    assert (await months.close(month=FEBRUARY)).closed_at is not None


async def test_a_newer_list_has_to_be_matched_before(months: Months) -> None:
    """Officers sign what the hospital said last."""
    settled = await months.settle()
    await months.open()
    await months.match(lines_of(settled))
    async with months.database.pool.acquire() as session:
        await session.execute(
            "INSERT INTO hospital_list (month, facility_id, sha256, form, lines,"
            " received_at, received_by) SELECT month, facility_id, 'newer', form, 0,"
            " now() + interval '1 s', received_by FROM hospital_list"
        )

    with pytest.raises(MonthFault) as refused:
        await months.sign("li")

    assert refused.value.reason == "MA-4207"


async def test_a_note_names_nobody(months: Months) -> None:
    """A card in a note would stand in clear for ever."""
    await months.settle()
    await months.open()
    await months.match([])
    (told,) = await list_differences(months.database, JANUARY, None)

    with pytest.raises(MonthFault) as refused:
        await resolve(
            months.database,
            told.row.id.hex(),
            by="li",
            note="C00000001 came again",
            carry_over=False,
            names_somebody=lambda text: "C00000001" in text,
        )

    assert refused.value.reason == "MA-4210"
    assert "C0000" not in str(refused.value)


@pytest.mark.parametrize("note", ["", " \t", "x" * 501])
async def test_a_note_says_something(months: Months, note: str) -> None:
    """Who reads the history later wants the reason, and wants to read it."""
    await months.settle()
    await months.open()
    await months.match([])
    (told,) = await list_differences(months.database, JANUARY, None)

    with pytest.raises(MonthFault) as refused:
        await resolve(
            months.database,
            told.row.id.hex(),
            by="li",
            note=note,
            carry_over=True,
            names_somebody=lambda _text: False,
        )

    assert refused.value.reason == "MA-4214"
    (told,) = await list_differences(months.database, JANUARY, None)
    assert (told.row.state, len(told.events)) == ("open", 1)


@pytest.mark.parametrize(
    "fault",
    [
        "UPDATE party_key SET revoked_at = now() WHERE key_id = $1",
        "UPDATE party SET role = 'bureau' WHERE code = 'li' AND $1 <> ''",
    ],
)
async def test_neither_a_revoked_key_nor_another_role_signs(
    months: Months, fault: str
) -> None:
    """The signature itself is sound: whose key it is decides."""
    settled = await months.settle()
    await months.open()
    await months.match(lines_of(settled))
    await months.sign("wang")
    await months.database.pool.execute(fault, months.officers["li"].public.kid)

    with pytest.raises(MonthFault) as refused:
        await months.sign("li")

    assert refused.value.reason == "MA-4208"
    assert await months.database.pool.fetchval("SELECT count(*) FROM closed_month") == 0


@pytest.mark.parametrize(
    "fault",
    [
        "UPDATE party SET role = 'bureau' WHERE code = 'li' AND $1 <> ''",
        "UPDATE party_key SET revoked_at = '2026-01-01' WHERE key_id = $1",
    ],
    ids=["role", "revoked"],
)
async def test_signature_of_who_was_no_officer_does_not_count(
    months: Months, fault: str
) -> None:
    """The first of two was given with a key that was revoked, or is no officer's."""
    settled = await months.settle()
    await months.open()
    await months.match(lines_of(settled))
    await months.sign("li")
    await months.database.pool.execute(fault, months.officers["li"].public.kid)

    signing = await months.sign("wang")

    assert (signing.officers, signing.closed_at) == (("wang",), None)


@pytest.mark.parametrize("dies_in", ["add_signature", "close_month"])
async def test_closing_that_dies_is_done_again_to_the_same_bytes(
    months: Months, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    """The database ends the session before its commit; nothing of it stands."""
    settled = await months.settle()
    await months.open()
    await months.match(lines_of(settled))
    await months.sign("li")
    ready = await prepare(
        months.database, JANUARY, "H001", origin=ORIGIN, without_list=False
    )
    does = getattr(store, dies_in)

    async def dies(session: Any, *values: Any, **named: Any) -> None:
        await does(session, *values, **named)
        await session.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with monkeypatch.context() as patched:
        patched.setattr(store, dies_in, dies)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await months.sign("wang")
    kept = await months.database.pool.fetchval(
        "SELECT count(*) FROM statement_signature"
    )
    assert kept == 1
    assert not (await month_state(months.database, JANUARY)).is_closed

    closed = await months.sign("wang")
    assert closed.statement == ready.statement
    assert closed.officers == ("li", "wang")
    assert closed.closed_at is not None


async def test_match_beside_a_close_waits_or_finds_it_closed(months: Months) -> None:
    """Whoever comes second sees what the first has done, never half of it."""
    settled = await months.settle()
    await months.open()
    await months.match(lines_of(settled))
    await months.sign("li")

    made = await asyncio.gather(
        months.sign("wang"), months.match([]), return_exceptions=True
    )

    closed, matched = made
    state = (await month_state(months.database, JANUARY)).hospitals[0]
    if isinstance(matched, BaseException):
        assert isinstance(matched, MonthFault)
        assert matched.reason == "MA-4204"
        assert (state.state, state.differences) == ("closed", {})
    else:
        assert isinstance(closed, MonthFault)
        assert (state.state, state.differences) == ("differences", {"open": 1})


async def test_two_matches_at_once_tell_one_history(months: Months) -> None:
    """A difference is found once, and its history has no number twice."""
    await months.settle()
    await months.open()
    await asyncio.gather(*(months.match([]) for _ in range(3)))

    (told,) = await list_differences(months.database, JANUARY, None)
    assert [event.action for event in told.events] == ["found"]


async def test_month_without_a_list_closes_only_when_that_is_said(
    months: Months,
) -> None:
    """Nobody forgets a hospital's side by oversight; the statement says it too."""
    await months.settle()
    await months.open()
    await months.match()

    with pytest.raises(MonthFault) as refused:
        await prepare(
            months.database, JANUARY, "H001", origin=ORIGIN, without_list=False
        )

    assert refused.value.reason == "MA-4207"
    assert "--without-list" in str(refused.value)
    state = (await month_state(months.database, JANUARY)).hospitals[0]
    assert state.state == "no list"
    assert json.loads((await months.close()).statement)["list_sha256"] is None
