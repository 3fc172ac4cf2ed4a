"""Rows made for a full database keep what the gateway's own rows keep."""

from __future__ import annotations

from collections import Counter
from datetime import date

from crypto.merkle import RightEdge
from settlement.service.logbook import Logbook
from settlement.service.logbook import Page as LogPage
from settlement.store.rows import LogHead
from tests.bench.stored_rows import Chunk, District, Sizes, make
from tests.crypto.fixed import CHECKPOINTS

_SIZES = Sizes(record=300, request=40, head=60, tail=50)
_DISTRICT = District(
    hospitals=(3, 4, 5),
    persons=[(n.to_bytes(16, "big"), "tekun", "990101001") for n in range(50)],
    first_day=date(2026, 1, 20),
    per_day=100,
    policy_no=1,
    sizes=_SIZES,
    reversed_percent=10,
)


def _two() -> tuple[Chunk, Chunk]:
    first = make(0, 1_000, _DISTRICT)
    return first, make(len(first.leaves), 1_000, _DISTRICT)


def test_made_leaves_are_gapless_and_each_has_its_record() -> None:
    """Over chunks: the second begins where the first ends."""
    first, second = _two()
    indexes: list[int] = []
    for chunk in (first, second):
        indexes += [row.log_index for row in chunk.reversal]
        indexes += [
            row.log_index for row in chunk.settlement if row.log_index is not None
        ]
    count = len(first.leaves) + len(second.leaves)
    assert sorted(indexes) == list(range(count))
    for chunk in (first, second):
        assert len(chunk.records) == len(chunk.leaves) == len(chunk.posting)
        assert {len(record) for record in chunk.records} == {_SIZES.record}


def test_no_key_visit_or_id_is_made_twice() -> None:
    """What the UNIQUE indexes would refuse."""
    chunks = _two()
    for name in ("settle_key", "reversal_key"):
        keys = [
            (row.facility_id, row.key) for each in chunks for row in getattr(each, name)
        ]
        assert len(keys) == len(set(keys)) > 0
    ids = [row.id for each in chunks for row in each.answer]
    assert len(ids) == len(set(ids))
    visits = [row.identity for each in chunks for row in each.visit]
    assert len(visits) == len(set(visits))


def test_made_rows_keep_the_sums_and_states() -> None:
    """Money adds up, declines have no leaf, who is reversed holds no visit."""
    first, _ = _two()
    states = Counter(row.state for row in first.settlement)
    assert set(states) == {b"s", b"d", b"r"}
    visits = {row.id for row in first.visit}
    undone = {row.settlement_id for row in first.reversal}
    for row in first.settlement:
        assert row.total_fen == row.funds_fen + row.aid_fen + row.patient_pays_fen
        assert 0 <= row.aid_fen <= row.base_fen
        assert (row.state == b"d") == (row.log_index is None)
        assert (row.id in visits) == (row.state == b"s")
        assert (row.id in undone) == (row.state == b"r")
    in_force = sum(row.aid_fen for row in first.settlement if row.state == b"s")
    assert sum(row.amount_fen for row in first.posting) == in_force


def test_days_and_months_follow_each_other() -> None:
    """So that ids grow at the right end of their indexes, as in life."""
    first, second = _two()
    for chunk in (first, second):
        instants = [row.settled_at for row in chunk.settlement]
        assert instants == sorted(instants)
        days = [row.id[:2] for row in chunk.settlement]
        assert days == sorted(days)
    assert first.settlement[0].settled_at.date() == date(2026, 1, 20)
    assert first.months == {202601}
    assert second.months == {202601, 202602}


def test_chunk_is_the_same_each_time_it_is_made() -> None:
    """A run that was ended makes again what it had not committed."""
    assert make(7_000, 200, _DISTRICT) == make(7_000, 200, _DISTRICT)
    assert make(7_000, 200, _DISTRICT) != make(7_200, 200, _DISTRICT)


def test_log_of_made_records_can_be_extended() -> None:
    """The edge after two chunks is that of the tree over all records."""
    first, second = _two()
    logbook = Logbook(CHECKPOINTS)
    empty = logbook.empty()
    page = logbook.extend(LogHead(0, empty.root, empty.edge), first.records)
    head = LogHead(page.head.size, page.head.root, page.head.edge)
    last: LogPage = logbook.extend(head, second.records)
    whole = RightEdge().extend([*page.entries, *last.entries])
    assert last.head.root == whole.root
    assert last.head.size == len(first.leaves) + len(second.leaves)


def test_sizes_shrink_by_hundredths() -> None:
    """And never to nothing."""
    assert _SIZES.percent(50) == Sizes(150, 20, 30, 25)
    assert _SIZES.percent(1).request == 1
    assert _SIZES.total == 450
