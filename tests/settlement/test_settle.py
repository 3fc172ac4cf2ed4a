"""Settling: right to the fen, once, with a receipt that verifies offline alone."""

import asyncio
import json
from datetime import UTC, date, datetime

import pytest

from crypto.receipt import verify_receipt
from crypto.record import open_record
from settlement.domain.bill import RepeatReason
from settlement.domain.errors import RequestRefused
from tests.settlement.house import House, bill, body, caller


async def test_settle_eligible_approved_with_verifying_receipt(house: House) -> None:
    """A settlement carries proof that needs nothing but the trust file."""
    token = await house.enrol("C1")
    answer = await house.settle(bill("C1"))
    decision = body(answer)
    assert answer.status == 201
    assert decision["decision"] == "approved"
    assert decision["aid_fen"] == 5_760  # 80 % of 232.00 - 160.00
    assert decision["patient_pays_fen"] == 25_000 - 16_000 - 5_760
    verified = verify_receipt(decision["receipt"], house.trust)
    sealed = json.loads(open_record(verified, house.opening))
    assert sealed["bill"]["card"]["number"] == "C1"
    assert sealed["claims"]["aid_fen"] == 5_760
    assert await house.used(token) == 5_760


async def test_settle_same_key_same_content_replays_same_bytes(house: House) -> None:
    """A retry gets the first answer, byte for byte, and changes nothing."""
    token = await house.enrol("C1")
    one = bill("C1")
    first = await house.settle(one, "k1")
    again = await house.settle(one, "k1")
    assert again.body == first.body
    assert (first.replayed, again.replayed) == (False, True)
    assert await house.used(token) == 5_760


async def test_settle_same_key_other_content_names_fields(house: House) -> None:
    """A key belongs to one content for ever."""
    await house.enrol("C1")
    await house.settle(bill("C1", visit_no="V1"), "k1")
    other = bill("C1", visit_no="V1", self_funded_fen=1_100, in_policy_fen=23_100)
    with pytest.raises(RequestRefused) as refused:
        await house.settle(other, "k1")
    assert refused.value.reason == "MA-4103"
    assert {f.path for f in refused.value.faults} == {
        "self_funded_fen",
        "in_policy_fen",
    }


async def test_settle_same_bill_new_key_shows_the_first(house: House) -> None:
    """The same visit's bill under another key is recognised and collected once."""
    token = await house.enrol("C1")
    first = body(await house.settle(bill("C1", visit_no="V1")))
    second = body(await house.settle(bill("C1", visit_no="V1")))
    assert second["decision"] == "declined"
    assert second["reason"]["code"] == "MA-2202"
    duplicate = second["duplicate_of"]
    assert duplicate["settlement_id"] == first["settlement_id"]
    assert duplicate["aid_fen"] == first["aid_fen"]
    assert duplicate["receipt"] == first["receipt"]
    # What a system reads that knows no duplicates: the first one's amounts.
    assert second["patient_pays_fen"] == first["patient_pays_fen"]
    assert second["cash_fen"] == first["cash_fen"]
    assert second["receipt"] is None
    assert await house.used(token) == 5_760


async def test_settle_same_visit_other_amounts_must_reverse_first(
    house: House,
) -> None:
    """Other amounts for a bill in force are never settled beside it."""
    await house.enrol("C1")
    await house.settle(bill("C1", visit_no="V1"))
    changed = bill("C1", visit_no="V1", self_funded_fen=1_100, in_policy_fen=23_100)
    second = body(await house.settle(changed))
    assert second["reason"]["code"] == "MA-2203"


async def test_settle_repeat_reason_lets_second_bill_through(house: House) -> None:
    """A further bill with a reason is settled and raises an alert."""
    await house.enrol("C1")
    await house.settle(bill("C1", visit_no="V1"))
    second = bill("C1", visit_no="V1", repeat_reason=RepeatReason.SECOND_BILL)
    decision = body(await house.settle(second))
    assert decision["decision"] == "approved"
    assert [alert["code"] for alert in decision["alerts"]] == ["repeat-bill"]


async def test_settle_without_bill_no_other_amounts_are_other_bills(
    house: House,
) -> None:
    """Without a bill number, dates and amounts belong to the identity."""
    await house.enrol("C1")
    plain = bill("C1", visit_no="V1", bill_no=None)
    other = bill(
        "C1", visit_no="V1", bill_no=None, self_funded_fen=1_100, in_policy_fen=23_100
    )
    assert body(await house.settle(plain))["decision"] == "approved"
    assert body(await house.settle(other))["decision"] == "approved"
    again = bill("C1", visit_no="V1", bill_no=None)
    assert body(await house.settle(again))["reason"]["code"] == "MA-2202"


async def test_settle_unknown_card_declined_and_kept(house: House) -> None:
    """A decline by rule is stored under its key and stays."""
    await house.enrol("C1")
    one = bill("C2")
    first = await house.settle(one, "k1")
    assert body(first)["reason"]["code"] == "MA-2101"
    assert body(first)["patient_pays_fen"] == 9_000
    await house.enrol("C2")
    assert (await house.settle(one, "k1")).body == first.body


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        (date(2026, 1, 6), None, "MA-2103"),
        (date(2020, 1, 1), date(2026, 1, 4), "MA-2102"),
        (date(2026, 1, 5), date(2026, 1, 5), "MA-2000"),
    ],
)
async def test_settle_window_decides_by_service_date(
    house: House, start: date, end: date | None, code: str
) -> None:
    """Eligibility is that of the day of service, ends included."""
    await house.enrol("C1", valid_from=start, valid_to=end)
    assert body(await house.settle(bill("C1")))["reason"]["code"] == code


async def test_settle_without_roster_is_not_stored(house: House) -> None:
    """What cannot be told is no decline: the same key settles later."""
    one = bill("C1")
    with pytest.raises(RequestRefused, match="MA-2104"):
        await house.settle(one, "k1")
    await house.enrol("C1")
    assert body(await house.settle(one, "k1"))["decision"] == "approved"


async def test_settle_older_cache_asks_the_roster_itself(house: House) -> None:
    """A strike that the cache has not seen yet already holds."""
    token = await house.enrol("C1")
    async with house.database.pool.acquire() as connection:
        await connection.execute(
            "UPDATE roster_window SET valid_to = '2026-01-01' WHERE person = $1", token
        )
        await connection.execute("UPDATE roster_head SET version = version + 1")
    assert body(await house.settle(bill("C1")))["reason"]["code"] == "MA-2102"


async def test_settle_expected_aid_differs_is_declined(house: House) -> None:
    """The cashier confirms a changed amount under a new key."""
    token = await house.enrol("C1")
    decision = body(await house.settle(bill("C1", visit_no="V", expected_aid_fen=1)))
    assert decision["reason"]["code"] == "MA-2204"
    assert await house.used(token) == 0
    confirmed = bill("C1", visit_no="V", expected_aid_fen=5_760)
    assert body(await house.settle(confirmed))["aid_fen"] == 5_760


async def test_settle_aid_already_paid_is_declined(house: House) -> None:
    """Aid is not paid on top of aid."""
    await house.enrol("C1")
    paid = bill("C1", basic_insurance_fen=15_000, medical_aid_fen=1_000)
    assert body(await house.settle(paid))["reason"]["code"] == "MA-2201"


@pytest.mark.parametrize(
    ("settled_at", "day", "month"),
    [
        (datetime(2026, 1, 31, 15, 59, 59, tzinfo=UTC), "2026-01-31", 202601),
        (datetime(2026, 1, 31, 16, 0, 0, tzinfo=UTC), "2026-02-01", 202602),
    ],
)
async def test_settle_month_of_record_is_that_of_shanghai(
    house: House, settled_at: datetime, day: str, month: int
) -> None:
    """Midnight in Shanghai, not in UTC, divides the months of record."""
    await house.enrol("C1")
    decision = body(await house.settle(bill("C1"), settled_at=settled_at))
    claims = verify_receipt(decision["receipt"], house.trust).claims
    assert claims["day"] == day
    identity = bytes.fromhex(decision["settlement_id"])
    async with house.database.pool.acquire() as connection:
        stored = await connection.fetchval(
            "SELECT month FROM settlement WHERE id = $1", identity
        )
    assert stored == month


async def test_settle_past_deadline_is_not_begun(house: House) -> None:
    """Not begun by its deadline: 503, nothing stored, same key."""
    await house.enrol("C1")
    one = bill("C1")
    with pytest.raises(RequestRefused, match="MA-5102"):
        await house.settle(one, "k1", seconds=-1)
    assert body(await house.settle(one, "k1"))["decision"] == "approved"


async def test_same_bill_four_times_at_once_settles_once(house: House) -> None:
    """Four twins under four keys: one approved, three shown the first."""
    token = await house.enrol("C1")
    one = bill("C1")
    answers = await asyncio.gather(*(house.settle(one) for _ in range(4)))
    decisions = [body(answer) for answer in answers]
    approved = [d for d in decisions if d["decision"] == "approved"]
    assert len(approved) == 1
    for declined in decisions:
        if declined is not approved[0]:
            assert (
                declined["duplicate_of"]["settlement_id"]
                == approved[0]["settlement_id"]
            )
    assert await house.used(token) == 5_760


async def test_same_key_four_times_at_once_has_one_effect(house: House) -> None:
    """Twins under one key: one settles, the others are told to come again."""
    token = await house.enrol("C1")
    one = bill("C1")
    results = await asyncio.gather(
        *(house.settle(one, "k1") for _ in range(4)), return_exceptions=True
    )
    answers = [r for r in results if not isinstance(r, BaseException)]
    refused = [r for r in results if isinstance(r, RequestRefused)]
    assert len(answers) + len(refused) == 4
    assert {r.reason for r in refused} <= {"MA-4102"}
    assert len({a.body for a in answers}) == 1
    assert await house.used(token) == 5_760


async def test_yearly_cap_holds_under_concurrency(house: House) -> None:
    """However many claim at once, a pot never pays above its cap."""
    token = await house.enrol("C1")  # 6,000 yuan outpatient, 500 a visit
    big = {"total_fen": 200_000, "in_policy_fen": 200_000}
    zero = {"self_funded_fen": 0, "pre_selfpay_fen": 0}
    answers = await asyncio.gather(
        *(house.settle(bill("C1", **big, **zero)) for _ in range(40))
    )
    paid = [body(answer)["aid_fen"] for answer in answers]
    assert sum(paid) == 600_000
    assert await house.used(token) == 600_000
    assert paid.count(50_000) == 12
    rest = [body(a) for a in answers if body(a)["aid_fen"] == 0]
    assert {d["reason"]["code"] for d in rest} == {"MA-2002"}


async def test_quote_equals_settlement_and_writes_nothing(house: House) -> None:
    """A quote is the same computation; it binds nobody."""
    token = await house.enrol("C1")
    one = bill("C1")
    quote = body(await house.gateway.quote(caller(), one, house.when()))
    assert await house.used(token) == 0
    settled = body(await house.settle(one))
    for name in ("aid_fen", "patient_pays_fen", "explanation", "category", "quota"):
        assert quote[name] == settled[name]
    assert quote["settlement_id"] is None
    assert quote["receipt"] is None
