"""Reversals and look-ups, call by call as the contract has them, over raw HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crypto.receipt import verify_receipt
from tests.acceptance.decisions import (
    JSON,
    approved,
    declined,
    pot,
    settled,
)
from tests.acceptance.desk import (
    DAY,
    Answer,
    Desk,
    bill,
    card,
    new_name,
)
from tests.acceptance.sandbox import NOBODY, Sandbox
from tests.acceptance.shapes import (
    FOUND,
    REVERSAL,
    assert_fits,
)

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
