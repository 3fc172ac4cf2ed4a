"""What a check found: a promise, how often it was tried, and where it does not hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One promise, how often it was tried, and where it does not hold."""

    name: str
    zh: str
    en: str
    tried: int
    faults: tuple[str, ...] = ()
    skipped: str = ""
    """What of it could not be tried here; nothing is proven of that."""

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.faults


class Faults:
    """All are counted, the first ones are kept to be shown."""

    def __init__(self, faults: Iterable[str] = ()) -> None:
        """Take these in, one after another; empty ones are none."""
        self.count = 0
        self._first: list[str] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: str) -> None:
        """Take one in."""
        if fault:
            self.count += 1
            if len(self._first) < _SHOWN:
                self._first.append(fault)

    def shown(self) -> tuple[str, ...]:
        """The first ones, and how many more there are."""
        hidden = self.count - len(self._first)
        return (*self._first, *([f"… {hidden} more"] if hidden else []))


def found(
    name: str,
    zh: str,
    en: str,
    tried: int,
    faults: Iterable[str] | Faults,
    skipped: str = "",
) -> Finding:
    """Make a finding; faults may be many, and are drawn one by one."""
    kept = faults if isinstance(faults, Faults) else Faults(faults)
    return Finding(name, zh, en, tried, kept.shown(), skipped)


def as_documents(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings for JSON."""
    return [
        {
            "name": one.name, "holds": one.holds, "tried": one.tried,
            "faults": list(one.faults), "skipped": one.skipped,
            "zh": one.zh, "en": one.en,
        }
        for one in findings
    ]  # fmt: skip


def failed(error: Exception) -> Finding:
    """A check that could not be done is not passed."""
    return Finding(
        "check", "核对未能完成", "The check could not be done", 0, (str(error),)
    )
