"""What a day has come to: outcomes, statements, findings, and whether it held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from gateway.his_simulator.books import Outcome
from gateway.his_simulator.desk import Finding
from gateway.his_simulator.evening import Statement
from gateway.his_simulator.faults import Fault

#: A visit that met no fault.
FAIR = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class HospitalDay:
    """One hospital's."""

    fixmedins_code: str
    name: str
    outcomes: Mapping[Outcome, int]
    statements: Sequence[Statement]
    aid_fen: int
    """Of what is in force, by the HIS's own books."""
    gateway_aid_fen: int
    """The same, as the gateway tells it of each settlement."""

    @property
    def is_flat(self) -> bool:
        """Every kind, at last."""
        return all(statement.is_flat for statement in self.statements)

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "fixmedins_code": self.fixmedins_code,
            "name": self.name,
            "outcomes": _named(self.outcomes),
            "aid_fen": self.aid_fen,
            "gateway_aid_fen": self.gateway_aid_fen,
            "flat": self.is_flat,
            "statements": [asdict(statement) for statement in self.statements],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DayResult:
    """The whole day."""

    on: date
    seed: int
    faults: Sequence[Fault]
    hospitals: Sequence[HospitalDay]
    by_fault: Mapping[str, Mapping[Outcome, int]]
    """Outcomes of the visits that were to meet a fault, by its name."""
    struck: Mapping[Fault, int]
    """How often the line has really struck."""
    log: Mapping[str, int]
    late: int
    """2207s that came after their 2601."""
    findings: Sequence[Finding]

    @property
    def aid_fen(self) -> int:
        """Of all hospitals."""
        return sum(hospital.aid_fen for hospital in self.hospitals)

    @property
    def gateway_aid_fen(self) -> int:
        """The same, as the gateway tells it."""
        return sum(hospital.gateway_aid_fen for hospital in self.hospitals)

    @property
    def outcomes(self) -> Counter[Outcome]:
        """Of all visits."""
        total: Counter[Outcome] = Counter()
        for hospital in self.hospitals:
            total.update(hospital.outcomes)
        return total

    @property
    def is_sound(self) -> bool:
        """Nothing was found, every statement is flat, and no visit stays open."""
        return (
            not self.findings
            and self.aid_fen == self.gateway_aid_fen
            and all(hospital.is_flat for hospital in self.hospitals)
            and not self.outcomes[Outcome.OPEN]
        )

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "ok": self.is_sound,
            "day": self.on.isoformat(),
            "seed": self.seed,
            "faults": [fault.value for fault in self.faults],
            "outcomes": _named(self.outcomes),
            "hospitals": [each.document() for each in self.hospitals],
            "by_fault": {name: _named(row) for name, row in self.by_fault.items()},
            "struck": {fault.value: count for fault, count in self.struck.items()},
            "log": dict(self.log),
            "late": self.late,
            "aid_fen": self.aid_fen,
            "gateway_aid_fen": self.gateway_aid_fen,
            "findings": [asdict(each) for each in self.findings],
        }


def _named(outcomes: Mapping[Outcome, int]) -> dict[str, int]:
    return {outcome.value: outcomes.get(outcome, 0) for outcome in Outcome}
