"""What every detector is: dated numbers, and a function of one subject's claims."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Self, TypeAlias

from settlement.domain.decision import Text
from settlement.domain.watch.history import History
from settlement.domain.watch.numbers import Numbers
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, Subject, SubjectKind

#: A signal lists no more claims: the earliest and the latest half.
MOST_LISTED = 200
MOST_SCORE = 100

Facts: TypeAlias = Mapping[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector(ABC):
    """Base of all detectors. Frozen: the numbers are those of one document."""

    name: ClassVar[str]
    """Stable; stands in alerts for ever."""
    kind: ClassVar[SubjectKind]
    title: ClassVar[Text]

    score: int
    """What a signal scores before its facts add to it."""

    @classmethod
    @abstractmethod
    def read(cls, score: int, numbers: Numbers) -> Self:
        """The detector with the numbers of a document; faults are noted there."""

    @property
    @abstractmethod
    def reach(self) -> timedelta:
        """How far before and behind a claim the others of its signals may lie."""

    @abstractmethod
    def find(self, history: History) -> Iterator[Signal]:
        """All signals of one subject's claims, in any order."""

    def could(self, claim: SeenClaim, others: Sequence[SeenClaim]) -> bool:
        """Cheap: `False` only where no signal can hold the claim beside the others."""
        del claim, others
        return True

    @staticmethod
    @abstractmethod
    def sentence(facts: Facts) -> Text:
        """What the bureau reads."""

    @staticmethod
    @abstractmethod
    def desk_sentence(facts: Facts) -> Text:
        """What the cashier reads: shorter, and nothing of other hospitals."""

    def signal(
        self,
        subject: Subject,
        claims: Sequence[SeenClaim],
        added_score: int,
        facts: Facts,
        latest: SeenClaim | None = None,
    ) -> Signal:
        """A signal of claims in order; the last of them completes it.

        A pattern of more than `MOST_LISTED` claims lists its earliest and latest.
        """
        ids = tuple([claim.id for claim in claims])
        if len(ids) > MOST_LISTED:
            half = MOST_LISTED // 2
            ids = ids[:half] + ids[-half:]
        return Signal(
            self.name,
            subject,
            ids,
            (latest or claims[-1]).id,
            min(MOST_SCORE, self.score + added_score),
            tuple(facts.items()),
        )
