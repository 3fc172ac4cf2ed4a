"""The check goes red over one case that is missing, doubled or altered."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests import check
from loadtests.check import Finding
from loadtests.ledger import Case, Ledger, make_ledger
from tests.loadtest.made import case


def _item(**changes: Any) -> dict[str, Any]:
    """What a look-up shows of the made-up case."""
    item = {
        "settlement_id": "sid-LT-1", "aid_fen": 7_200, "patient_pays_fen": 1_800,
        "state": "settled",
    }  # fmt: skip
    return item | changes


def test_a_case_that_is_there_once_holds() -> None:
    """Otherwise none of the following says anything."""
    assert check._compared(case(), [_item()]) == ""


@pytest.mark.parametrize(
    "items",
    [
        [],
        [_item(), _item(settlement_id="other")],
        [_item(aid_fen=7_201)],
        [_item(patient_pays_fen=1_801)],
        [_item(settlement_id="other")],
        [_item(state="reversed")],
    ],
    ids=["missing", "doubled", "aid", "patient", "another", "undone"],
)
def test_another_state_than_acknowledged_is_a_fault(items: list[Any]) -> None:
    """Missing, doubled, by one fen another, another one, or undone by nobody."""
    assert check._compared(case(), items) != ""


def test_what_was_undone_must_be_undone() -> None:
    """An acknowledged reversal that is not there is as bad as a lost settlement."""
    undone = case(undone={"state": "reversed", "aid_fen": 7_200})

    assert check._compared(undone, [_item(state="reversed")]) == ""
    assert check._compared(undone, [_item()]) != ""


def test_what_nobody_answered_must_not_be_there() -> None:
    """The check looks it up before; what is found then is known."""
    unknown = case(outcome=None)

    assert check._compared(unknown, []) == ""
    assert check._compared(unknown, [_item()]) != ""


def _ledger(*cases: Case, **more: Any) -> Ledger:
    return Ledger({one.key: one for one in cases}, **more)


def _holds(finding: Finding) -> bool:
    assert finding.tried > 0
    return finding.holds


def test_money_adds_up_to_the_fen() -> None:
    """Total is funds, aid and what the patient pays; a reversal gives back the aid."""
    off = case(funds_fen=15_999)
    back = case("LT-2", undone={"state": "reversed", "aid_fen": 7_199})

    assert _holds(check._money(_ledger(case())))
    assert not _holds(check._money(_ledger(case("LT-3"), off)))
    assert not _holds(check._money(_ledger(back)))


def test_one_key_has_one_answer() -> None:
    """Two answers with other bytes under one key are a fault."""
    two = case(shas={"a", "b"}, is_odd=True)

    assert _holds(check._same_bytes(_ledger(case(is_odd=True))))
    assert not _holds(check._same_bytes(_ledger(two)))


def test_nothing_may_be_left_open() -> None:
    """A request that was never answered, and a reversal that was not."""
    assert _holds(check._answered(_ledger(case())))
    assert not _holds(check._answered(_ledger(case(shas=set()))))
    assert not _holds(check._answered(_ledger(case(undo_sid="sid-LT-1"))))


def test_an_answer_beyond_the_cap_is_a_fault() -> None:
    """One fen suffices; no cap is no limit."""
    beyond, free = case(), case("LT-2")
    assert beyond.outcome is not None
    assert free.outcome is not None
    beyond.outcome["quota"] = [["outpatient", 2026, 7_199, 7_200]]
    free.outcome["quota"] = [["outpatient", 2026, None, 7_200]]

    assert _holds(check._caps_in_answers(_ledger(free)))
    assert not _holds(check._caps_in_answers(_ledger(beyond)))


def _told(*answers: tuple[float, str]) -> Ledger:
    return Ledger(told=[{"s": s, "e": s, "status": status} for s, status in answers])


def test_struck_persons_are_told_so() -> None:
    """Two seconds after the import nobody of them is eligible any more."""
    sound = _told((5, "eligible"), (11, "eligible"), (13, "not_eligible"))
    wrong = _told((5, "eligible"), (13, "eligible"), (14, "not_eligible"))

    assert _holds(check._review(sound, ended_s=10))
    assert not _holds(check._review(wrong, ended_s=10))


def test_a_review_that_nobody_asked_about_proves_nothing() -> None:
    """Asked before and after, or it fails."""
    assert not check._review(_told((5, "eligible")), ended_s=10).holds
    assert not check._review(_told((13, "not_eligible")), ended_s=10).holds


def test_notes_make_the_ledger() -> None:
    """Sent, lost, answered, repeated, undone: one case, looked up in any case."""
    key = {"k": "LT-1"}
    sent = {"h": 3, "c": 7, "care": "inpatient", "total": 100, "funds": 60}
    acked = {"decision": "approved", "sid": "s", "aid": 30, "pays": 10}
    ledger = make_ledger([
        {"t": "send", **key, **sent},
        {"t": "lost", **key},
        {"t": "ack", **key, "sha": "x", **acked},
        {"t": "again", **key, "sha": "y"},
        {"t": "undo", **key, "h": 3, "sid": "s"},
        {"t": "undone", **key, "state": "reversed", "aid_fen": 30},
        {"t": "wrong", **key, "call": "settle", "what": "made up"},
        {"t": "refused", "k": "LT-2", "call": "settle", "code": "MA-1102"},
    ])  # fmt: skip

    made = ledger.cases["LT-1"]
    assert (made.hospital, made.card, made.aid_fen) == (3, 7, 30)
    assert made.is_settled
    assert made.is_undone
    assert made.is_odd
    assert made.shas == {"x", "y"}
    assert list(ledger.in_force()) == []
    assert len(ledger.wrong) == 2
