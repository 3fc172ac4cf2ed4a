"""What a match says beyond the kind: owner, repair, days, lines; and what it needs."""

import re
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import pytest

from settlement.domain.errors import InvariantBrokenError
from settlement.domain.matching import (
    KINDS,
    REPAIRS,
    STATEMENT_FLAT,
    UNCONFIRMED_STATEMENT_CODES,
    Amounts,
    BureauItem,
    Difference,
    Kind,
    LedgerItem,
    ListedItem,
    NetState,
    Owner,
    Recovery,
    Repair,
    Tally,
    difference_id,
    match,
    recovery_difference,
)
from settlement.domain.matching.judge import LINES_SHOWN
from tests.matching.worlds import (
    CANCELLED,
    DAY,
    OTHER_DAY,
    REVERSED,
    SITUATIONS,
    Bill,
    kinds,
    matched,
    settlement_id,
    sorted_sides,
)

BILL = Bill(7, 25_000, 1_500)


def found_in(situation: str, bill: Bill = BILL) -> list[Difference]:
    """The differences between hospital and ledger in a situation."""
    planted = SITUATIONS[situation](bill)
    sides = sorted_sides([planted.ledger], planted.lines, [])
    return [*match(sides.ledger, sides.listed, None)]


def unresolved(*lines: ListedItem) -> list[Difference]:
    """The differences over lines that name no settlement of ours."""
    return [*match([], [], None, unresolved=lines)]


def stray_line(visit_no: str, aid_fen: int = 100, **changes: object) -> ListedItem:
    """A line that names no settlement of ours."""
    line = ListedItem(1, None, visit_no, "", 1_000, aid_fen, is_refund=False)
    return line._replace(**changes)  # type: ignore[arg-type]  # whatever is changed


# What follows from the kind ------------------------------------------------------


def test_every_kind_and_repair_speaks_to_people() -> None:
    """A sentence in Chinese and English for each, and none is left out."""
    assert set(KINDS) == set(Kind)
    assert set(REPAIRS) == set(Repair)
    for text in [*(facts.text for facts in KINDS.values()), *REPAIRS.values()]:
        assert re.search(r"[\u4e00-\u9fff].*。$", text.zh)
        assert re.search(r"[A-Za-z].*\.$", text.en)


def test_owner_is_who_can_put_it_right() -> None:
    """Hospitals own what their list says; we own what contradicts signed records."""
    owners = {kind: facts.owner for kind, facts in KINDS.items()}

    assert owners[Kind.MISSING_AT_BUREAU] is Owner.BUREAU
    assert owners[Kind.ONLY_AT_BUREAU] is Owner.GATEWAY
    assert owners[Kind.BUREAU_DIFFERS] is Owner.GATEWAY
    assert [*owners.values()].count(Owner.HOSPITAL) == 8


def test_statement_codes_are_those_of_the_national_convention() -> None:
    """Platform more, hospital more, data differ; the first is not confirmed."""
    codes = {kind: facts.stmt_rslt for kind, facts in KINDS.items()}

    assert codes[Kind.MISSING_AT_GATEWAY] == "000102"
    assert codes[Kind.MISSING_AT_HOSPITAL] == "000101"
    assert codes[Kind.AMOUNT_DIFFERS] == "000103"
    assert frozenset({"000101"}) == UNCONFIRMED_STATEMENT_CODES
    assert STATEMENT_FLAT not in codes.values()
    assert {kind for kind, code in codes.items() if code is None} == {
        Kind.MISSING_AT_BUREAU,
        Kind.ONLY_AT_BUREAU,
        Kind.BUREAU_DIFFERS,
        Kind.RECOVERY_ORDERED,
    }


def test_aid_asked_back_is_the_hospitals_to_reverse() -> None:
    """Named by its settlement, with what is asked back, and no line at fault."""
    made = recovery_difference(Recovery(b"i" * 16, "k-1", "MZ-1", 25_000, 5_760))

    assert (made.kind, made.owner) == (Kind.RECOVERY_ORDERED, Owner.HOSPITAL)
    assert made.repair is Repair.GIVE_BACK
    assert (made.settlement_id, made.key, made.visit_no) == (b"i" * 16, "k-1", "MZ-1")
    assert made.gateway == Amounts(25_000, 5_760)
    assert (made.hospital, made.bureau, made.lines) == (None, None, ())


@pytest.mark.parametrize(
    ("situation", "repair"),
    [
        ("unlisted", Repair.BOOK_OR_REVERSE),
        ("unlisted original", Repair.CORRECT_LIST),
        ("unknown", Repair.CORRECT_LIST),
        ("other aid", Repair.CORRECT_LIST),
        ("reversal unlisted", Repair.BOOK_REVERSAL),
        ("refund unlisted", Repair.BOOK_REVERSAL),
        ("refunded by the hospital", Repair.REVERSE),
        ("twice", Repair.CORRECT_LIST),
        ("of another period", Repair.MOVE_LINE),
    ],
)
def test_repair_fits_the_situation(situation: str, repair: Repair) -> None:
    """Each difference says what its owner does."""
    assert [each.repair for each in found_in(situation)] == [repair]


def test_difference_carries_what_the_repair_needs() -> None:
    """Visit, key and reversal are ours where we have them; the amounts are netted."""
    (found,) = found_in("refund unlisted")

    assert found.owner is Owner.HOSPITAL
    assert (found.visit_no, found.key) == ("MZ7", "K7")
    assert found.reversal_id == b"r" * 16
    assert found.hospital == Amounts(25_000, 1_500)
    assert found.gateway == Amounts(0, 0)
    assert found.bureau is None
    assert found.lines == (1,)


def test_record_that_we_do_not_have_is_known_by_its_id_alone() -> None:
    """The bureau's records name no visit in clear."""
    (found,) = match([], None, [BILL.record()])

    assert found.kind is Kind.ONLY_AT_BUREAU
    assert found.settlement_id == settlement_id(7)
    assert (found.visit_no, found.key, found.lines) == ("", "", ())
    assert found.bureau == Amounts(25_000, 1_500)


# Days ----------------------------------------------------------------------------


def test_line_of_another_period_is_told_its_day() -> None:
    """The caller knows where the settlement lies, and the hospital is told."""
    (found,) = found_in("of another period")

    assert found.actual_day == OTHER_DAY


def test_earlier_settlement_beside_its_reversal_is_told_its_own_day() -> None:
    """Only the reversal counts here: the settlement was counted when it was made."""
    (found,) = found_in("earlier settlement listed with its reversal")

    assert found.actual_day == DAY
    assert found.lines == (1,)
    assert found.hospital == Amounts(25_000, 1_500)
    assert found.gateway == Amounts(-25_000, -1_500)


def test_earliest_day_is_told_whatever_the_order_of_lines() -> None:
    """Two lines of one settlement may have been found on two days."""
    lines = [BILL.line(elsewhere=OTHER_DAY), BILL.line(elsewhere=DAY)]
    for listed in (lines, lines[::-1]):
        found = [*match([], listed, None)]

        assert {each.kind for each in found} == {Kind.OTHER_PERIOD, Kind.DUPLICATED}
        assert found[0].actual_day == DAY


def test_line_that_the_caller_puts_elsewhere_is_not_ours_of_this_period() -> None:
    """The same amounts do not make it flat: the hospital counts it on another day."""
    line = BILL.line(elsewhere=OTHER_DAY)

    assert kinds(match([BILL.ledger()], [line], None)) == {
        (settlement_id(7), Kind.OTHER_PERIOD),
        (settlement_id(7), Kind.MISSING_AT_HOSPITAL),
    }


# Amounts -------------------------------------------------------------------------


@pytest.mark.parametrize("situation", SITUATIONS)
def test_settlement_over_nothing_counts_too(situation: str) -> None:
    """0 of 0 fen is listed, missed, reversed and repeated like any other."""
    nothing = Bill(7, 0, 0)

    found = found_in(situation, nothing)

    assert {each.kind for each in found} == SITUATIONS[situation](nothing).found


def test_amounts_of_both_signs_are_never_flat() -> None:
    """A line of +250 and -15 is no settlement and no reversal of ours."""
    line = BILL.line()._replace(aid_fen=-1_500)

    assert kinds(match([BILL.ledger(REVERSED)], [line], None)) == {
        (settlement_id(7), Kind.AMOUNT_DIFFERS)
    }


def test_lines_that_do_not_cancel_are_no_pair() -> None:
    """Both sides of a pair must have the same amounts, ours or not."""
    line, refund = BILL.line(more_aid=1), BILL.refund()

    assert kinds(match([], [line, refund], None)) == {
        (settlement_id(7), Kind.MISSING_AT_GATEWAY)
    }


# Lines that name no settlement of ours -------------------------------------------


def test_unknown_line_is_settled_again_under_its_key() -> None:
    """The hospital is told the line by all the names that it has given."""
    (found,) = unresolved(stray_line("MZ1", key="K1", listed_id="N1", line=4))

    assert found.kind is Kind.MISSING_AT_GATEWAY
    assert found.repair is Repair.SETTLE_AGAIN
    assert found.settlement_id is None
    assert (found.visit_no, found.key, found.listed_id) == ("MZ1", "K1", "N1")
    assert found.lines == (4,)
    assert found.hospital == Amounts(1_000, 100)
    assert found.gateway is None


def test_unknown_refund_is_taken_off_the_list() -> None:
    """What was never settled cannot be settled by a refund."""
    (found,) = unresolved(stray_line("MZ1", is_refund=True))

    assert found.kind is Kind.MISSING_AT_GATEWAY
    assert found.repair is Repair.CORRECT_LIST


def test_unknown_lines_of_one_name_are_netted_and_told_together() -> None:
    """A pair is nothing; bills of one visit without ids are one difference."""
    first, second = stray_line("MZ1"), stray_line("MZ1", is_refund=True)
    third, fourth = stray_line("MZ2"), stray_line("MZ2", line=2)

    (found,) = unresolved(first, second, third, fourth)

    assert found.visit_no == "MZ2"
    assert found.kind is Kind.MISSING_AT_GATEWAY
    assert found.lines == (1, 2)
    assert found.hospital == Amounts(2_000, 200)


def test_unknown_lines_are_counted() -> None:
    """What the hospital lists is its sum, known here or not."""
    tally = Tally()
    lines = [stray_line("MZ1"), stray_line("MZ2")]

    assert len([*match([], None, None, unresolved=lines, tally=tally)]) == 2
    assert (tally.lines, tally.hospital.count, tally.hospital.aid_fen) == (2, 2, 200)
    assert (tally.flat.count, tally.differences) == (0, 2)


# Ids -----------------------------------------------------------------------------


def test_id_tells_periods_facilities_kinds_and_settlements_apart() -> None:
    """Each part of what names a difference changes its id."""
    (found,) = found_in("other aid")
    (stray,) = unresolved(stray_line("MZ1"))
    ids = [
        difference_id("2026-01", "H1", found),
        difference_id("2026-01-05", "H1", found),
        difference_id("2026-01", "H2", found),
        difference_id("2026-0", "1H1", found),
        difference_id("2026-01", "H1", replace(found, kind=Kind.DUPLICATED)),
        difference_id("2026-01", "H1", replace(found, settlement_id=b"o" * 16)),
        difference_id("2026-01", "H1", stray),
        difference_id("2026-01", "H1", replace(stray, visit_no="MZ", key="1")),
        difference_id("2026-01", "H1", replace(stray, key="K")),
        difference_id("2026-01", "H1", replace(stray, listed_id="N")),
    ]

    assert len(set(ids)) == len(ids)


def test_id_is_the_same_in_every_release() -> None:
    """States are kept under it for years."""
    (found,) = found_in("other aid")
    later = replace(found, lines=(9,), hospital=Amounts(1, 1), repair=Repair.REVERSE)

    expected = "5461aa43f145ec01e3c4acc2f2e1a94c"
    assert difference_id("2026-01", "H1", found).hex() == expected
    assert difference_id("2026-01", "H1", later).hex() == expected


# What it needs and what it keeps -------------------------------------------------


@pytest.mark.parametrize("numbers", [(2, 1), (1, 1)])
def test_ledger_out_of_order_is_a_bug(numbers: tuple[int, int]) -> None:
    """A merge over unsorted sides would invent differences; it stops instead."""
    items = [Bill(number, 1, 1).ledger() for number in numbers]

    with pytest.raises(InvariantBrokenError, match="not sorted"):
        list(match(items, None, None))


@pytest.mark.parametrize("numbers", [(2, 1), (1, 1)])
def test_records_out_of_order_are_a_bug(numbers: tuple[int, int]) -> None:
    """The bureau's side is netted too: each settlement once."""
    items = [Bill(number, 1, 1).record() for number in numbers]

    with pytest.raises(InvariantBrokenError, match="not sorted"):
        list(match([], None, items))


def test_list_out_of_order_is_a_bug() -> None:
    """Lines may repeat an id, and may not go back."""
    with pytest.raises(InvariantBrokenError, match="not sorted"):
        list(match([], [Bill(number, 1, 1).line() for number in (2, 1)], None))


def test_line_without_a_settlement_is_not_among_the_resolved() -> None:
    """Whatever was not resolved comes apart, where nothing is matched by id."""
    with pytest.raises(InvariantBrokenError, match="not sorted"):
        list(match([], [stray_line("MZ1")], None))


def test_unresolved_lines_out_of_order_are_a_bug() -> None:
    """Else one difference would be told twice, under one id."""
    lines = [stray_line("MZ2"), stray_line("MZ1")]

    with pytest.raises(InvariantBrokenError, match="not sorted"):
        list(match([], [], None, unresolved=lines))


def test_sides_are_read_one_ahead_and_no_further() -> None:
    """At each difference, no side was read past the next settlement."""
    taken = {"ledger": 0, "listed": 0, "bureau": 0}

    def ledger() -> Iterator[LedgerItem]:
        for number in range(100):
            taken["ledger"] = number
            yield Bill(number, 9, 1).ledger()

    def listed() -> Iterator[ListedItem]:
        for number in range(100):
            taken["listed"] = number
            yield Bill(number, 9, 1).line(more_aid=1)

    def bureau() -> Iterator[BureauItem]:
        for number in range(100):
            taken["bureau"] = number
            yield Bill(number, 9, 1).record()

    count = 0
    for count, difference in enumerate(match(ledger(), listed(), bureau()), start=1):
        assert difference.settlement_id == settlement_id(count - 1)
        assert max(taken.values()) <= count
    assert count == 100


def _peak(settlements: int, repeats: int) -> int:
    """Bytes that a match holds at most, over so many settlements and lines each."""

    def ledger() -> Iterator[LedgerItem]:
        for number in range(settlements):
            yield Bill(number, 9, 1).ledger()

    def listed() -> Iterator[ListedItem]:
        for number in range(settlements):
            for _ in range(repeats):
                yield Bill(number, 9, 1).line(more_aid=number % 2)

    tracemalloc.start()
    try:
        for _ in match(ledger(), listed(), None):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_grows_neither_with_settlements_nor_with_repeated_lines() -> None:
    """A month, or a list that repeats one settlement for ever, takes no more."""
    _peak(10, 10)
    small = _peak(50, 1)

    assert _peak(5_000, 1) < small + 20_000
    assert _peak(1, 5_000) < small + 20_000


def test_lines_of_a_difference_are_shown_up_to_a_number() -> None:
    """A list that repeats one line for ever makes no endless difference."""
    lines = [BILL.line()] * (LINES_SHOWN + 1)
    sides = sorted_sides([BILL.ledger()], lines, [BILL.record()])
    (found,), tally = matched(sides)

    assert found.kind is Kind.DUPLICATED
    assert found.lines == tuple(range(1, LINES_SHOWN + 1))
    assert found.hospital == Amounts(25_000 * 21, 1_500 * 21)
    assert tally.lines == tally.hospital.count == LINES_SHOWN + 1


def test_pair_in_the_list_counts_as_nothing() -> None:
    """Three lines of which two cancel count as one, a lone refund as one."""
    tally = Tally()
    lines = [BILL.line(), BILL.refund(), BILL.line(), Bill(8, 9, 1).refund()]

    assert len([*match([BILL.ledger()], lines, None, tally=tally)]) == 1
    assert (tally.lines, tally.hospital.count) == (4, 2)
    assert tally.hospital.total_fen == 25_000 - 9
    assert tally.flat.count == 1


def test_cancelled_pair_counts_on_no_side() -> None:
    """Whatever amounts a cancelled item carries, they are not added up."""
    tally = Tally()
    sides = sorted_sides(
        [BILL.ledger(CANCELLED)], [], [BILL.record(NetState.CANCELLED)]
    )

    assert [*match(*sides, tally=tally)] == []
    assert tally == Tally()
