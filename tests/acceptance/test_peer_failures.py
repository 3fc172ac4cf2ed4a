"""The four money tests that the nearest open peer fails, over HTTP, two workers.

Each caller has a connection of its own, so that the kernel spreads them over the
workers; several rounds, so that both orders of both workers occur.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from crypto.receipt import verify_receipt
from tests.acceptance.conftest import Running
from tests.acceptance.desk import Answer, Desk, bill, bill_of, new_name
from tests.acceptance.sandbox import Sandbox

ROUNDS = 8
#: Of a dibao person: year and visit, in fen.
YEAR_CAP, VISIT_CAP = 600_000, 50_000
#: Aid of the bill with which a person's year begins.
FIRST_FEN = 80


@asynccontextmanager
async def desks(
    running: Running, count: int, code: str = "H001"
) -> AsyncIterator[list[Desk]]:
    """So many terminals of one facility, each with a connection of its own."""
    sandbox = running.sandbox
    https = [aiohttp.ClientSession() for _ in range(count)]
    try:
        found = [
            Desk(http, running.gateway.url, sandbox.keys[code], sandbox.tokens)
            for http in https
        ]
        await found[0].token()
        yield found
    finally:
        await asyncio.gather(*(http.close() for http in https))


async def until_decided(desk: Desk, key: str, sent: dict[str, Any]) -> Answer:
    """Settle as a terminal does: 409 is asked again under the same key."""
    return await _until_decided(lambda: desk.settle(key, sent))


async def until_reversed(desk: Desk, key: str, order: dict[str, Any]) -> Answer:
    """Reverse in the same way."""
    return await _until_decided(lambda: desk.reverse(key, order))


async def _until_decided(call: Callable[[], Awaitable[Answer]]) -> Answer:
    while True:
        answer = await call()
        if answer.status != 409:
            return answer
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json()["retry"]["same_key"] is True
        await asyncio.sleep(0.05)


async def settled(desk: Desk, visit_no: str) -> list[dict[str, Any]]:
    """What is in force for a visit."""
    found = (await desk.get(f"/v1/settlements?visit_no={visit_no}")).json()["items"]
    return [item for item in found if item["state"] == "settled"]


async def used_fen(desk: Desk, person: int) -> int:
    """What the outpatient pot of the year has paid."""
    quota = (await desk.eligibility(person)).json()["quota"]
    return next(int(pot["used_fen"]) for pot in quota if pot["pot"] == "outpatient")


async def test_same_bill_four_times_at_once_under_one_key(running: Running) -> None:
    """Four senders of one intent get one settlement, and the same bytes."""
    async with desks(running, 4) as four:
        for _ in range(ROUNDS):
            person, key = running.sandbox.dibao(), new_name()
            sent = bill(person)

            answers = await asyncio.gather(
                *(until_decided(desk, key, sent) for desk in four)
            )

            assert {answer.status for answer in answers} == {201}
            assert len({answer.body for answer in answers}) == 1
            assert [answer.replayed for answer in answers].count(False) == 1
            assert len(await settled(four[0], sent["visit_no"])) == 1
            assert await used_fen(four[1], person) == 5_760


async def test_same_bill_four_times_at_once_under_four_keys(running: Running) -> None:
    """One is approved; the others are told which one, and what to collect."""
    async with desks(running, 4) as four:
        for _ in range(ROUNDS):
            person = running.sandbox.dibao()
            sent = bill(person)

            answers = await asyncio.gather(
                *(until_decided(desk, new_name(), sent) for desk in four)
            )

            assert {answer.status for answer in answers} == {201}
            approved, *declined = sorted(
                (answer.json() for answer in answers), key=lambda d: str(d["decision"])
            )
            assert approved["decision"] == "approved"
            for repeat in declined:
                assert repeat["decision"] == "declined"
                assert repeat["reason"]["code"] == "MA-2202"
                assert repeat["receipt"] is None
                assert repeat["duplicate_of"] == {
                    name: approved[name]
                    for name in (
                        "settlement_id", "aid_fen", "patient_pays_fen", "receipt"
                    )
                }  # fmt: skip
            assert len(await settled(four[0], sent["visit_no"])) == 1
            assert await used_fen(four[1], person) == 5_760


async def test_retry_after_success(running: Running) -> None:
    """The original outcome is returned, byte for byte, by whichever worker."""
    async with desks(running, 6) as six:
        person, key = running.sandbox.dibao(), new_name()
        sent = bill(person)

        first = await six[0].settle(key, sent)
        again = [await desk.settle(key, sent) for desk in six]

        assert (first.status, first.replayed) == (201, False)
        assert {(a.status, a.replayed, a.body) for a in again} == {
            (201, True, first.body)
        }
        verify_receipt(first.json()["receipt"], running.sandbox.trust)


async def test_retry_of_a_decline(running: Running) -> None:
    """A decline is an answer too: it is kept, and does not turn into a yes."""
    async with desks(running, 2) as two:
        person, key = running.sandbox.dibao(), new_name()
        sent = bill(person)
        first = await two[0].settle(new_name(), sent)
        declined = await two[0].settle(key, sent)
        await two[0].reverse(
            new_name(),
            {"settlement_id": first.json()["settlement_id"], "reason": "mistake"},
        )

        again = await two[1].settle(key, sent)

        assert declined.code == "MA-2202"
        assert (again.status, again.replayed, again.body) == (201, True, declined.body)


async def test_same_content_under_a_new_key(running: Running) -> None:
    """15 of 15 repeats are declined with the first one's amounts (peer: approved)."""
    async with desks(running, 2) as two:
        person = running.sandbox.dibao()
        sent = bill(person)
        first = (await two[0].settle(new_name(), sent)).json()

        repeats = [(await two[n % 2].settle(new_name(), sent)) for n in range(15)]

        assert first["decision"] == "approved"
        assert [answer.code for answer in repeats] == ["MA-2202"] * 15
        ids = {a.json()["duplicate_of"]["settlement_id"] for a in repeats}
        assert ids == {first["settlement_id"]}
        assert await used_fen(two[0], person) == first["aid_fen"]


async def test_other_amounts_for_the_same_bill(running: Running) -> None:
    """Changed amounts do not make another bill: reverse the first, then settle."""
    async with desks(running, 1) as (desk,):
        person = running.sandbox.dibao()
        sent = bill(person)
        other = sent | {"total_fen": 26_000, "self_funded_fen": 2_000}
        first = (await desk.settle(new_name(), sent)).json()

        refused = await desk.settle(new_name(), other)
        order = {"settlement_id": first["settlement_id"], "reason": "mistake"}
        undone = await desk.reverse(new_name(), order)
        after = await desk.settle(new_name(), other)

        assert refused.code == "MA-2203"
        assert refused.json()["duplicate_of"]["settlement_id"] == first["settlement_id"]
        assert undone.status == 201
        assert (after.status, after.json()["decision"]) == (201, "approved")
        assert len(await settled(desk, sent["visit_no"])) == 1


@pytest.mark.parametrize("aid_fen", [VISIT_CAP, 43_000])
async def test_yearly_cap_under_concurrency(running: Running, aid_fen: int) -> None:
    """Twenty visits at once of one person, at two hospitals: never above the cap.

    5 of 5 persons. The last one that fits gets a part; the cap is used up to the
    fen, and all others are approved with nothing.
    """
    persons = [running.sandbox.dibao() for _ in range(5)]
    async with desks(running, 10) as ours, desks(running, 10, "H002") as theirs:
        # Opened before the rush: a total that does not exist yet would make the
        # first two wait for each other, and hide what the others do.
        opened = [
            await ours[0].settle(new_name(), bill_of(person, FIRST_FEN * 10 // 8))
            for person in persons
        ]
        answers = await asyncio.gather(
            *(
                _settle_in_turn(desk, persons[n % 5 :] + persons[: n % 5], aid_fen)
                for n, desk in enumerate((*ours, *theirs))
            )
        )
        used = [await used_fen(ours[0], person) for person in persons]
        leftover = await ours[0].settle(new_name(), bill_of(persons[0], 100))

    assert {answer.json()["aid_fen"] for answer in opened} == {FIRST_FEN}
    assert used == [YEAR_CAP] * len(persons)
    whole, rest = divmod(YEAR_CAP - FIRST_FEN, aid_fen)
    expected = [aid_fen] * whole + [rest] + [0] * (20 - whole - 1)
    for person in persons:
        mine = [of_person[person] for of_person in answers]
        amounts = [document["aid_fen"] for document in mine]
        assert sorted(amounts, reverse=True) == expected
        assert {document["decision"] for document in mine} == {"approved"}
        empty = [document for document in mine if document["aid_fen"] == 0]
        assert {document["reason"]["code"] for document in empty} == {"MA-2002"}
    assert (leftover.code, leftover.json()["aid_fen"]) == ("MA-2002", 0)


async def _settle_in_turn(
    desk: Desk, persons: list[int], aid_fen: int
) -> dict[int, dict[str, Any]]:
    """A visit of each person, one after the other as at a desk; the DECISIONs."""
    decided = {}
    for person in persons:
        sent = bill_of(person, aid_fen * 10 // 8)
        answer = await until_decided(desk, new_name(), sent)
        assert answer.status == 201
        decided[person] = answer.json()
    return decided


async def test_cap_holds_against_reversals_at_the_same_time(running: Running) -> None:
    """What a reversal gives back is free at once, and never twice."""
    person = running.sandbox.dibao()
    async with desks(running, 12) as twelve:
        bills = [bill_of(person, 62_500) for _ in range(12)]
        first = await asyncio.gather(
            *(
                until_decided(d, new_name(), b)
                for d, b in zip(twelve, bills, strict=True)
            )
        )
        orders = [
            {"settlement_id": answer.json()["settlement_id"], "reason": "refund"}
            for answer in first[:6]
        ]
        more = [bill_of(person, 62_500) for _ in range(9)]

        decided = await asyncio.gather(
            *(until_reversed(twelve[0], new_name(), order) for order in orders * 2),
            *(
                until_decided(d, new_name(), b)
                for d, b in zip(twelve[3:], more, strict=True)
            ),
        )
        reversals, later = decided[:12], decided[12:]
        used = await used_fen(twelve[0], person)

    assert sum(answer.json()["aid_fen"] for answer in first) == YEAR_CAP
    assert {answer.status for answer in reversals} == {201}
    assert sum(not answer.json()["already"] for answer in reversals) == 6
    aid_later = sum(answer.json()["aid_fen"] for answer in later)
    assert used == YEAR_CAP - 6 * VISIT_CAP + aid_later
    assert used <= YEAR_CAP


def test_books_are_clean_afterwards(sandbox: Sandbox) -> None:
    """Whatever raced above, every invariant holds over what is stored."""
    assert "every invariant holds" in sandbox.command("check-books")
