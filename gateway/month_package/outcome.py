"""What a package is verified with, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from crypto.errors import CryptoError, PackageMismatchError
from crypto.keys import OpeningKey
from crypto.trust import Trust
from gateway.month_package.asked_back import AskedBack
from gateway.month_package.checked import FINDINGS_MAX
from gateway.offline_verify import Finding
from settlement.domain.month_entry import MonthTally


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a package is verified with."""

    trust: Trust
    opening_key: OpeningKey | None = None
    previous: Path | None = None
    policies: frozenset[str] | None = None
    """SHA-256 of the policy documents that the bureau has itself; `None`: not given."""
    cores: int | None = None
    """How many processes; all cores where not said."""
    on_progress: Callable[[int], None] = lambda _count: None
    on_details: Callable[[list[list[str]]], None] | None = None
    """Takes the staff's lines with what only the bureau may add."""


@dataclass(slots=True)
class PackageOutcome:
    """What was checked of a package, and everything that did not hold."""

    month: str = ""
    tree_size: int = 0
    records: int = 0
    opened: int = 0
    """Records whose content was opened and whose decision was made once more."""
    tombstones: int = 0
    sandbox: int = 0
    tally: MonthTally = field(default_factory=MonthTally)
    hospitals: int = 0
    findings: list[Finding] = field(default_factory=list)
    further_findings: int = 0
    unchecked: list[str] = field(default_factory=list)
    """What was not checked, and what would be needed."""
    notes: list[str] = field(default_factory=list)
    """What holds, and is for a person to look at."""
    deferred: int = 0
    """Entries below the cut that wait for their own month's package."""
    packs: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each policy that the records name, by `id@version`."""
    asked_back: list[AskedBack] = field(default_factory=list)
    """Aid that is paid, or was, and asked back, as the statements name it."""

    def find(self, where: str, error: CryptoError) -> None:
        """Add what an error states."""
        self.add(Finding.of(where, error))

    def add(self, *findings: Finding) -> None:
        """Add findings, as long as there are not too many."""
        room = FINDINGS_MAX - len(self.findings)
        self.findings.extend(findings[:room])
        self.further_findings += max(0, len(findings) - room)

    def say(self, where: str, sentences: Iterator[str]) -> None:
        """Add sentences about one part."""
        for sentence in sentences:
            self.find(where, PackageMismatchError(sentence))
