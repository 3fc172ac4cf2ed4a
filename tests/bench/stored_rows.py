"""Rows of settlements that a gateway might have stored, made without one.

Everything that the settle path reads or grows: keys, visits, settlements, answers,
records, leaves, postings, diagnoses, reversals, and declines, which have no leaf.
Records and answers are random bytes of a given length; the leaves are their hashes, so
that the log is a real one. What was sealed is not in them: nothing can be opened.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from settlement.service.claims import month_number
from settlement.service.ids import ID_BYTES, new_id
from settlement.store import rows

#: Of a hundred claims.
_DECLINED, _INPATIENT = 4, 6
_OPERATORS = 12
_DIAGNOSES = [f"{chr(65 + n % 20)}{n:02d}" for n in range(90)]
#: Desks open at eight o'clock in Shanghai, which is midnight UTC, for so long.
_OPEN_S = 9 * 3600
POT = "outpatient"
_TOTAL, _FUNDS, _BASE = 25_000, 16_000, 7_200


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of one record, and of the three parts of an answer."""

    record: int
    request: int
    head: int
    tail: int

    @property
    def total(self) -> int:
        """Bytes of one settlement's record and answer."""
        return self.record + self.request + self.head + self.tail

    def percent(self, share: int) -> Sizes:
        """So many hundredths of each."""
        return Sizes(
            *(
                max(1, size * share // 100)
                for size in (self.record, self.request, self.head, self.tail)
            )
        )


@dataclass(frozen=True, slots=True)
class District:
    """Who settles, for whom, from which day on and how many a day."""

    hospitals: Sequence[int]
    persons: Sequence[tuple[bytes, str, str]]
    """Token, category and sub-district."""
    first_day: date
    per_day: int
    policy_no: int
    sizes: Sizes
    reversed_percent: int = 1


@dataclass(slots=True)
class Chunk:
    """Rows of every table, in the order of their columns."""

    settle_key: list[rows.KeyRow] = field(default_factory=list)
    reversal_key: list[rows.ReversalKeyRow] = field(default_factory=list)
    visit: list[rows.VisitRow] = field(default_factory=list)
    settlement: list[rows.SettlementRow] = field(default_factory=list)
    reversal: list[rows.ReversalRow] = field(default_factory=list)
    answer: list[rows.AnswerRow] = field(default_factory=list)
    diagnosis: list[rows.DiagnosisRow] = field(default_factory=list)
    posting: list[rows.PostingRow] = field(default_factory=list)
    leaves: list[tuple[bytes, int]] = field(default_factory=list)
    """Id and month of each leaf, in the log's order."""
    records: list[bytes] = field(default_factory=list)

    @property
    def months(self) -> set[int]:
        """Months that need partitions."""
        return {row.month for row in self.answer}


def make(begin: int, count: int, district: District) -> Chunk:
    """The leaves from `begin` on, `count` or one more, with all that belongs to them.

    The same arguments give the same rows; no two chunks share a key, visit or id.
    """
    maker = _Maker(begin, district)
    while len(maker.chunk.leaves) < count:
        maker.claim()
    return maker.chunk


class _Maker:
    def __init__(self, begin: int, district: District) -> None:
        self._begin = begin
        self._district = district
        self._random = random.Random(begin)  # it has to repeat
        self._claims = 0
        self.chunk = Chunk()

    def claim(self) -> None:
        """One claim: approved for the most part, some reversed at once."""
        made, self._claims = self._claims, self._claims + 1
        key = f"{self._begin:09d}-{made:06d}"
        fate = self._random.randrange(100)
        row = self._row(key, is_declined=fate < _DECLINED)
        chunk = self.chunk
        chunk.settle_key.append(
            rows.KeyRow(row.facility_id, key, row.id, row.month, tombstone=False)
        )
        codes = [self._random.choice(_DIAGNOSES)]
        chunk.diagnosis.append(rows.DiagnosisRow(row.id, codes, None))
        self._answer(row.month, row.id)
        if row.log_index is None:
            chunk.settlement.append(row)
            return
        self._leaf(row, row.id, row.aid_fen)
        if fate < _DECLINED + self._district.reversed_percent:
            chunk.settlement.append(row._replace(state=b"r"))
            self._reverse(row)
        else:
            assert row.visit_identity is not None
            chunk.visit.append(rows.VisitRow(row.visit_identity, 0, row.id))
            chunk.settlement.append(row)

    def _row(self, key: str, *, is_declined: bool) -> rows.SettlementRow:
        district, rng = self._district, self._random
        person, category, subdistrict = rng.choice(district.persons)
        at = self._instant()
        aid = 0 if is_declined else _BASE
        days = rng.randrange(2, 14) if rng.randrange(100) < _INPATIENT else 0
        return rows.SettlementRow(
            id=new_id(at, rng.randbytes),
            month=month_number(at),
            facility_id=rng.choice(district.hospitals),
            key=key,
            state=b"d" if is_declined else b"s",
            person=person,
            visit_no=f"MZ{at:%Y%m%d}-{key}",
            visit_identity=None if is_declined else rng.randbytes(ID_BYTES),
            care_type="inpatient" if days else "outpatient",
            service_start=at.date() - timedelta(days=days),
            service_end=at.date(),
            occurred_at=at,
            settled_at=at,
            operator=f"op{rng.randrange(_OPERATORS):02d}",
            sandbox=True,
            category=category,
            subdistrict=subdistrict,
            roster_version=1,
            policy_no=district.policy_no,
            reason="MA-2202" if is_declined else "MA-2000",
            repeat_reason=None,
            total_fen=_TOTAL,
            funds_fen=_FUNDS,
            base_fen=0 if is_declined else _BASE,
            aid_fen=aid,
            tilt_fen=0,
            patient_pays_fen=_TOTAL - _FUNDS - aid,
            log_index=None if is_declined else self._next_leaf,
            confirm_reason=None,
        )

    @property
    def _next_leaf(self) -> int:
        return self._begin + len(self.chunk.leaves)

    def _instant(self) -> datetime:
        """Days follow each other, so ids and months rise as in life."""
        day, nth = divmod(self._next_leaf, self._district.per_day)
        first = datetime.combine(self._district.first_day, datetime.min.time(), UTC)
        seconds = nth * _OPEN_S // self._district.per_day
        return first + timedelta(days=day, seconds=seconds)

    def _answer(self, month: int, identity: bytes) -> None:
        sizes, randbytes = self._district.sizes, self._random.randbytes
        self.chunk.answer.append(
            rows.AnswerRow(
                month,
                identity,
                randbytes(sizes.request),
                randbytes(sizes.head),
                randbytes(sizes.tail),
            )
        )

    def _leaf(self, row: rows.SettlementRow, identity: bytes, amount: int) -> None:
        assert row.person is not None
        self.chunk.posting.append(
            rows.PostingRow(
                self._next_leaf,
                row.person,
                row.service_end.year,
                POT,
                amount,
                None,
            )
        )
        self.chunk.leaves.append((identity, row.month))
        self.chunk.records.append(self._random.randbytes(self._district.sizes.record))

    def _reverse(self, row: rows.SettlementRow) -> None:
        identity = new_id(row.settled_at, self._random.randbytes)
        key = f"r{row.key}"
        self.chunk.reversal_key.append(
            rows.ReversalKeyRow(row.facility_id, key, identity, row.month)
        )
        self.chunk.reversal.append(
            rows.ReversalRow(
                id=identity,
                month=row.month,
                facility_id=row.facility_id,
                key=key,
                settlement_id=row.id,
                original_key=None,
                person=row.person,
                reason="refund",
                reversed_at=row.settled_at,
                operator=row.operator,
                sandbox=True,
                aid_fen=row.aid_fen,
                log_index=self._next_leaf,
            )
        )
        self._answer(row.month, identity)
        self._leaf(row, identity, -row.aid_fen)
