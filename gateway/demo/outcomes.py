"""The words for what became of a step, and their count beside what was expected."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from gateway.client import Reply
from gateway.demo.steps import Kind, Step

WITH_AID = "settled with aid"
WITHOUT_AID = "settled, aid 0"
SAME_BYTES = "settled once, same bytes again"
REVERSED = "reversed"
ALREADY_REVERSED = "was reversed already"
TOMBSTONE = "tombstone"
ELIGIBLE = "eligible"
UNKNOWN = "unknown"
AS_QUOTED = "settled with the aid quoted"

_WORTH_NAMING = 5


def declined(code: str) -> str:
    """The outcome of a bill that is declined by rule."""
    return f"declined {code}"


def refused(code: str) -> str:
    """The outcome of a request that is refused with this code."""
    return f"refused {code}"


def outcome_of_settling(reply: Reply) -> str:
    """What a settlement's answer says, in the table's words."""
    document = reply.json()
    if "decision" not in document:
        return refused(reply.code)
    if document["decision"] == "declined":
        return declined(reply.code)
    return WITH_AID if document["aid_fen"] > 0 else WITHOUT_AID


def outcome_of_reversing(reply: Reply) -> str:
    """What a reversal's answer says, in the table's words."""
    document = reply.json()
    if "state" not in document:
        return refused(reply.code)
    return ALREADY_REVERSED if document["already"] else str(document["state"])


@dataclass(slots=True)
class Tally:
    """What was sent and what became of it. Owned by the one task that plays."""

    counts: dict[Kind, Counter[str]] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)
    """Sentences, without personal numbers, for what went otherwise."""

    def note(self, kind: Kind, outcome: str) -> None:
        """Count one outcome."""
        self.counts.setdefault(kind, Counter())[outcome] += 1

    def judge(self, step: Step, outcome: str) -> None:
        """Count a step's outcome, and remember it when it is not the right one."""
        self.note(step.kind, outcome)
        if outcome not in step.expect:
            expected = " or ".join(sorted(step.expect))
            self.unexpected.append(
                f"{step.kind.value}, key {step.key or '(none)'}:"
                f" {outcome}, expected {expected}"
            )

    def first_unexpected(self) -> list[str]:
        """The first few surprises, and how many more there are."""
        shown = self.unexpected[:_WORTH_NAMING]
        rest = len(self.unexpected) - len(shown)
        return [*shown, f"and {rest} more"] if rest else shown

    def total(self, kind: Kind) -> int:
        """How many steps of the kind were done."""
        return sum(self.counts.get(kind, Counter()).values())
