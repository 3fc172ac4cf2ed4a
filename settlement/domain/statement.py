"""A hospital's month in figures: what the bureau pays, and what it rests on.

One statement for each hospital and month. Its bytes are canonical JSON (RFC 8785),
so two officers who sign it have signed the same; every figure can be worked out
again from the records of the month package alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import rfc8785

STATEMENT_VERSION = 1
#: What sums are broken down by.
GROUPS = ("category", "subdistrict", "care_type")


@dataclass(slots=True)
class Figures:
    """Counts and sums of some entries of the log, in fen."""

    count: int = 0
    total_fen: int = 0
    funds_fen: int = 0
    aid_fen: int = 0
    tilt_fen: int = 0
    """The part of `aid_fen` that is tilt aid."""
    patient_pays_fen: int = 0

    def add(self, other: Figures) -> None:
        """Add the other's figures to these."""
        self.count += other.count
        self.total_fen += other.total_fen
        self.funds_fen += other.funds_fen
        self.aid_fen += other.aid_fen
        self.tilt_fen += other.tilt_fen
        self.patient_pays_fen += other.patient_pays_fen

    def less(self, other: Figures) -> Figures:
        """These without the other's: settled less reversed is what is owed."""
        return Figures(
            self.count - other.count,
            self.total_fen - other.total_fen,
            self.funds_fen - other.funds_fen,
            self.aid_fen - other.aid_fen,
            self.tilt_fen - other.tilt_fen,
            self.patient_pays_fen - other.patient_pays_fen,
        )

    def document(self) -> dict[str, int]:
        """As JSON values."""
        return {
            "count": self.count,
            "total_fen": self.total_fen,
            "funds_fen": self.funds_fen,
            "aid_fen": self.aid_fen,
            "tilt_fen": self.tilt_fen,
            "patient_pays_fen": self.patient_pays_fen,
        }


@dataclass(slots=True)
class Ledger:
    """What was settled and what was taken back, and the same in groups."""

    settled: Figures = field(default_factory=Figures)
    reversed: Figures = field(default_factory=Figures)
    late: Figures = field(default_factory=Figures)
    """Of both, net: entries of an earlier month that came after its cut."""
    groups: dict[str, dict[str, Figures]] = field(
        default_factory=lambda: {name: {} for name in GROUPS}
    )
    """Net, by group and its value. An unknown sub-district stands under ``""``."""

    def enter(
        self,
        figures: Figures,
        keys: Mapping[str, str],
        *,
        is_reversal: bool,
        is_late: bool,
    ) -> None:
        """Count entries of one kind; `keys` names their value in each group.

        A reversal's figures are its original's, and so are its keys.
        """
        (self.reversed if is_reversal else self.settled).add(figures)
        net = Figures().less(figures) if is_reversal else figures
        if is_late:
            self.late.add(net)
        for name in GROUPS:
            self.groups[name].setdefault(keys[name], Figures()).add(net)

    @property
    def net(self) -> Figures:
        """Settled less reversed."""
        return self.settled.less(self.reversed)

    def document(self) -> dict[str, Any]:
        """As JSON values, groups in the order of their values."""
        return {
            "settled": self.settled.document(),
            "reversed": self.reversed.document(),
            "net": self.net.document(),
            "late": self.late.document(),
            **{
                f"by_{name}": {
                    value: figures.document()
                    for value, figures in sorted(self.groups[name].items())
                }
                for name in GROUPS
            },
        }


@dataclass(frozen=True, slots=True)
class StatedDifference:
    """A difference as the officers sign it: how it ended, in whose hands."""

    id: str
    month: str
    """`YYYY-MM`: of the match that found it."""
    kind: str
    owner: str
    state: str
    """`resolved`, or `carried_over` into the next month."""
    settlement_id: str | None
    aid_fen: Mapping[str, int | None]
    """What each side says: `hospital`, `gateway`, `bureau`."""

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "id": self.id,
            "month": self.month,
            "kind": self.kind,
            "owner": self.owner,
            "state": self.state,
            "settlement_id": self.settlement_id,
            "aid_fen": dict(self.aid_fen),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HospitalStatement:
    """One hospital's month, ready to be signed."""

    origin: str
    month: str
    """`YYYY-MM`."""
    facility: str
    tree_size: int
    """The month's cut: what the log held when the month was opened."""
    ledger: Ledger
    list_sha256: str | None
    """Of the hospital's own list; `None` where it sent none."""
    with_bureau: bool
    """Whether the decrypted records were compared too."""
    differences: tuple[StatedDifference, ...] = ()
    """In the order of their ids; none of them open."""
    carried_in: tuple[StatedDifference, ...] = ()
    """Of earlier months, carried over and not resolved yet, in the same order."""

    def to_bytes(self) -> bytes:
        """The exact bytes that officers sign."""
        document: dict[str, Any] = {
            "v": STATEMENT_VERSION,
            "kind": "hospital-statement",
            "origin": self.origin,
            "month": self.month,
            "facility": self.facility,
            "tree_size": self.tree_size,
            "ledger": self.ledger.document(),
            "list_sha256": self.list_sha256,
            "with_bureau": self.with_bureau,
            "differences": [each.document() for each in self.differences],
            "carried_in": [each.document() for each in self.carried_in],
        }
        return bytes(rfc8785.dumps(document))
