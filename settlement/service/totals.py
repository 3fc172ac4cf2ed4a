"""Running totals during a batch: read under lock, changed in order, written once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from settlement.domain.decision import AccumulatorKey, Posting
from settlement.domain.errors import require
from settlement.store.rows import AccumulatorRow, PostingRow

AccumulatorId = tuple[bytes, int, str]


class Totals:
    """The accumulators that a batch has locked."""

    def __init__(self, locked: Mapping[AccumulatorId, tuple[int, int | None]]) -> None:
        """Take (used, cap) in fen for each accumulator."""
        self._used = {key: used for key, (used, _) in locked.items()}
        self._caps = {key: cap for key, (_, cap) in locked.items()}
        self._touched: set[AccumulatorId] = set()
        self._postings: list[tuple[bytes, bytes, Posting]] = []

    def used(
        self, person: bytes, keys: Iterable[AccumulatorKey]
    ) -> dict[AccumulatorKey, int]:
        """What the person has used so far, earlier claims of the batch included."""
        return {key: self._used[person, key.year, key.pot] for key in keys}

    def post(self, leaf_id: bytes, person: bytes, posting: Posting) -> None:
        """Add one amount; the cap of the posting holds from now on."""
        key = (person, posting.key.year, posting.key.pot)
        self._used[key] += posting.amount_fen
        self._caps[key] = posting.cap_fen
        self._note(key, leaf_id, posting)

    def undo(self, leaf_id: bytes, row: PostingRow) -> None:
        """Take back exactly what a settlement posted; caps stay as they are."""
        key = (row.person, row.year, row.pot)
        self._used[key] -= row.amount_fen
        posting = Posting(
            AccumulatorKey(row.year, row.pot), -row.amount_fen, self._caps[key]
        )
        self._note(key, leaf_id, posting)

    def _note(self, key: AccumulatorId, leaf_id: bytes, posting: Posting) -> None:
        cap = self._caps[key]
        require(self._used[key] >= 0, "an accumulator fell below zero")
        require(
            cap is None or posting.amount_fen < 0 or self._used[key] <= cap,
            "posted aid exceeds its cap",
        )
        self._touched.add(key)
        self._postings.append((leaf_id, key[0], posting))

    def postings(self, index_of: Mapping[bytes, int]) -> list[PostingRow]:
        """One row for each amount, now that leaves have their indexes."""
        return [
            PostingRow(
                index_of[leaf_id],
                person,
                posting.key.year,
                posting.key.pot,
                posting.amount_fen,
                posting.cap_fen,
            )
            for leaf_id, person, posting in self._postings
        ]

    def rows(self) -> list[AccumulatorRow]:
        """The accumulators that changed, as they stand now."""
        return [
            AccumulatorRow(*key, self._used[key], self._caps[key])
            for key in sorted(self._touched)
        ]
