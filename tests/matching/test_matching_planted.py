"""Differences planted at random, singly and mixed: each found, none invented."""

import random
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.domain.matching import (
    KINDS,
    Amounts,
    Kind,
    NetState,
    difference_id,
    match,
)
from tests.matching.worlds import (
    SITUATIONS,
    VIEWS,
    Bill,
    Sides,
    kinds,
    matched,
    sorted_sides,
)


class Planted(NamedTuple):
    """A world, and what is to be found in it."""

    sides: Sides
    expected: set[tuple[bytes | None, Kind]]


@st.composite
def worlds(draw: st.DrawFn) -> Planted:
    """Any number of settlements, each in any situation on both borders."""
    chosen = draw(
        st.lists(
            st.tuples(
                st.sampled_from([*SITUATIONS]),
                st.sampled_from([*VIEWS]),
                st.integers(0, 10**9),
                st.integers(0, 10**9),
            ),
            max_size=30,
        )
    )
    ledger, lines, records = [], [], []
    expected: set[tuple[bytes | None, Kind]] = set()
    for number, (situation, view, total_fen, aid_fen) in enumerate(chosen):
        bill = Bill(number, total_fen, aid_fen)
        planted = SITUATIONS[situation](bill)
        seen = VIEWS[view](bill, planted.ledger)
        ledger.append(planted.ledger)
        lines += planted.lines
        records.append(seen.record)
        identity = bill.ledger().settlement_id
        expected |= {(identity, kind) for kind in planted.found | seen.found}
    random.Random(draw(st.integers())).shuffle(lines)
    return Planted(sorted_sides(ledger, lines, records), expected)


@given(worlds())
def test_every_planted_difference_is_found_and_no_other(world: Planted) -> None:
    """What was planted is found, under its name, once; what is flat stays unnamed."""
    found, tally = matched(world.sides)

    assert kinds(found) == world.expected
    assert len(found) == len(world.expected) == tally.differences


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("aid_fen", [0, 1_500])
def test_single_difference_is_found_among_flat_ones(
    situation: str, view: str, aid_fen: int
) -> None:
    """Each situation alone, first, last and amid flat neighbours, aid or none."""
    flat = [Bill(number, 25_000, 1_500) for number in (1, 3)]
    for number in (0, 2, 4):
        bill = Bill(number, 25_000, aid_fen)
        planted = SITUATIONS[situation](bill)
        seen = VIEWS[view](bill, planted.ledger)
        sides = sorted_sides(
            [planted.ledger, *(each.ledger() for each in flat)],
            [*planted.lines, *(each.line() for each in flat)],
            [seen.record, *(each.record() for each in flat)],
        )

        found, _ = matched(sides)

        identity = bill.ledger().settlement_id
        expected = {(identity, kind) for kind in planted.found | seen.found}
        assert kinds(found) == expected


@given(worlds())
def test_sides_that_are_not_given_are_not_matched(world: Planted) -> None:
    """Without a list no hospital is blamed, without records no bureau."""
    ledger, listed, bureau = world.sides
    of_bureau = {kind for kind, facts in KINDS.items() if facts.stmt_rslt is None}
    hospital_only = kinds(match(ledger, listed, None))
    bureau_only = kinds(match(ledger, None, bureau))

    assert hospital_only == {one for one in world.expected if one[1] not in of_bureau}
    assert bureau_only == {one for one in world.expected if one[1] in of_bureau}
    assert kinds(match(ledger, None, None)) == set()


@given(worlds())
def test_sums_are_those_of_the_sides(world: Planted) -> None:
    """Counts and sums are of what is left after pairs that cancel."""
    ledger, listed, bureau = world.sides
    _, tally = matched(world.sides)
    counted = [item for item in ledger if item.state is not NetState.CANCELLED]
    held = [item for item in bureau if item.state is not NetState.CANCELLED]
    signs = [-1 if line.is_refund or line.total_fen < 0 else 1 for line in listed]

    assert tally.lines == len(listed)
    assert tally.gateway.count == len(counted)
    assert tally.gateway.aid_fen == sum(item.aid_fen for item in counted)
    assert tally.bureau.count == len(held)
    assert tally.bureau.total_fen == sum(item.total_fen for item in held)
    assert tally.hospital.total_fen == sum(
        sign * abs(line.total_fen) for sign, line in zip(signs, listed, strict=True)
    )
    assert tally.hospital.count <= len(listed)


@given(worlds())
def test_flat_and_different_make_up_the_ledger(world: Planted) -> None:
    """Every settlement that counts is flat on all sides, or in a difference."""
    found, tally = matched(world.sides)
    in_question = {each.settlement_id for each in found}
    flat = [
        item
        for item in world.sides.ledger
        if item.state is not NetState.CANCELLED
        and item.settlement_id not in in_question
    ]

    assert tally.flat.count == len(flat)
    assert tally.flat.total_fen == sum(item.total_fen for item in flat)
    assert tally.flat.aid_fen == sum(item.aid_fen for item in flat)


@given(worlds(), st.randoms(use_true_random=False))
def test_order_of_the_list_plays_no_part(
    world: Planted, shuffler: random.Random
) -> None:
    """The hospital may write its lines in any order."""
    ledger, listed, bureau = world.sides
    shuffled = [*listed]
    shuffler.shuffle(shuffled)
    again, tally_again = matched(sorted_sides(ledger, shuffled, bureau))
    found, tally = matched(world.sides)

    assert tally == tally_again
    assert [replace(each, lines=()) for each in again] == [
        replace(each, lines=()) for each in found
    ]


@given(worlds())
def test_ids_are_unique_and_survive_corrected_amounts(world: Planted) -> None:
    """The same difference has the same id next time, and no other has it."""
    found, _ = matched(world.sides)
    ids = [difference_id("2026-01", "H1", each) for each in found]
    dearer = Sides(
        [item._replace(aid_fen=item.aid_fen * 2) for item in world.sides.ledger],
        [line._replace(aid_fen=line.aid_fen * 2) for line in world.sides.listed],
        [item._replace(aid_fen=item.aid_fen * 2) for item in world.sides.bureau],
    )
    again = [difference_id("2026-01", "H1", each) for each in matched(dearer)[0]]

    assert len(set(ids)) == len(ids)
    assert {len(each) for each in ids} <= {16}
    assert again == ids


@given(worlds())
def test_differences_come_in_the_order_of_ids(world: Planted) -> None:
    """Whoever stores them can merge them with those of last time."""
    found, _ = matched(world.sides)
    ids = [each.settlement_id or b"" for each in found]

    assert ids == sorted(ids)


@given(worlds())
def test_amounts_are_shown_as_each_side_counts_them(world: Planted) -> None:
    """A difference shows all that is known about its settlement, on every side."""
    found, _ = matched(world.sides)
    ours = {
        item.settlement_id: Amounts(0, 0)
        if item.state is NetState.CANCELLED
        else Amounts(item.total_fen, item.aid_fen)
        for item in world.sides.ledger
    }
    listed = {line.settlement_id for line in world.sides.listed}
    recorded = {item.settlement_id for item in world.sides.bureau}

    for each in found:
        assert each.settlement_id is not None
        assert each.gateway == ours.get(each.settlement_id)
        assert (each.hospital is not None) == (each.settlement_id in listed)
        assert (each.bureau is not None) == (each.settlement_id in recorded)
