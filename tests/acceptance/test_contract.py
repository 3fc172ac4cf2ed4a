"""What a desk asks, call by call as the contract's table has it, over raw HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from crypto.receipt import verify_receipt
from tests.acceptance.conftest import Running
from tests.acceptance.decisions import (
    JSON,
    SETTLED_AT,
    approved,
    declined,
    pot,
    settled,
)
from tests.acceptance.desk import (
    DAY,
    Desk,
    bill,
    bill_of,
    new_name,
)
from tests.acceptance.sandbox import EXPIRED, FUTURE, NOBODY, Sandbox
from tests.acceptance.shapes import (
    DECISION,
    ELIGIBILITY,
    assert_fits,
)
from tests.roster.bureau import id_number

# Eligibility


async def test_eligible(desk: Desk, sandbox: Sandbox) -> None:
    """Yes: category, window, household, quota and the roster's age."""
    answer = await desk.eligibility(sandbox.dibao())

    document = answer.json()
    assert (answer.status, answer.headers["Content-Type"]) == (200, JSON)
    assert_fits(document, ELIGIBILITY)
    assert (document["status"], document["category"]) == ("eligible", "dibao")
    assert (document["valid_from"], document["valid_to"]) == ("2020-01-01", None)
    assert document["household"]
    assert datetime.fromisoformat(document["quota_as_of"]) == SETTLED_AT
    outpatient = pot(document)
    assert (outpatient["cap_fen"], outpatient["used_fen"]) == (600_000, 0)
    assert outpatient["remaining_fen"] == 600_000
    roster = document["roster"]
    assert roster["version"] == 1
    # The manifest's day begins in Shanghai.
    assert roster["as_of"].startswith("2026-01-01T16:00:00")
    assert roster["age_s"] == 3 * 86_400 + 10 * 3_600 + 14 * 60 + 9


async def test_no_cap_is_null(desk: Desk, sandbox: Sandbox) -> None:
    """Null cap and null remaining mean that there is no limit."""
    document = (await desk.eligibility(sandbox.tekun())).json()

    assert document["quota"]
    for each in document["quota"]:
        assert (each["cap_fen"], each["remaining_fen"]) == (None, None)


@pytest.mark.parametrize(
    ("person", "code"),
    [(NOBODY, "MA-2101"), (EXPIRED, "MA-2102"), (FUTURE, "MA-2103")],
)
async def test_not_eligible(desk: Desk, person: int, code: str) -> None:
    """No: with the reason and what the cashier does now."""
    answer = await desk.eligibility(person)

    document = answer.json()
    assert answer.status == 200
    assert_fits(document, ELIGIBILITY)
    assert (document["status"], document["reason"]["code"]) == ("not_eligible", code)
    assert (document["category"], document["quota"]) == (None, None)


async def test_eligibility_on_a_day_in_the_past(desk: Desk) -> None:
    """Windows are never deleted: the answer is of the day that is asked for."""
    document = (await desk.eligibility(EXPIRED, "2025-12-31")).json()

    assert (document["status"], document["valid_to"]) == ("eligible", "2025-12-31")


async def test_eligibility_by_identity_card(desk: Desk, sandbox: Sandbox) -> None:
    """Both kinds of card lead to the same person."""
    person = sandbox.dibao()
    other = {"kind": "resident_id", "number": id_number(person)}
    body = {"card": other, "service_date": DAY}

    answer = await desk.ask("POST", "/v1/eligibility", body)

    assert answer.json() == (await desk.eligibility(person)).json()


def test_unknown_before_any_roster(running: Running) -> None:
    """Cannot tell: never a no, and at settle never a decline."""
    before = running.before_roster

    document = before["eligibility"].json()
    assert before["eligibility"].status == 200
    assert_fits(document, ELIGIBILITY)
    assert (document["status"], document["roster"]) == ("unknown", None)
    assert before["settle"].status == 503
    assert before["settle"].json()["retry"]["same_key"] is True
    assert before["key"].status == 404


async def test_key_refused_before_any_roster_settles_later(
    desk: Desk, running: Running
) -> None:
    """A 503 is not kept: the same key settles once eligibility can be told."""
    assert running.before_roster["settle"].status == 503

    approved(await desk.settle("before-roster", bill(1, visit_no="MZ-0")))


# Quotes


async def test_quote(desk: Desk, sandbox: Sandbox) -> None:
    """A DECISION without id and receipt, which writes nothing."""
    person = sandbox.dibao()
    before = (await desk.raw("GET", "/v1/log/checkpoint")).body

    answer = await desk.quote(bill(person))

    document = answer.json()
    assert (answer.status, answer.headers["Content-Type"]) == (200, JSON)
    assert_fits(document, DECISION)
    assert (document["settlement_id"], document["receipt"]) == (None, None)
    assert (document["decision"], document["aid_fen"]) == ("approved", 5_760)
    assert (await desk.raw("GET", "/v1/log/checkpoint")).body == before
    assert pot((await desk.eligibility(person)).json())["used_fen"] == 0


async def test_quote_is_what_settling_gives(desk: Desk, sandbox: Sandbox) -> None:
    """Quote and settlement are one computation."""
    sent = bill(sandbox.dibao())

    quote = (await desk.quote(sent)).json()
    document = await settled(desk, sent)

    own = {"settlement_id", "settled_at", "receipt"}
    assert {k: v for k, v in quote.items() if k not in own} == {
        k: v for k, v in document.items() if k not in own
    }


# Settlements


async def test_settlement(desk: Desk, sandbox: Sandbox) -> None:
    """The contract's bill: amounts to the fen, policy, explanation, receipt."""
    sent = bill(sandbox.dibao())

    answer = await desk.settle(new_name(), sent)

    document = approved(answer)
    assert answer.headers["Content-Type"] == JSON
    assert "Idempotent-Replayed" not in answer.headers
    assert datetime.fromisoformat(document["settled_at"]) == SETTLED_AT
    assert document["aid"] == [{"kind": "basic", "amount_fen": 5_760}]
    assert (document["aidable_base_fen"], document["aid_fen"]) == (7_200, 5_760)
    assert (document["patient_pays_fen"], document["cash_fen"]) == (3_240, 3_240)
    assert document["account_return_fen"] == 0
    assert document["policy"]["id"] == "demo-district"
    assert document["category"] == "dibao"
    assert document["explanation"]
    assert all(line["source"] for line in document["explanation"])
    amounts = {line["rule"]: line["result_fen"] for line in document["explanation"]}
    assert document["aid_fen"] in amounts.values()
    assert document["patient_pays_fen"] in amounts.values()
    assert pot(document)["used_fen"] == 5_760
    assert pot(document)["remaining_fen"] == 594_240
    assert (document["alerts"], document["duplicate_of"]) == ([], None)
    verified = verify_receipt(document["receipt"], sandbox.trust)
    assert verified.claims["sandbox"] is True
    assert verified.claims["facility"] == "H001"
    assert verified.claims["aid_fen"] == 5_760


@pytest.mark.parametrize(
    ("account", "cash", "returned"), [(2_000, 1_240, 0), (4_000, 0, 760)]
)
async def test_personal_account(
    desk: Desk, sandbox: Sandbox, account: int, cash: int, returned: int
) -> None:
    """The patient's own money: what it leaves is cash, what is too much goes back."""
    sent = bill(sandbox.dibao(), personal_account_fen=account)

    document = await settled(desk, sent)

    assert document["patient_pays_fen"] == 3_240
    assert (document["cash_fen"], document["account_return_fen"]) == (cash, returned)


async def test_only_the_required_members(desk: Desk, sandbox: Sandbox) -> None:
    """What may be left out may be left out."""
    sent = bill(sandbox.dibao())
    for name in ("bill_no", "occurred_at", "diagnoses", "medical_aid_fen"):
        del sent[name]

    await settled(desk, sent)


async def test_every_member(desk: Desk, sandbox: Sandbox) -> None:
    """Everything that may be sent is taken, and has the effect that it names."""
    sent = bill(
        sandbox.dibao(),
        deductible_fen=0,
        commercial_fen=200,
        charity_fen=100,
        prescription_days=30,
        med_type="11",
        place="local",
        repeat_reason="correction",
        expected_aid_fen=5_600,
    )

    document = await settled(desk, sent)

    # The demo pack takes commercial insurance off the base, charity not.
    assert (document["aidable_base_fen"], document["aid_fen"]) == (7_000, 5_600)


async def test_inpatient_with_tilt(desk: Desk, sandbox: Sandbox) -> None:
    """Two kinds of aid, each named, each to its pot."""
    sent = bill_of(
        sandbox.dibao(), 4_000_000, care_type="inpatient", service_start="2026-01-02"
    )

    document = await settled(desk, sent)

    # 85 % of 40,000; then 60 % of what is left above 5,000.
    assert document["aid"] == [
        {"kind": "basic", "amount_fen": 3_400_000},
        {"kind": "tilt", "amount_fen": 60_000},
    ]
    assert document["aid_fen"] == 3_460_000
    assert pot(document, "inpatient")["used_fen"] == 3_400_000


async def test_nothing_to_aid(desk: Desk, sandbox: Sandbox) -> None:
    """Base 0 is approved with aid 0 and a reason, stored, and touches no pot."""
    person = sandbox.dibao()
    sent = bill(person, basic_insurance_fen=23_200)

    document = await settled(desk, sent)

    assert document["reason"]["code"] == "MA-2001"
    assert (document["aidable_base_fen"], document["aid_fen"]) == (0, 0)
    assert document["patient_pays_fen"] == 1_800
    assert pot((await desk.eligibility(person)).json())["used_fen"] == 0
    found = await desk.get(f"/v1/settlements/{document['settlement_id']}")
    assert found.json()["state"] == "settled"


@pytest.mark.parametrize(
    ("person", "code"),
    [(NOBODY, "MA-2101"), (EXPIRED, "MA-2102"), (FUTURE, "MA-2103")],
)
async def test_decline_by_roster(desk: Desk, person: int, code: str) -> None:
    """A refusal by rule is an answer: 201, an id, no receipt, no leaf; kept."""
    key, sent = new_name(), bill(person)
    before = (await desk.raw("GET", "/v1/log/checkpoint")).body

    first = await desk.settle(key, sent)
    again = await desk.settle(key, sent)

    document = declined(first, code)
    assert document["patient_pays_fen"] == 9_000
    assert (again.status, again.replayed, again.body) == (201, True, first.body)
    assert (await desk.raw("GET", "/v1/log/checkpoint")).body == before
    found = await desk.get(f"/v1/settlements/{document['settlement_id']}")
    assert found.json()["state"] == "declined"
    record = await desk.get(f"/v1/settlements/{document['settlement_id']}/record")
    assert record.status == 404


async def test_aid_already_paid(desk: Desk, sandbox: Sandbox) -> None:
    """Aid that somebody already paid is declined, unless the pack tops up."""
    sent = bill(sandbox.dibao(), medical_aid_fen=1)

    document = declined(await desk.settle(new_name(), sent), "MA-2201")

    assert document["patient_pays_fen"] == 8_999


async def test_expected_aid(desk: Desk, sandbox: Sandbox) -> None:
    """Another amount than the patient was told is confirmed under a new key."""
    sent = bill(sandbox.dibao(), expected_aid_fen=5_761)

    document = declined(await desk.settle(new_name(), sent), "MA-2204")
    confirmed = await settled(desk, sent | {"expected_aid_fen": 5_760})

    assert document["retry"] == {"allowed": True, "same_key": False}
    assert confirmed["aid_fen"] == 5_760


# Once


async def test_same_key_same_content(desk: Desk, sandbox: Sandbox) -> None:
    """Same status, same bytes; the content is what was meant, not how it was typed."""
    key, sent = new_name(), bill(sandbox.dibao())
    first = await desk.settle(key, sent)

    turned = dict(reversed(sent.items())) | {"charity_fen": 0, "place": "local"}
    again = await desk.settle(key, turned)

    approved(first)
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_keys_are_of_their_facility_and_kind(
    desk: Desk, desk_of: Callable[[str], Desk], sandbox: Sandbox
) -> None:
    """Another hospital, and a reversal, may use the same key."""
    key = new_name()

    ours = approved(await desk.settle(key, bill(sandbox.dibao())))
    theirs = approved(await desk_of("H002").settle(key, bill(sandbox.dibao())))
    order = {"settlement_id": ours["settlement_id"], "reason": "refund"}
    undone = await desk.reverse(key, order)

    assert ours["settlement_id"] != theirs["settlement_id"]
    assert (undone.status, undone.replayed) == (201, False)


async def test_same_key_other_content(desk: Desk, sandbox: Sandbox) -> None:
    """422 that names what differs; the first answer stays."""
    key, sent = new_name(), bill(sandbox.dibao())
    first = await desk.settle(key, sent)
    other = sent | {"total_fen": 26_000, "self_funded_fen": 2_000, "referred": False}

    refused = await desk.settle(key, other)

    assert (refused.status, refused.code) == (422, "MA-4103")
    paths = {field["path"] for field in refused.json()["fields"]}
    assert paths == {"total_fen", "self_funded_fen", "referred"}
    assert (await desk.settle(key, sent)).body == first.body


async def test_without_bill_number_amounts_and_dates_tell(
    desk: Desk, sandbox: Sandbox
) -> None:
    """Two bills of a visit without numbers are two, unless they are the same."""
    first = bill(sandbox.dibao())
    del first["bill_no"]
    second = first | {"total_fen": 26_000, "self_funded_fen": 2_000}

    await settled(desk, first)
    await settled(desk, second)
    declined(await desk.settle(new_name(), first), "MA-2202")


async def test_repeat_reason(desk: Desk, sandbox: Sandbox) -> None:
    """A second bill on purpose goes through, with an alert."""
    sent = bill(sandbox.dibao())
    await settled(desk, sent)

    document = await settled(desk, sent | {"repeat_reason": "second_bill"})

    assert document["aid_fen"] == 5_760
    told = [alert["code"] for alert in document["alerts"]]
    assert told == ["repeat-bill", "exact-repeat"]


async def test_person_not_card_and_facility_tell(
    desk: Desk, desk_of: Callable[[str], Desk], sandbox: Sandbox
) -> None:
    """The same visit under the other card is a repeat; elsewhere it is another."""
    person = sandbox.dibao()
    sent = bill(person)
    await settled(desk, sent)
    other_card = {"kind": "resident_id", "number": id_number(person)}

    declined(await desk.settle(new_name(), sent | {"card": other_card}), "MA-2202")
    await settled(desk_of("H002"), sent)
