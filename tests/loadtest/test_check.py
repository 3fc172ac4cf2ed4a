"""The check goes red over one case that is missing, doubled or altered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadtests import check
from loadtests.findings import Finding
from loadtests.ledger import _AT_HAND, IN_FORCE, Case, Ledger, fill
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
    undone = case(undone_state="reversed", undone_fen=7_200)

    assert check._compared(undone, [_item(state="reversed")]) == ""
    assert check._compared(undone, [_item()]) != ""


def test_what_nobody_answered_must_not_be_there() -> None:
    """The check looks it up before; what is found then is known."""
    unknown = case(decision="")

    assert check._compared(unknown, []) == ""
    assert check._compared(unknown, [_item()]) != ""


def _ledger(*cases: Case) -> Ledger:
    ledger = Ledger()
    for one in cases:
        ledger.put(one)
    return ledger


def _holds(finding: Finding) -> bool:
    assert finding.tried > 0
    return finding.holds


def test_money_adds_up_to_the_fen() -> None:
    """Total is funds, aid and what the patient pays; a reversal gives back the aid."""
    off = case(funds_fen=15_999)
    back = case("LT-2", undone_state="reversed", undone_fen=7_199)

    assert _holds(check._money(_ledger(case())))
    assert not _holds(check._money(_ledger(case("LT-3"), off)))
    assert not _holds(check._money(_ledger(back)))


def test_one_key_has_one_answer() -> None:
    """Two answers with other bytes under one key are a fault."""
    two = case(answers=2, is_odd=1)

    assert _holds(check._same_bytes(_ledger(case(is_odd=1))))
    assert not _holds(check._same_bytes(_ledger(two)))


def test_nothing_may_be_left_open() -> None:
    """A request that was never answered, and a reversal that was not."""
    assert _holds(check._answered(_ledger(case())))
    assert not _holds(check._answered(_ledger(case(answers=0))))
    assert not _holds(check._answered(_ledger(case(undo_sid="sid-LT-1"))))


def _told(*answers: tuple[float, str]) -> Ledger:
    ledger = Ledger()
    for at_s, status in answers:
        ledger.add("told", at_s, status)
    return ledger


def test_struck_persons_are_told_so() -> None:
    """A second after the import nobody of them is eligible any more."""
    sound = _told((5, "eligible"), (10.9, "eligible"), (12, "not_eligible"))
    wrong = _told((5, "eligible"), (11.1, "eligible"), (14, "not_eligible"))

    assert _holds(check._review(sound, ended_s=10))
    assert not _holds(check._review(wrong, ended_s=10))


def test_a_review_that_nobody_asked_about_proves_nothing() -> None:
    """Asked before and after, or it fails."""
    assert not check._review(_told((5, "eligible")), ended_s=10).holds
    assert not check._review(_told((13, "not_eligible")), ended_s=10).holds


class _NoProver:
    """Believes every receipt; those are tested elsewhere."""

    def settled(self, case: Case, receipt: Any) -> None:
        pass

    def undone(self, case: Case, undone: dict[str, Any]) -> None:
        pass


_SENT = {"h": 3, "c": 7, "care": "inpatient", "year": 2026, "total": 100, "funds": 60}
_ACKED = {
    "decision": "approved", "sid": "s", "aid": 30, "pays": 10, "receipt": None,
    "settled_at": "2026-12-31T17:00:00.000Z", "quota": [["inpatient", 2026, 50, 30]],
}  # fmt: skip


def _filled(*notes: dict[str, Any]) -> Ledger:
    ledger = Ledger()
    fill(ledger, notes, _NoProver())
    return ledger


def test_notes_make_the_ledger() -> None:
    """Sent, lost, answered, repeated, undone: one case, looked up in any case."""
    key = {"k": "LT-1"}
    ledger = _filled(
        {"t": "send", **key, **_SENT},
        {"t": "lost", **key},
        {"t": "ack", **key, "sha": "x", **_ACKED},
        {"t": "again", **key, "sha": "y"},
        {"t": "undo", **key, "h": 3, "sid": "s"},
        {"t": "undone", **key, "state": "reversed", "aid_fen": 30},
        {"t": "wrong", **key, "call": "settle", "what": "made up"},
        {"t": "refused", "k": "LT-2", "call": "settle", "code": "MA-1102"},
    )

    made = ledger.case("LT-1")
    assert (made.hospital, made.card, made.aid_fen, made.pays_fen) == (3, 7, 30, 10)
    assert made.day == "2027-01-01"
    assert made.is_settled
    assert made.is_undone
    assert made.is_odd
    assert made.answers == 2
    assert ledger.number(f"count(*) FROM cases WHERE {IN_FORCE}") == 0
    assert ledger.wrong.count == 2
    assert (ledger.caps_tried, ledger.caps.count) == (1, 0)


def test_an_answer_beyond_the_cap_is_a_fault() -> None:
    """One fen suffices; no cap is no limit."""
    for cap, holds in ((30, True), (29, False), (None, True)):
        acked = _ACKED | {"quota": [["inpatient", 2026, cap, 30]]}
        ledger = _filled(
            {"t": "send", "k": "LT-1", **_SENT},
            {"t": "ack", "k": "LT-1", "sha": "x", **acked},
        )

        assert _holds(check._caps_in_answers(ledger)) is holds


def test_an_answer_to_what_was_never_sent_is_refused() -> None:
    """Notes with a hole prove nothing."""
    with pytest.raises(ValueError, match="never sent"):
        _filled({"t": "ack", "k": "LT-1", "sha": "x", **_ACKED})


def test_a_case_is_found_again_when_many_lie_between(tmp_path: Path) -> None:
    """What is no more at hand comes back from the file, and goes there changed."""
    ledger = Ledger(tmp_path / "cases")
    for number in range(3 * _AT_HAND):
        ledger.put(case(f"LT-{number:06d}", decision=""))
    early = ledger.case("LT-000001")
    early.decision, early.is_odd = "approved", 1
    for number in range(3 * _AT_HAND, 5 * _AT_HAND):
        ledger.put(case(f"LT-{number:06d}", decision=""))

    assert ledger.number("count(*) FROM cases") == 5 * _AT_HAND
    assert [one.key for one in ledger.cases("is_odd")] == ["LT-000001"]
    assert len(list(ledger.cases("decision = ''"))) == 5 * _AT_HAND - 1


def test_aid_counts_in_the_year_of_its_service() -> None:
    """A run over New Year has two running totals of a person."""
    ledger = _ledger(
        case("LT-1", card=4),
        case("LT-2", card=4, year=2027),
        case("LT-3", card=4, year=2027, undone_state="reversed"),
        case("LT-4", card=5, year=2027, aid_fen=8_000),
    )

    assert list(check._by_aid(ledger)) == [
        (5, 2027, 8_000), (4, 2026, 7_200), (4, 2027, 7_200)
    ]  # fmt: skip
