"""Reversals: in full, once, by what was posted; also before their original."""

import asyncio
import json
from collections import Counter

import pytest

from crypto.receipt import verify_receipt
from settlement.domain.bill import Card, CardKind, RepeatReason
from settlement.domain.errors import RequestRefused
from tests.settlement.house import House, assert_books_clean, bill, body, caller


def card(number: str) -> Card:
    """A social security card."""
    return Card(kind=CardKind.SOCIAL_SECURITY_CARD, number=number)


async def test_reverse_by_id_restores_accumulators_exactly(house: House) -> None:
    """A refund gives back what was posted and leaves its own record."""
    token = await house.enrol("C1")
    settled = body(await house.settle(bill("C1")))
    answer = body(await house.reverse(settlement_id=settled["settlement_id"]))
    assert (answer["state"], answer["aid_fen"]) == ("reversed", 5_760)
    assert answer["already"] is False
    assert verify_receipt(answer["receipt"], house.trust).claims["op"] == "reverse"
    assert await house.used(token) == 0
    await assert_books_clean(house)


async def test_reverse_twice_shows_the_first(house: House) -> None:
    """A second reversal under another key changes nothing."""
    token = await house.enrol("C1")
    settled = body(await house.settle(bill("C1")))
    first = body(await house.reverse(settlement_id=settled["settlement_id"]))
    second = body(await house.reverse(settlement_id=settled["settlement_id"]))
    assert second["already"] is True
    assert second["reversal_id"] == first["reversal_id"]
    assert second["receipt"] == first["receipt"]
    assert await house.used(token) == 0
    await assert_books_clean(house)


async def test_reverse_at_once_under_two_keys_is_one_reversal(house: House) -> None:
    """Whoever is second is shown the first, also in the same batch."""
    token = await house.enrol("C1")
    settled = body(await house.settle(bill("C1"), "k1"))
    answers = await asyncio.gather(
        house.reverse(settlement_id=settled["settlement_id"]),
        house.reverse(settlement_id=settled["settlement_id"]),
        house.reverse(original_key="k1", card=card("C1")),
    )
    bodies = [body(answer) for answer in answers]
    assert sorted(b["already"] for b in bodies) == [False, True, True]
    assert len({b["reversal_id"] for b in bodies}) == 1
    assert await house.used(token) == 0
    await assert_books_clean(house)


async def test_reverse_same_key_replays_same_bytes(house: House) -> None:
    """A retried reversal is the same reversal."""
    await house.enrol("C1")
    settled = body(await house.settle(bill("C1")))
    first = await house.reverse("r1", settlement_id=settled["settlement_id"])
    again = await house.reverse("r1", settlement_id=settled["settlement_id"])
    assert again.body == first.body
    assert again.replayed


async def test_reverse_same_key_other_content_is_refused(house: House) -> None:
    """A reversal key belongs to one content for ever."""
    await house.enrol("C1")
    settled = body(await house.settle(bill("C1")))
    await house.reverse("r1", settlement_id=settled["settlement_id"])
    with pytest.raises(RequestRefused) as refused:
        await house.reverse("r1", settlement_id="00" * 16)
    assert refused.value.reason == "MA-4103"
    assert [f.path for f in refused.value.faults] == ["settlement_id"]


async def test_reverse_before_original_stops_the_late_one(house: House) -> None:
    """A reversal that overtakes leaves a tombstone; the late original is declined."""
    token = await house.enrol("C1")
    stop = body(await house.reverse(original_key="k1", card=card("C1")))
    assert (stop["state"], stop["settlement_id"]) == ("tombstone", None)
    assert verify_receipt(stop["receipt"], house.trust).claims["op"] == "tombstone"
    waiting = body(await house.gateway.settlement_by_key(caller(), "k1"))
    assert waiting["reversal"] == stop
    late = await house.settle(bill("C1", visit_no="V1"), "k1")
    assert body(late)["reason"]["code"] == "MA-2205"
    again = await house.settle(bill("C1", visit_no="V1"), "k1")
    assert (again.body, again.replayed) == (late.body, True)
    gateway = house.gateway
    by_key = body(await gateway.settlement_by_key(caller(), "k1"))
    by_id = body(await gateway.settlement_by_id(caller(), body(late)["settlement_id"]))
    assert by_key == by_id == {"state": "declined", **body(late)}
    with pytest.raises(RequestRefused, match="MA-4103"):
        await house.settle(bill("C1", visit_no="V2"), "k1")
    assert await house.used(token) == 0
    assert body(await house.settle(bill("C1", visit_no="V1")))["aid_fen"] == 5_760
    await assert_books_clean(house)


async def test_reverse_stopped_key_again_shows_the_tombstone(house: House) -> None:
    """Stopping a key twice is one tombstone."""
    await house.enrol("C1")
    first = body(await house.reverse(original_key="k1", card=card("C1")))
    second = body(await house.reverse(original_key="k1", card=card("C1")))
    assert second["already"] is True
    assert second["reversal_id"] == first["reversal_id"]
    await assert_books_clean(house)


async def test_reverse_by_key_undoes_a_lost_answer(house: House) -> None:
    """A settlement whose answer never came is undone by its key."""
    token = await house.enrol("C1")
    await house.settle(bill("C1"), "k1")
    answer = body(await house.reverse(original_key="k1", card=card("C1")))
    assert answer["state"] == "reversed"
    assert await house.used(token) == 0


async def test_reverse_declined_original_is_declined(house: House) -> None:
    """There is nothing to give back for a decline."""
    await house.enrol("C1")
    declined = body(await house.settle(bill("C2")))
    answer = body(await house.reverse(settlement_id=declined["settlement_id"]))
    assert (answer["state"], answer["aid_fen"]) == ("declined", 0)
    assert answer["receipt"] is None
    await assert_books_clean(house)


async def test_reverse_unknown_and_foreign_ids_are_the_same_404(house: House) -> None:
    """Another facility's settlement is as unknown as one that never was."""
    await house.enrol("C1")
    settled = body(await house.settle(bill("C1"), facility=1))
    for identity in (settled["settlement_id"], "00" * 16, "nonsense"):
        with pytest.raises(RequestRefused, match="MA-4101"):
            await house.reverse(facility=2, settlement_id=identity)
    await assert_books_clean(house)


async def test_reverse_other_persons_card_is_refused(house: House) -> None:
    """The card that comes with the key must be the settlement's person's."""
    await house.enrol("C1")
    await house.enrol("C2")
    await house.settle(bill("C1"), "k1")
    with pytest.raises(RequestRefused, match="MA-4104"):
        await house.reverse(original_key="k1", card=card("C2"))
    await assert_books_clean(house)


async def test_reverse_then_correction_settles_again(house: House) -> None:
    """A partial refund is a reversal and a corrected settlement."""
    token = await house.enrol("C1")
    settled = body(await house.settle(bill("C1", visit_no="V1")))
    await house.reverse(settlement_id=settled["settlement_id"])
    corrected = bill(
        "C1",
        visit_no="V1",
        self_funded_fen=1_100,
        in_policy_fen=23_100,
        repeat_reason=RepeatReason.CORRECTION,
    )
    assert body(await house.settle(corrected))["aid_fen"] == 5_680
    assert await house.used(token) == 5_680
    repeated = bill("C1", visit_no="V1", self_funded_fen=1_100, in_policy_fen=23_100)
    assert body(await house.settle(repeated))["reason"]["code"] == "MA-2202"
    await assert_books_clean(house)


async def test_further_bill_stays_in_force_when_the_first_is_reversed(
    house: House,
) -> None:
    """What is still in force keeps holding the visit."""
    await house.enrol("C1")
    first = body(await house.settle(bill("C1", visit_no="V1")))
    second = bill("C1", visit_no="V1", repeat_reason=RepeatReason.SECOND_BILL)
    await house.settle(second)
    await house.reverse(settlement_id=first["settlement_id"])
    third = body(await house.settle(bill("C1", visit_no="V1")))
    assert third["decision"] == "declined"
    await assert_books_clean(house)


async def test_tombstones_have_a_daily_limit(house: House) -> None:
    """A facility cannot stop keys without end."""
    await house.enrol("C1")
    for number in range(100):
        await house.reverse(original_key=f"k{number}", card=card("C1"))
    with pytest.raises(RequestRefused, match="MA-4107"):
        await house.reverse(original_key="k100", card=card("C1"))
    assert body(await house.settle(bill("C1"), "k100"))["decision"] == "approved"
    await assert_books_clean(house)


async def test_settlements_and_reversals_in_a_crowd_keep_the_books(
    house: House,
) -> None:
    """Any interleaving settles each key once and gives back exactly."""
    tokens = [await house.enrol(f"C{n}") for n in range(5)]

    async def one(number: int) -> str:
        key = f"k{number}"
        answer = await house.settle(bill(f"C{number % 5}"), key)
        if number % 3 == 0:
            await house.reverse(settlement_id=body(answer)["settlement_id"])
            return "reversed"
        return "settled"

    outcomes = Counter(await asyncio.gather(*(one(n) for n in range(120))))
    assert outcomes == {"reversed": 40, "settled": 80}
    used = [await house.used(token) for token in tokens]
    assert sum(used) == 80 * 5_760
    await assert_books_clean(house)


async def test_lookups_show_state_record_and_proof(house: House) -> None:
    """A settlement is found by id, key and visit; its proof is of the latest tree."""
    await house.enrol("C1")
    settled = body(await house.settle(bill("C1", visit_no="V1"), "k1"))
    identity = settled["settlement_id"]
    await house.reverse(settlement_id=identity)
    gateway = house.gateway
    by_id = body(await gateway.settlement_by_id(caller(), identity))
    by_key = body(await gateway.settlement_by_key(caller(), "k1"))
    by_visit = body(await gateway.settlements_by_visit(caller(), "V1"))
    assert by_id["state"] == by_key["state"] == "reversed"
    assert by_id["reversal"]["settlement_id"] == identity
    assert [item["settlement_id"] for item in by_visit["items"]] == [identity]
    record = await gateway.record(caller(), identity)
    assert json.dumps(record.decode()) == json.dumps(settled["receipt"]["record"])
    with pytest.raises(RequestRefused, match="MA-4101"):
        await gateway.settlement_by_id(caller(2), identity)
    with pytest.raises(RequestRefused, match="MA-4101"):
        await gateway.settlement_by_key(caller(), "never")
