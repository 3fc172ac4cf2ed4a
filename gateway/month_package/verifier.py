"""Verifies a month package without a gateway: part by part, then all together.

Believed is the trust file alone. A finding names the part, the index of the log where
there is one, and what differs. What could not be checked for want of a key or of the
earlier package is said, too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crypto.errors import CryptoError, PackageMismatchError
from crypto.key_files import private_key_file
from crypto.keys import OpeningKey
from crypto.range_proof import RangeRoot
from crypto.trust import Trust, trust_file
from gateway.month_package import layout
from gateway.month_package.checking import Checked, Job
from gateway.month_package.container import ContainerFault, NoPackageFault
from gateway.month_package.head import Head, container_error, follow_previous, read_head
from gateway.month_package.lists import StaffList, payment_findings, workbook_findings
from gateway.month_package.opened import (
    CONTAINER,
    Package,
    open_package,
    part_findings,
)
from gateway.month_package.signed_statements import (
    figure_findings,
    hospital_findings,
    knows_officers,
)
from gateway.month_package.stretches import check_all
from gateway.month_package.wholeness import (
    completeness_findings,
    continuation_findings,
    differences,
    group_findings,
    joined,
    split_runs,
    spool_findings,
)
from gateway.offline_verify import Finding
from settlement.domain.month_entry import MonthFacts, MonthTally, month_statement
from settlement.service.month_check import compiled

FINDINGS_MAX = 10_000
"""More are counted and not kept: memory stays small whatever is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a package is verified with."""

    trust: Trust
    opening_key: OpeningKey | None = None
    previous: Path | None = None
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


def verify_package(path: Path, means: Means) -> PackageOutcome:
    """Check everything that can be checked; memory does not grow with the month.

    Raises `OSError`, and `NoPackageFault` for a file that is something else.
    """
    outcome = PackageOutcome()
    with path.open("rb") as file:
        try:
            package = open_package(path, file)
        except NoPackageFault:
            raise
        except ContainerFault as fault:
            outcome.find(CONTAINER, container_error(fault))
            return outcome
        outcome.add(*part_findings(package))
        head = read_head(package, means.trust, outcome.find)
        if head is None or not {layout.RECORDS, layout.ORIGINALS, layout.STAFF_CSV} <= (
            package.members.keys()
        ):
            return outcome
        outcome.month, outcome.tree_size = head.manifest.month, head.checkpoint.size
        outcome.hospitals = len(head.hospitals)
        _check_statements(package, head, means, outcome)
        _check_records(package, head, means, outcome)
    return outcome


def record_count(path: Path) -> int | None:
    """How many records the package says that it has, for a progress bar."""
    try:
        with path.open("rb") as file:
            count = open_package(path, file).document(layout.STATEMENT).get("records")
    except (OSError, ContainerFault, CryptoError):
        return None
    return count if isinstance(count, int) else None


def _check_statements(
    package: Package, head: Head, means: Means, outcome: PackageOutcome
) -> None:
    for hospital in head.hospitals.values():
        outcome.add(*hospital_findings(package, hospital, head.statement, means.trust))
    known = {
        name
        for code in head.hospitals
        for name in (layout.statement_name(code), layout.signatures_name(code))
    }
    for name in package.members:
        if layout.is_hospital(name) and name not in known:
            outcome.say(name, iter(["no such hospital closed the month"]))
    if not knows_officers(means.trust):
        outcome.unchecked.append(
            "that two officers signed each hospital's statement: the trust file names"
            " no officer's key"
        )
    if means.opening_key is None:
        outcome.unchecked.append(
            "contents, decisions, groups and statement.xlsx: give --bureau-key"
        )


def _check_records(
    package: Package, head: Head, means: Means, outcome: PackageOutcome
) -> None:
    previous = _follow(package, head, means, outcome)
    with tempfile.TemporaryDirectory(prefix="medaid-verify-") as spool:
        with closing(_Reading(package, head, means, outcome)) as reading:
            reading.read_all(_job(package, head, means, Path(spool)))
        runs = reading.runs
        outcome.say(
            layout.STATEMENT,
            completeness_findings(
                runs, head.deferred, head.first_index, head.checkpoint.size
            ),
        )
        if previous is not None:
            earlier, _own = split_runs(runs, head.first_index)
            outcome.say(
                "previous",
                continuation_findings(
                    earlier, head.deferred, previous, head.first_index
                ),
            )
        for index, sentence in spool_findings(Path(spool), runs):
            outcome.say(f"{layout.RECORDS}[{index}]", iter([sentence]))
    _check_sums(package, head, means, outcome, reading)


def _follow(
    package: Package, head: Head, means: Means, outcome: PackageOutcome
) -> dict[str, Any] | None:
    try:
        previous = follow_previous(
            package, head, means.trust, outcome.find, means.previous
        )
    except ContainerFault as fault:
        outcome.find("previous", container_error(fault))
        return None
    if head.statement["previous"] is not None and means.previous is None:
        outcome.unchecked.append(
            "that it brings what the package of"
            f" {head.statement['previous']['month']} deferred: give that with"
            " --previous"
        )
    return previous


def _job(package: Package, head: Head, means: Means, spool: Path) -> Job:
    key = means.opening_key
    return Job(
        path=str(package.path),
        trust=trust_file(means.trust),
        opening_key=None if key is None else private_key_file(key),
        month=head.month,
        first_index=head.first_index,
        tree_size=head.checkpoint.size,
        root=head.checkpoint.root,
        hospitals=head.hospitals,
        packs=head.packs,
        spool=str(spool),
        with_details=means.on_details is not None,
    )


class _Reading:
    """Puts together what the stretches of records turned out to be."""

    def __init__(
        self, package: Package, head: Head, means: Means, outcome: PackageOutcome
    ) -> None:
        self._package, self._head = package, head
        self._means, self._outcome = means, outcome
        self._root: RangeRoot | None = RangeRoot()
        self._nodes: Iterator[bytes] = iter(())
        self._staff = StaffList(package, with_contents=means.opening_key is not None)
        self.runs: list[tuple[int, int]] = []
        self.policies: set[str] = set()
        self.is_whole = True

    def close(self) -> None:
        """Close what was read beside the records."""
        self._staff.close()

    @property
    def is_list_sound(self) -> bool:
        """Whether the staff's list was followed to its end."""
        return self._staff.goes_on

    def read_all(self, job: Job) -> None:
        """Check every record, and what they give together."""
        try:
            lines = self._package.read(layout.PROOFS)
            self._nodes = iter(layout.parse_hash_lines(lines))
        except CryptoError as error:
            self._outcome.find(layout.PROOFS, error)
            self._root = None
        for checked in check_all(job, self._package, self._means.cores):
            self._take(checked)
        self._outcome.say(layout.STAFF_CSV, self._staff.finish())
        self._check_root()
        # What a broken record leaves behind stands in two runs at the most.
        self.runs, _twice = joined(self.runs)

    def _take(self, checked: Checked) -> None:
        outcome = self._outcome
        outcome.add(*checked.findings)
        outcome.records += len(checked.indexes)
        outcome.opened += checked.opened
        outcome.tombstones += checked.tombstones
        outcome.sandbox += checked.sandbox
        outcome.tally.add(checked.tally)
        self.policies |= checked.policies
        self.is_whole &= checked.is_whole
        self._place(checked)
        outcome.say(layout.STAFF_CSV, self._staff.follow(checked))
        if self._means.on_details is not None:
            self._means.on_details(checked.details)
        self._means.on_progress(len(checked.indexes))

    def _place(self, checked: Checked) -> None:
        """Put the records into the tree, stretch by stretch."""
        if self._place_run(checked):
            return
        for index, entry in zip(checked.indexes, checked.entries, strict=True):
            if self.runs and index == self.runs[-1][1] + 1:
                self.runs[-1] = (self.runs[-1][0], index)
            elif not self.runs or index > self.runs[-1][1]:
                self.runs.append((index, index))
            else:
                sentence = "it stands twice, or behind a later one"
                self._outcome.say(f"{layout.RECORDS}[{index}]", iter([sentence]))
                self._root = None
            if self._root is None:
                continue
            try:
                if index > self._root.size:
                    self._root.take_gap(index, self._nodes)
                self._root.take_entries((entry,))
            except CryptoError as error:
                self._outcome.find(layout.PROOFS, error)
                self._root = None

    def _place_run(self, checked: Checked) -> bool:
        """The short way, where the stretch goes on without a gap."""
        indexes, root = checked.indexes, self._root
        if root is None or not self.runs or not indexes:
            return False
        if indexes[0] != self.runs[-1][1] + 1 or root.size != indexes[0]:
            return False
        if indexes != list(range(indexes[0], indexes[0] + len(indexes))):
            return False
        root.take_entries(checked.entries)
        self.runs[-1] = (self.runs[-1][0], indexes[-1])
        return True

    def _check_root(self) -> None:
        if self._root is None:
            return
        try:
            self._root.take_gap(self._head.checkpoint.size, self._nodes)
        except CryptoError as error:
            self._outcome.find(layout.PROOFS, error)
            return
        if (
            self._root.root != self._head.checkpoint.root
            or next(self._nodes, None) is not None
        ):
            sentence = (
                "records and proof do not lead to the root that the checkpoint signs"
            )
            self._outcome.say(layout.PROOFS, iter([sentence]))


def _check_sums(
    package: Package,
    head: Head,
    means: Means,
    outcome: PackageOutcome,
    reading: _Reading,
) -> None:
    if not reading.is_whole:
        outcome.unchecked.append("sums and lists, because not every record holds")
        return
    with_sealed = means.opening_key is not None
    expected = month_statement(_facts(head, outcome, reading), outcome.tally)
    outcome.say(
        layout.STATEMENT,
        differences(head.statement, expected, with_sealed=with_sealed),
    )
    outcome.say(layout.STATEMENT, group_findings(head.statement.get("ledger")))
    hospitals = list(head.hospitals.values())
    for hospital in hospitals:
        outcome.add(
            *figure_findings(package, hospital, outcome.tally, with_sealed=with_sealed)
        )
    month = head.manifest.month
    try:
        payments = payment_findings(package, hospitals, outcome.tally, month)
        outcome.say(layout.PAYMENTS, payments)
    except CryptoError as error:
        outcome.find(layout.PAYMENTS, error)
    if with_sealed and reading.is_list_sound and layout.STAFF_XLSX in package.members:
        outcome.say(
            layout.STAFF_XLSX,
            workbook_findings(package, hospitals, outcome.tally, month),
        )


def _facts(head: Head, outcome: PackageOutcome, reading: _Reading) -> MonthFacts:
    from_earlier, _own = split_runs(reading.runs, head.first_index)
    used = [
        compiled(document).ref
        for sha256, document in head.packs.items()
        if sha256 in reading.policies
    ]
    return MonthFacts(
        origin=head.manifest.origin,
        month=head.manifest.month,
        first_index=head.first_index,
        tree_size=head.checkpoint.size,
        previous=head.statement["previous"],
        hospitals=tuple(head.hospitals.values()),
        records=outcome.records,
        tombstones=outcome.tombstones,
        sandbox=outcome.sandbox,
        deferred=tuple(head.deferred),
        from_earlier=tuple(from_earlier),
        packs=tuple(
            {"id": ref.id, "version": ref.version, "sha256": ref.sha256}
            for ref in sorted(used, key=lambda ref: (ref.id, ref.version))
        ),
    )
