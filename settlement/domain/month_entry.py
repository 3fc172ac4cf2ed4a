"""One settlement or reversal as the month package tells of it, and its sums.

The gateway makes entries from its tables, the bureau from the decrypted records. The
rules by which they become sums and lines are here, once for both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from settlement.domain.statement import GROUPS, Figures, Ledger

CategoryText = Callable[[str, str], str]
"""Of a pack `id@version` and a category, the category's Chinese name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillFigures:
    """What a settlement's bill and decision say, of a reversal its original's."""

    policy: str
    """`id@version`."""
    category: str
    subdistrict: str
    """Of the person; nine digits, or empty where the roster knew none."""
    care_type: str
    service_start: str
    service_end: str
    total_fen: int
    funds_fen: int
    in_policy_fen: int
    basic_insurance_fen: int
    serious_illness_fen: int
    other_funds_fen: int
    base_fen: int
    aid_fen: int
    tilt_fen: int
    patient_pays_fen: int
    commercial_fen: int
    charity_fen: int
    personal_account_fen: int

    @property
    def cash_fen(self) -> int:
        """What the patient pays beyond the personal account."""
        return max(0, self.patient_pays_fen - self.personal_account_fen)

    @property
    def account_fen(self) -> int:
        """What the personal account pays."""
        return self.patient_pays_fen - self.cash_fen

    def figures(self) -> Figures:
        """The sums of this one."""
        return Figures(
            1,
            self.total_fen,
            self.funds_fen,
            self.aid_fen,
            self.tilt_fen,
            self.patient_pays_fen,
        )

    def keys(self) -> dict[str, str]:
        """Its value in each group."""
        return {
            "category": self.category,
            "subdistrict": self.subdistrict,
            "care_type": self.care_type,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a month that money moves on."""

    index: int
    sid: str
    ref: str
    """Of a reversal, the settlement that it undoes; else empty."""
    facility: str
    day: date
    """The Shanghai day of settling, or of taking back."""
    is_late: bool
    """Of an earlier month, and committed after that month's cut."""
    bill: BillFigures

    @property
    def is_reversal(self) -> bool:
        """Whether it takes money back."""
        return bool(self.ref)


def is_late(own_month: int, index: int, *, month: int, first_index: int) -> bool:
    """Whether an entry of a month's package belongs to an earlier month (202601)."""
    return own_month < month and index >= first_index


@dataclass(slots=True)
class MonthTally:
    """Sums of a month by hospital; parts that were counted apart can be added."""

    by_facility: dict[str, Ledger] = field(default_factory=dict)

    def enter(self, entry: Entry) -> None:
        """Count one entry."""
        self.of(entry.facility).enter(
            entry.bill.figures(),
            entry.bill.keys(),
            is_reversal=entry.is_reversal,
            is_late=entry.is_late,
        )

    def of(self, facility: str) -> Ledger:
        """The sums of one hospital; zeroes where it has no entries."""
        return self.by_facility.setdefault(facility, Ledger())

    def add(self, other: MonthTally) -> None:
        """Add the sums of another part."""
        for facility, ledger in other.by_facility.items():
            _add(self.of(facility), ledger)

    def total(self) -> Ledger:
        """All hospitals together."""
        together = Ledger()
        for ledger in self.by_facility.values():
            _add(together, ledger)
        return together


@dataclass(slots=True)
class ClearSums:
    """Sums of what the clear claims say; of a million records, so kept plain."""

    _sums: dict[tuple[str, bool, bool], list[int]] = field(default_factory=dict)

    def enter(self, claims: Mapping[str, Any], *, is_late: bool) -> None:
        """Count one record."""
        key = claims["facility"], claims["op"] == "reverse", is_late
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = [0, 0, 0, 0, 0]
        sums[0] += 1
        sums[1] += claims["total_fen"]
        sums[2] += claims["funds_fen"]
        sums[3] += claims["aid_fen"]
        sums[4] += claims["patient_pays_fen"]

    def tally(self) -> MonthTally:
        """The same by hospital; tilt and groups are not told in clear."""
        tally = MonthTally()
        for (facility, is_reversal, is_late), sums in self._sums.items():
            count, total_fen, funds_fen, aid_fen, patient_pays_fen = sums
            tally.of(facility).enter(
                Figures(count, total_fen, funds_fen, aid_fen, 0, patient_pays_fen),
                dict.fromkeys(GROUPS, ""),
                is_reversal=is_reversal,
                is_late=is_late,
            )
        return tally


@dataclass(frozen=True, slots=True)
class Hospital:
    """A hospital as the package names it."""

    facility: str
    """Its code."""
    name: str
    level: int
    subdistrict: str
    statement_sha256: str
    """Of the statement that the officers signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthFacts:
    """What a month statement says besides its sums."""

    origin: str
    month: str
    first_index: int
    tree_size: int
    previous: Mapping[str, Any] | None
    """`month`, `tree_size` and `statement_sha256` of the earlier package."""
    hospitals: tuple[Hospital, ...]
    records: int
    tombstones: int
    sandbox: int
    """Records of a sandbox: no money moves on them."""
    deferred: tuple[tuple[int, int], ...]
    """First and last index of each stretch below the cut that waits for its month."""
    from_earlier: tuple[tuple[int, int], ...]
    """The same of what earlier packages have deferred and this one brings."""
    packs: tuple[Mapping[str, str], ...]
    """`id`, `version` and `sha256` of every policy document used."""


def month_statement(facts: MonthFacts, tally: MonthTally) -> dict[str, Any]:
    """The month statement as JSON values."""
    total = tally.total()
    nets = {h.facility: tally.of(h.facility).net for h in facts.hospitals}
    return {
        "v": 1,
        "kind": "month-statement",
        "origin": facts.origin,
        "month": facts.month,
        "first_index": facts.first_index,
        "tree_size": facts.tree_size,
        "previous": facts.previous,
        "records": facts.records,
        "tombstones": facts.tombstones,
        "sandbox": facts.sandbox,
        "deferred": [list(each) for each in facts.deferred],
        "from_earlier": [list(each) for each in facts.from_earlier],
        "packs": [dict(each) for each in facts.packs],
        "ledger": total.document(),
        "by_facility": {
            code: ledger.net.document()
            for code, ledger in sorted(tally.by_facility.items())
        },
        "hospitals": [
            {
                "facility": each.facility,
                "name": each.name,
                "level": each.level,
                "subdistrict": each.subdistrict,
                "statement_sha256": each.statement_sha256,
                "net": nets[each.facility].document(),
            }
            for each in facts.hospitals
        ],
        "payment_total_fen": total.net.aid_fen,
    }


def ranges(indexes: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """First and last of each unbroken run of ascending numbers."""
    found: list[tuple[int, int]] = []
    for index in indexes:
        if found and found[-1][1] == index - 1:
            found[-1] = (found[-1][0], index)
        else:
            found.append((index, index))
    return tuple(found)


def _add(ledger: Ledger, other: Ledger) -> None:
    ledger.settled.add(other.settled)
    ledger.reversed.add(other.reversed)
    ledger.late.add(other.late)
    for name in GROUPS:
        mine = ledger.groups[name]
        for value, figures in other.groups[name].items():
            mine.setdefault(value, Figures()).add(figures)
