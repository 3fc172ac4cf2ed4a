"""The run as the clients know it, put together from their notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Case:
    """One settlement that somebody asked for, under one key."""

    key: str
    hospital: int
    card: int
    care: str
    total_fen: int
    funds_fen: int
    shas: set[str] = field(default_factory=set)
    """Of every answer that came: all must be the same bytes."""
    outcome: dict[str, Any] | None = None
    """The decision, acknowledged or looked up afterwards; `None`: not known."""
    is_odd: bool = False
    """Lost, repeated, undone or never answered: looked up in any case."""
    undo_sid: str = ""
    undone: dict[str, Any] | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it was approved, and so has a record in the log."""
        return self.outcome is not None and self.outcome["decision"] == "approved"

    @property
    def is_undone(self) -> bool:
        """Whether its reversal was acknowledged."""
        return self.undone is not None and self.undone.get("state") == "reversed"

    @property
    def aid_fen(self) -> int:
        """Aid that was given, whether or not it was given back later."""
        return int(self.outcome["aid"]) if self.outcome and self.is_settled else 0


@dataclass(slots=True)
class Ledger:
    """All cases, and what was noted besides."""

    cases: dict[str, Case] = field(default_factory=dict)
    told: list[dict[str, Any]] = field(default_factory=list)
    """What was said about persons whom the review struck."""
    wrong: list[str] = field(default_factory=list)
    """Answers that were wrong in themselves, as the client saw at once."""
    skipped: Counter[str] = field(default_factory=Counter)

    def in_force(self) -> Iterable[Case]:
        """What is settled and not undone."""
        return (
            case
            for case in self.cases.values()
            if case.is_settled and not case.is_undone
        )


def make_ledger(notes: Iterable[dict[str, Any]]) -> Ledger:
    """Put notes together; a process's own notes are in order."""
    ledger = Ledger()
    for note in notes:
        match note["t"]:
            case "send":
                ledger.cases[note["k"]] = Case(
                    note["k"], note["h"], note["c"], note["care"], note["total"],
                    note["funds"],
                )  # fmt: skip
            case "told":
                ledger.told.append(note)
            case "wrong":
                ledger.wrong.append(f"{note['call']} {note['k']}: {note['what']}")
            case "skipped":
                ledger.skipped[note["call"]] += 1
            case "refused":
                ledger.wrong.append(f"{note['call']} {note['k']}: {note['code']}")
            case kind:
                _take(ledger.cases[note["k"]], kind, note)
    return ledger


def _take(case: Case, kind: str, note: dict[str, Any]) -> None:
    match kind:
        case "ack":
            case.shas.add(note["sha"])
            case.outcome = note
        case "again":
            case.shas.add(note["sha"])
            case.is_odd = True
        case "lost":
            case.is_odd = True
        case "undo":
            case.undo_sid = note["sid"]
            case.is_odd = True
        case "undone":
            case.undone = note
        case _:
            raise ValueError(f"there is no note of kind {kind}")
