"""What a desk asks, call by call as the contract's table has it, over raw HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from crypto.receipt import verify_receipt
from tests.acceptance.conftest import Running
from tests.acceptance.desk import (
    AT,
    DAY,
    Answer,
    Desk,
    bill,
    bill_of,
    card,
    new_name,
)
from tests.acceptance.sandbox import EXPIRED, FUTURE, NOBODY, Sandbox
from tests.acceptance.shapes import (
    DECISION,
    ELIGIBILITY,
    FOUND,
    REVERSAL,
    assert_fits,
)
from tests.roster.bureau import id_number

JSON = "application/json"
SETTLED_AT = datetime.fromisoformat(AT)


def approved(answer: Answer) -> Any:
    """The DECISION of an answer that has to be a first approval."""
    assert (answer.status, answer.replayed) == (201, False), answer.body
    document = answer.json()
    assert_fits(document, DECISION)
    assert document["decision"] == "approved"
    return document


def declined(answer: Answer, code: str) -> Any:
    """The DECISION of an answer that has to be a decline for this reason."""
    assert answer.status == 201, answer.body
    document = answer.json()
    assert_fits(document, DECISION)
    assert (document["decision"], document["reason"]["code"]) == ("declined", code)
    assert document["receipt"] is None
    assert document["settlement_id"] is not None
    assert document["aid_fen"] == 0
    return document


async def settled(desk: Desk, sent: dict[str, Any]) -> Any:
    """Settle under a new key; the DECISION."""
    return approved(await desk.settle(new_name(), sent))


def pot(document: Any, name: str = "outpatient") -> Any:
    """One pot of a quota."""
    return next(pot for pot in document["quota"] if pot["pot"] == name)


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
    assert len(document["alerts"]) == 1


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


# Reversals


async def undo(desk: Desk, key: str, **order: Any) -> Answer:
    """Reverse as a refund."""
    return await desk.reverse(key, {"reason": "refund"} | order)


async def test_reversal_by_id(desk: Desk, sandbox: Sandbox) -> None:
    """Gives back what was posted, with a record of its own."""
    person, key = sandbox.dibao(), new_name()
    first = await settled(desk, bill(person))

    answer = await undo(desk, key, settlement_id=first["settlement_id"])
    again = await undo(desk, key, settlement_id=first["settlement_id"])

    document = answer.json()
    assert (answer.status, answer.headers["Content-Type"]) == (201, JSON)
    assert_fits(document, REVERSAL)
    assert document["settlement_id"] == first["settlement_id"]
    assert (document["aid_fen"], document["state"]) == (5_760, "reversed")
    assert document["already"] is False
    claims = verify_receipt(document["receipt"], sandbox.trust).claims
    assert (claims["op"], claims["aid_fen"]) == ("reverse", 5_760)
    assert claims["ref"] == first["settlement_id"]
    assert pot((await desk.eligibility(person)).json())["used_fen"] == 0
    assert (again.replayed, again.body) == (True, answer.body)


async def test_reversal_by_key(desk: Desk, sandbox: Sandbox) -> None:
    """Who got no answer gives up by the key alone."""
    person, key = sandbox.dibao(), new_name()
    first = approved(await desk.settle(key, bill(person)))

    answer = await undo(
        desk,
        new_name(),
        original_idempotency_key=key,
        card=card(person),
        reason="timeout",
    )

    assert_fits(answer.json(), REVERSAL)
    assert answer.json()["settlement_id"] == first["settlement_id"]
    assert answer.json()["state"] == "reversed"


async def test_reversed_already(desk: Desk, sandbox: Sandbox) -> None:
    """A second reversal is told the first one, and undoes nothing."""
    person = sandbox.dibao()
    first = await settled(desk, bill(person))
    await settled(desk, bill(person))
    identity = first["settlement_id"]
    one = await undo(desk, new_name(), settlement_id=identity)

    two = await undo(desk, new_name(), settlement_id=identity)

    assert two.status == 201
    assert two.json() == one.json() | {"already": True}
    assert pot((await desk.eligibility(person)).json())["used_fen"] == 5_760


async def test_reversed_visit_may_be_settled_again(
    desk: Desk, sandbox: Sandbox
) -> None:
    """Only what is still in force counts as a repeat."""
    sent = bill(sandbox.dibao())
    first = await settled(desk, sent)
    await undo(desk, new_name(), settlement_id=first["settlement_id"])

    second = await settled(desk, sent | {"repeat_reason": "correction"})
    third = await desk.settle(new_name(), sent)

    assert second["settlement_id"] != first["settlement_id"]
    duplicate = declined(third, "MA-2202")["duplicate_of"]
    assert duplicate["settlement_id"] == second["settlement_id"]


async def test_reversal_of_a_decline(desk: Desk) -> None:
    """There was nothing to undo: 201, state declined, aid 0."""
    document = declined(await desk.settle(new_name(), bill(NOBODY)), "MA-2101")

    answer = await undo(desk, new_name(), settlement_id=document["settlement_id"])

    assert answer.status == 201
    assert_fits(answer.json(), REVERSAL)
    assert (answer.json()["state"], answer.json()["aid_fen"]) == ("declined", 0)


async def stopped_key(desk: Desk, person: int) -> tuple[str, Answer]:
    """A key that a reversal has reached before its settlement."""
    key = new_name()
    answer = await undo(
        desk,
        new_name(),
        original_idempotency_key=key,
        card=card(person),
        reason="timeout",
    )
    return key, answer


async def test_reversal_overtakes(desk: Desk, sandbox: Sandbox) -> None:
    """A tombstone with a record and an alert; the late original is declined."""
    person = sandbox.dibao()
    key, answer = await stopped_key(desk, person)
    late_bill = bill(person)

    late = await desk.settle(key, late_bill)

    document = answer.json()
    assert answer.status == 201
    assert_fits(document, REVERSAL)
    assert (document["state"], document["aid_fen"]) == ("tombstone", 0)
    assert document["settlement_id"] is None
    assert len(document["alerts"]) == 1
    claims = verify_receipt(document["receipt"], sandbox.trust).claims
    assert claims["op"] == "tombstone"
    declined(late, "MA-2205")
    assert (await desk.settle(key, late_bill)).body == late.body
    assert pot((await desk.eligibility(person)).json())["used_fen"] == 0


@pytest.mark.xfail(
    strict=True,
    reason="API.md, Once: same key and content is marked Idempotent-Replayed; the"
    " late original of a tombstone never is (ADR 13: it is rendered anew)",
)
async def test_late_original_is_kept_like_any_decline(
    desk: Desk, sandbox: Sandbox
) -> None:
    """Its second answer says that it was given before."""
    person = sandbox.dibao()
    key, _ = await stopped_key(desk, person)
    late_bill = bill(person)
    await desk.settle(key, late_bill)

    again = await desk.settle(key, late_bill)

    assert again.replayed


@pytest.mark.xfail(
    strict=True,
    reason="API.md, Once: same key, other content is 422 naming the fields; a stopped"
    " key declines every content (ADR 13)",
)
async def test_late_original_with_other_content(desk: Desk, sandbox: Sandbox) -> None:
    """Same key, other content is 422, for a stopped key as well."""
    person = sandbox.dibao()
    key, _ = await stopped_key(desk, person)
    await desk.settle(key, bill(person))

    refused = await desk.settle(key, bill(person))

    assert (refused.status, refused.code) == (422, "MA-4103")


async def look_up_late_original(desk: Desk, person: int) -> tuple[Any, Answer, Answer]:
    """A late original's decline, and what its key and its id lead to."""
    key, _ = await stopped_key(desk, person)
    late = (await desk.settle(key, bill(person))).json()
    by_key = await desk.get(f"/v1/settlements?idempotency_key={key}")
    by_id = await desk.get(f"/v1/settlements/{late['settlement_id']}")
    return late, by_key, by_id


async def test_late_original_can_be_looked_up(desk: Desk, sandbox: Sandbox) -> None:
    """A decline has an id, and is found under it as under its key."""
    late, by_key, by_id = await look_up_late_original(desk, sandbox.dibao())

    assert (by_key.status, by_id.status) == (200, 200)
    assert by_key.json() == by_id.json()
    found = by_key.json()
    assert found["settlement_id"] == late["settlement_id"]
    assert (found["state"], found["decision"]) == ("declined", "declined")
    assert found["reason"] == late["reason"]


@pytest.mark.xfail(
    strict=True,
    reason="API.md: a look-up answers the DECISION with its state; that of a stopped"
    " key has no patient_pays_fen, cash_fen, retry, receipt and others",
)
async def test_late_original_is_found_whole(desk: Desk, sandbox: Sandbox) -> None:
    """What is found is the decision that was given."""
    late, by_key, _ = await look_up_late_original(desk, sandbox.dibao())

    assert_fits(by_key.json(), FOUND)
    assert by_key.json() | late == by_key.json()


async def test_unknown_and_foreign_settlement_are_the_same(
    desk: Desk, desk_of: Callable[[str], Desk], sandbox: Sandbox
) -> None:
    """404, byte for byte alike, so that nothing is told of other hospitals."""
    first = await settled(desk, bill(sandbox.dibao()))
    other = desk_of("H002")

    foreign = await undo(other, new_name(), settlement_id=first["settlement_id"])
    unknown = await undo(other, new_name(), settlement_id="0" * 32)

    assert (foreign.status, foreign.code) == (404, "MA-4101")
    assert foreign.body == unknown.body
    found = await desk.get(f"/v1/settlements/{first['settlement_id']}")
    assert found.json()["state"] == "settled"


async def test_reversal_for_another_person(desk: Desk, sandbox: Sandbox) -> None:
    """The card that comes with the key must be the settlement's."""
    key = new_name()
    approved(await desk.settle(key, bill(sandbox.dibao())))

    refused = await undo(
        desk,
        new_name(),
        original_idempotency_key=key,
        card=card(sandbox.dibao()),
        reason="timeout",
    )

    assert (refused.status, refused.code) == (422, "MA-4104")
    by_key = await desk.get(f"/v1/settlements?idempotency_key={key}")
    assert by_key.json()["state"] == "settled"


async def test_same_reversal_key_for_another_settlement(
    desk: Desk, sandbox: Sandbox
) -> None:
    """A reversal's key is as binding as a settlement's."""
    person, key = sandbox.dibao(), new_name()
    one, two = await settled(desk, bill(person)), await settled(desk, bill(person))
    await undo(desk, key, settlement_id=one["settlement_id"])

    refused = await undo(desk, key, settlement_id=two["settlement_id"])

    assert (refused.status, refused.code) == (422, "MA-4103")
    paths = [field["path"] for field in refused.json()["fields"]]
    assert paths == ["settlement_id"]


# Look-ups


async def test_look_ups(desk: Desk, sandbox: Sandbox) -> None:
    """By id, by key, by visit and by search it is the DECISION with its state."""
    person, key = sandbox.dibao(), new_name()
    sent = bill(person)
    first = approved(await desk.settle(key, sent))

    by_id = await desk.get(f"/v1/settlements/{first['settlement_id']}")
    by_key = await desk.get(f"/v1/settlements?idempotency_key={key}")
    by_visit = await desk.get(f"/v1/settlements?visit_no={sent['visit_no']}")
    wanted = {"card": card(person), "service_from": DAY, "state": "settled"}
    by_card = await desk.ask("POST", "/v1/settlements/search", wanted, at=None)

    expected = first | {"state": "settled"}
    assert_fits(by_id.json(), FOUND)
    assert {a.status for a in (by_id, by_key, by_visit, by_card)} == {200}
    assert by_id.json() == by_key.json() == expected
    assert by_visit.json() == by_card.json() == {"items": [expected]}


async def test_visit_lists_the_newest_first(desk: Desk, sandbox: Sandbox) -> None:
    """All that became of a visit, with states."""
    sent = bill(sandbox.dibao())
    first = await settled(desk, sent)
    await undo(desk, new_name(), settlement_id=first["settlement_id"])
    later = await desk.settle(
        new_name(), sent, Medaid_Sandbox_Time="2026-01-05T02:15:09Z"
    )

    found = (await desk.get(f"/v1/settlements?visit_no={sent['visit_no']}")).json()

    states = [(item["settlement_id"], item["state"]) for item in found["items"]]
    assert states == [
        (later.json()["settlement_id"], "settled"),
        (first["settlement_id"], "reversed"),
    ]


async def test_look_up_of_what_is_not_there(desk: Desk) -> None:
    """404 for id and key, which for a key means not yet; no visits is a list."""
    by_id = await desk.get(f"/v1/settlements/{'0' * 32}")
    by_key = await desk.get("/v1/settlements?idempotency_key=never-sent")
    by_visit = await desk.get("/v1/settlements?visit_no=never-sent")

    assert (by_id.status, by_key.status) == (404, 404)
    assert (by_visit.status, by_visit.json()) == (200, {"items": []})


async def test_foreign_settlement_is_not_found(
    desk: Desk, desk_of: Callable[[str], Desk], bureau: Desk, sandbox: Sandbox
) -> None:
    """A facility sees its own alone; the bureau sees all."""
    person, key = sandbox.dibao(), new_name()
    sent = bill(person)
    first = approved(await desk.settle(key, sent))
    path = f"/v1/settlements/{first['settlement_id']}"
    other = desk_of("H002")

    unknown = await other.get(f"/v1/settlements/{'0' * 32}")
    for suffix in ("", "/record", "/proof"):
        foreign = await other.get(path + suffix)
        assert (foreign.status, foreign.body) == (404, unknown.body)
    assert (await other.get(f"/v1/settlements?idempotency_key={key}")).status == 404
    by_visit = await other.get(f"/v1/settlements?visit_no={sent['visit_no']}")
    assert by_visit.json() == {"items": []}
    found = await other.ask("POST", "/v1/settlements/search", {"card": card(person)})
    assert found.json() == {"items": []}
    assert (await bureau.get(path)).json()["settlement_id"] == first["settlement_id"]
