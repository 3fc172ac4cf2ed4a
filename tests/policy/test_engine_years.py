"""A year of settlements and reversals, and every day of every shipped pack."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlement import policies
from settlement.domain.bill import CareType
from settlement.domain.decision import AccumulatorKey, Posting
from settlement.domain.policy import CompiledPack, PolicyBook, compile_pack
from tests.policy.random_packs import whole_packs
from tests.policy.strategies import Visit, bill_of, visits
from tests.policy.test_engine_packs import LARGE

Totals = dict[AccumulatorKey, int]


class Books:
    """The running totals of one person, as settlements and reversals move them."""

    def __init__(self, pack: CompiledPack) -> None:
        self.pack = pack
        self.totals: Totals = {}
        self.standing: list[tuple[Posting, ...]] = []

    def settle(self, visit: Visit, categories: tuple[str, ...]) -> None:
        """Decide the bill on the totals as they are, and post what it adds."""
        result = self.pack.adjudicate(
            visit.bill,
            categories,
            self.totals,
            visit.level,
            settled_on=visit.settled_on,
        )
        self.add(result.postings, 1)
        self.standing.append(result.postings)

    def reverse(self, number: int) -> None:
        """Take a settlement back, whichever of those that stand."""
        self.add(self.standing.pop(number % len(self.standing)), -1)

    def add(self, postings: tuple[Posting, ...], sign: int) -> None:
        """Move the totals by what was posted."""
        for posting in postings:
            total = self.totals.get(posting.key, 0) + sign * posting.amount_fen
            self.totals[posting.key] = total


ACTS = st.lists(visits() | st.integers(0, 50), min_size=5, max_size=25)


@given(whole_packs(), ACTS)
@settings(LARGE, max_examples=20)
def test_settling_and_reversing_in_any_order_leaves_the_sum_of_what_stands(
    text: str, acts: list[Visit | int]
) -> None:
    """Totals never fall below 0, are the sum of what stands, and all go back to 0.

    Of one category no total passes its cap on the way, in whatever order.
    """
    pack = compile_pack(text.encode())
    books = Books(pack)
    [category, *_] = [item.id for item in pack.document.categories]
    for act in acts:
        if isinstance(act, int):
            if books.standing:
                books.reverse(act)
        elif pack.covers(pack.policy_day(act.bill)):
            books.settle(act, (category,))
        expected: Totals = {}
        for posting in (item for postings in books.standing for item in postings):
            total = expected.get(posting.key, 0) + posting.amount_fen
            expected[posting.key] = total
            assert posting.cap_fen is None or total <= posting.cap_fen
        assert {key: fen for key, fen in books.totals.items() if fen} == expected
    while books.standing:
        books.reverse(0)
    assert set(books.totals.values()) <= {0}


@given(whole_packs(yearly=True), st.lists(visits(), min_size=4, max_size=8))
@settings(LARGE, max_examples=15)
def test_splitting_a_bill_under_yearly_rules_changes_rounding_alone(
    text: str, drawn: list[Visit]
) -> None:
    """Half the costs on each of two bills: the sum is two fen away at most."""
    pack = compile_pack(text.encode())
    category = pack.document.categories[0].id
    for visit in drawn:
        in_policy = visit.bill.in_policy_fen
        plain = bill_of(
            in_policy_fen=in_policy,
            care_type=visit.bill.care_type,
            place=visit.bill.place,
            on=visit.bill.service_end,
            deductible_fen=0,
        )
        if not pack.covers(pack.policy_day(plain)):
            continue
        aid = {}
        for parts in ((in_policy,), (in_policy // 2, in_policy - in_policy // 2)):
            books = Books(pack)
            for fen in filter(None, parts):
                bill = replace(plain, in_policy_fen=fen, total_fen=fen)
                books.settle(replace(visit, bill=bill), (category,))
            aid[len(parts)] = sum(
                posting.amount_fen
                for postings in books.standing
                for posting in postings
                if posting.key.pot in ("tilt", pack_pot(pack, plain.care_type))
            )
        assert abs(aid[2] - aid[1]) <= 2


def pack_pot(pack: CompiledPack, care_type: CareType) -> str:
    """The innermost pot of the first category's aid."""
    category = pack.document.categories[0].id
    return pack.document.cares[care_type].pot_of(category).value


LATE = datetime(2099, 1, 1, tzinfo=UTC)
SHIPPED = [compile_pack(policies.read(name)) for name in policies.names()]


def quarters(packs: list[CompiledPack]) -> Iterator[date]:
    """First and last days of the quarters from the first rule to two years from 2026.

    Also the days around each beginning and end.
    """
    first = min(pack.document.in_force_from for pack in packs)
    begin = date(first.year, 1, 1)
    while begin.year < 2028:
        month = begin.month + 3
        following = date(begin.year + month // 13, (month - 1) % 12 + 1, 1)
        yield from (begin, following - timedelta(days=1))
        begin = following
    for pack in packs:
        yield pack.document.in_force_from
        if pack.document.in_force_to is not None:
            yield pack.document.in_force_to


@pytest.mark.parametrize("scheme", sorted({pack.ref.id for pack in SHIPPED}))
def test_on_every_day_exactly_one_version_decides_each_cell(scheme: str) -> None:
    """Every category and kind of care, quarter by quarter: never none, never two.

    A day that two documents cover is decided by the one known last, alone. Between
    the first covered day and the last there is no hole.
    """
    packs = [pack for pack in SHIPPED if pack.ref.id == scheme]
    book = PolicyBook([(pack, pack.known_since) for pack in packs])
    days = sorted({*quarters(packs)})
    covered = [day for day in days if any(pack.covers(day) for pack in packs)]
    assert len(covered) >= 8
    assert covered == [day for day in days if covered[0] <= day <= covered[-1]]
    for day in covered:
        covering = [pack for pack in packs if pack.covers(day)]
        newest = max(pack.known_since for pack in covering)
        [applies] = [pack for pack in covering if pack.known_since == newest]
        assert book.in_force_on(day, LATE) is applies
        for care_type in CareType:
            bill = bill_of(on=day, care_type=care_type)
            assert book.in_force(bill, LATE) is applies
            for category in applies.document.categories:
                decided = applies.adjudicate(bill, [category.id], {}, None)
                assert decided.category == category.id
                assert decided.explanation[-1].rule == "patient_pays"
