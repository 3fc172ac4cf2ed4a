"""What a process checks of a package, and what it hands back of a stretch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from crypto.errors import PackageMismatchError
from gateway.offline_verify import Finding
from settlement.domain.month_entry import ClearSums, Hospital, MonthTally

FINDINGS_MAX = 10_000
"""More are counted and not kept: memory stays small whatever is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a process needs; crosses to it as bytes."""

    path: str
    trust: bytes
    opening_key: bytes | None
    month: int
    first_index: int
    tree_size: int
    root: bytes
    hospitals: Mapping[str, Hospital]
    packs: Mapping[str, bytes]
    """By SHA-256: the policy documents of the package that are sound."""
    spool: str
    with_details: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where a stretch of records stands in the file, and the originals it needs."""

    offset: int
    size: int
    originals_offset: int
    originals_size: int


@dataclass(slots=True)
class Checked:
    """What a stretch turned out to be."""

    findings: list[Finding] = field(default_factory=list)
    further_findings: int = 0
    indexes: list[int] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    """SHA-256 of each record, for the tree."""
    tally: MonthTally = field(default_factory=MonthTally)
    tombstones: int = 0
    sandbox: int = 0
    opened: int = 0
    policies: set[str] = field(default_factory=set)
    """SHA-256 of the documents that the records name."""
    lines: bytes = b""
    """What the staff's list must say, where the contents were opened."""
    clear: list[tuple[str, ...]] = field(default_factory=list)
    """What it must say of the clear claims, where they were not."""
    clear_sums: ClearSums = field(default_factory=ClearSums)
    details: list[list[str]] = field(default_factory=list)
    is_whole: bool = True
    """Whether every record held, so that there is a line for each."""

    def find(self, finding: Finding) -> None:
        """Add a finding, as long as there are not too many."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)
        else:
            self.further_findings += 1


def where_of(member: str, index: int | None) -> str:
    """The part, with the index where there is one."""
    return member if index is None else f"{member}[{index}]"


def note(checked: Checked, member: str, index: int, sentence: str) -> None:
    """Add a finding about one entry."""
    error = PackageMismatchError(sentence)
    checked.find(Finding.of(where_of(member, index), error))
