"""What the policy makes of a bill: values, not exceptions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in both languages."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class AidPart:
    """One kind of aid within a settlement."""

    kind: str
    """`basic` or `tilt`."""
    amount_fen: int


@dataclass(frozen=True, slots=True)
class ExplanationLine:
    """One step of the computation, in order."""

    rule: str
    """Stable id of the step, e.g. `base`, `deductible`, `rate`, `visit_cap`."""
    text: Text
    input_fen: int
    result_fen: int
    source: str
    """Document and article that the step rests on."""


@dataclass(frozen=True, slots=True)
class AccumulatorKey:
    """Which running total: belongs to the person, not to the identity."""

    year: int
    pot: str
    """As the pack names it (`outpatient`, `inpatient`), or `deductible`."""


@dataclass(frozen=True, slots=True)
class Posting:
    """One amount to add to an accumulator; a reversal subtracts the same."""

    key: AccumulatorKey
    amount_fen: int
    cap_fen: int | None
    """The cap that held when this was posted; `None`: no limit."""


@dataclass(frozen=True, slots=True)
class PotQuota:
    """What one pot holds for the person in the year; `None` means no limit."""

    pot: str
    year: int
    cap_fen: int | None
    used_fen: int

    @property
    def remaining_fen(self) -> int | None:
        """What the pot can still pay, never below 0."""
        return None if self.cap_fen is None else max(0, self.cap_fen - self.used_fen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjudication:
    """The result of one bill under one policy. Amounts in fen.

    total = funds + aid + patient_pays, and 0 <= aid <= base <= owed, always.
    """

    approved: bool
    reason: str
    """Code of `settlement.domain.reasons`."""
    category: str | None
    """Id of the category that gave the aid; the best where there are several."""
    aid_fen: int
    aid: tuple[AidPart, ...]
    base_fen: int
    patient_pays_fen: int
    cash_fen: int
    account_return_fen: int
    postings: tuple[Posting, ...]
    """Empty when no accumulator is touched."""
    explanation: tuple[ExplanationLine, ...]
    quota: tuple[PotQuota, ...]
    """State after this settlement, pots of the category in the year."""


@dataclass(frozen=True, slots=True)
class PolicyRef:
    """Which document decided: stands in every decision and every record."""

    id: str
    version: str
    sha256: str
    """Lower-case hex of the document's exact bytes."""
