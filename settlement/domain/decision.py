"""What the policy makes of a bill: values, not exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in both languages."""

    zh: str
    en: str


class Phrase(Protocol):
    """The fixed part of a sentence, put together when a pack is compiled."""

    @property
    def source(self) -> str:
        """Document and article that the sentence rests on."""
        ...

    def text(self, input_fen: int, result_fen: int, also_fen: int) -> Text:
        """The sentence with its amounts."""
        ...


# What follows is made for every settlement, so it is tuples: a frozen dataclass
# costs three times as much to make.


class AidPart(NamedTuple):
    """One kind of aid within a settlement."""

    kind: str
    """`basic` or `tilt`."""
    amount_fen: int


class ExplanationLine(NamedTuple):
    """One step of the computation, in order: coded, and rendered when it is read."""

    rule: str
    """Stable id of the step, e.g. `base`, `deductible`, `rate`, `visit_cap`."""
    phrase: Phrase
    input_fen: int
    result_fen: int
    also_fen: int = 0
    """A further amount of the sentence: paid by others, or used before."""

    @property
    def text(self) -> Text:
        """The sentence in both languages."""
        return self.phrase.text(self.input_fen, self.result_fen, self.also_fen)

    @property
    def source(self) -> str:
        """Document and article that the step rests on."""
        return self.phrase.source


class AccumulatorKey(NamedTuple):
    """Which running total: belongs to the person, not to the identity."""

    year: int
    pot: str
    """As the pack names it (`outpatient`, `inpatient`), or a reserved name."""


#: What `ExplanationLine` holds, as a plain tuple: made some times a settlement.
CodedLine: TypeAlias = tuple[str, Phrase, int, int, int]


class Posting(NamedTuple):
    """One amount to add to an accumulator; a reversal subtracts the same."""

    key: AccumulatorKey
    amount_fen: int
    cap_fen: int | None
    """The cap that held when this was posted; `None`: no limit."""


class PotQuota(NamedTuple):
    """What one pot holds for the person in the year; `None` means no limit."""

    pot: str
    year: int
    cap_fen: int | None
    used_fen: int

    @property
    def remaining_fen(self) -> int | None:
        """What the pot can still pay, never below 0."""
        return None if self.cap_fen is None else max(0, self.cap_fen - self.used_fen)


class Adjudication(NamedTuple):
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
    coded: tuple[CodedLine, ...]
    """The explanation in codes and numbers: the fields of `ExplanationLine`."""
    pots: tuple[tuple[str, int, int | None, int], ...]
    """The fields of `PotQuota`."""

    @property
    def explanation(self) -> tuple[ExplanationLine, ...]:
        """One line for each step of the computation, in order."""
        return tuple([ExplanationLine._make(line) for line in self.coded])

    @property
    def quota(self) -> tuple[PotQuota, ...]:
        """State after this settlement, pots of the category in the year."""
        return tuple([PotQuota._make(pot) for pot in self.pots])


@dataclass(frozen=True, slots=True)
class PolicyRef:
    """Which document decided: stands in every decision and every record."""

    id: str
    version: str
    sha256: str
    """Lower-case hex of the document's exact bytes."""
