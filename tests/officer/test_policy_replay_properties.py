"""A person's settlements under another pack, for any bills, reversals and packs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from settlement.domain.bill import Bill
from settlement.domain.decision import AccumulatorKey, Posting
from settlement.domain.eligibility import Window
from settlement.domain.policy import CompiledPack, compile_pack
from settlement.service.policy_replay import (
    Event,
    Reversed,
    Step,
    every_bill,
    replay,
)
from tests.policy.small_pack import CATEGORIES
from tests.policy.strategies import UNHURRIED, bills, packs

PACKS = packs().map(lambda text: compile_pack(text.encode()))


class Desk(NamedTuple):
    """What happens to one person, one after the other."""

    bills: Sequence[Bill]
    categories: tuple[str, ...]
    reversed_after: dict[int, int]
    """Number of a bill: taken back after that other one, if it was approved."""


@st.composite
def desks(draw: st.DrawFn) -> Desk:
    """Up to six bills, some of them taken back later."""
    drawn = draw(st.lists(bills(), min_size=1, max_size=6))
    last = len(drawn) - 1
    reversed_after = {
        number: draw(st.integers(number, last))
        for number in range(len(drawn))
        if draw(st.integers(0, 3)) == 0
    }
    chosen = draw(st.sets(st.sampled_from(CATEGORIES), min_size=1))
    return Desk(drawn, tuple(sorted(chosen)), reversed_after)


def lived(pack: CompiledPack, desk: Desk) -> list[Step]:
    """The steps as the gateway would have stored them under the pack."""
    used: dict[AccumulatorKey, int] = defaultdict(int)
    windows = [Window(c, date(2000, 1, 1), None, "") for c in desk.categories]
    posted: dict[int, Sequence[Posting]] = {}
    steps: list[Step] = []
    for number, bill in enumerate(desk.bills):
        result = pack.adjudicate(bill, desk.categories, used, None)
        if result.approved:
            posted[number] = result.postings
            _add(used, result.postings, 1)
        steps.append(
            Event(
                id=bytes([number]),
                month=2026_01,
                log_index=2 * number if result.approved else None,
                in_force=result.approved and number not in desk.reversed_after,
                aid_fen=result.aid_fen,
                reason=result.reason,
                category=result.category,
                care_type=bill.care_type.value,
                postings=result.postings,
                bill=bill,
                windows=windows,
                read=pack.accumulator_keys(bill, desk.categories),
            )
        )
        for earlier, after in desk.reversed_after.items():
            if after == number and earlier in posted:
                _add(used, posted[earlier], -1)
                steps.append(Reversed(bytes([earlier]), posted[earlier]))
    return steps


def _add(
    used: dict[AccumulatorKey, int], postings: Sequence[Posting], sign: int
) -> None:
    for posting in postings:
        used[posting.key] += sign * posting.amount_fen


@settings(UNHURRIED, max_examples=60)
@given(PACKS, desks())
def test_the_pack_that_decided_changes_nothing(pack: CompiledPack, desk: Desk) -> None:
    """Not one fen, not one decision, not one cap."""
    result = replay(lived(pack, desk), pack, every_bill)

    assert [each for each in result.redecided if each.differs] == []
    assert result.capped == set()
    assert not result.left_out


@settings(UNHURRIED, max_examples=60)
@given(PACKS, PACKS, desks())
def test_another_pack_as_though_it_had_been_there(
    old: CompiledPack, new: CompiledPack, desk: Desk
) -> None:
    """Bill by bill what the person would have got, had it decided from the first."""
    stored = lived(old, desk)
    kept = {e.id[0] for e in stored if isinstance(e, Reversed)}
    # What the old pack declined could not be taken back.
    same_reversals = {
        number: after for number, after in desk.reversed_after.items() if number in kept
    }
    oracle = {
        e.id: e.aid_fen
        for e in lived(new, desk._replace(reversed_after=same_reversals))
        if isinstance(e, Event)
    }

    result = replay(stored, new, every_bill)

    assert {e.id: e.aid_after_fen for e in result.redecided} == {
        id_: aid for id_, aid in oracle.items() if id_[0] not in same_reversals
    }


@settings(UNHURRIED, max_examples=40)
@given(PACKS, PACKS, desks())
def test_out_of_scope_everything_stays(
    old: CompiledPack, new: CompiledPack, desk: Desk
) -> None:
    """A pack that decides none of the bills changes none."""
    result = replay(lived(old, desk), new, lambda _bill: False)

    assert result.redecided == []
    assert result.capped == set()
