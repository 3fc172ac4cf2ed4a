"""Puts a package's records together: into the tree, the sums and the staff's list."""

from __future__ import annotations

from collections.abc import Iterator

from crypto.errors import CryptoError
from crypto.range_proof import RangeRoot
from gateway.month_package import layout
from gateway.month_package.checked import Checked, Job
from gateway.month_package.head import Head
from gateway.month_package.lists import StaffList
from gateway.month_package.opened import Package
from gateway.month_package.outcome import Means, PackageOutcome
from gateway.month_package.stretches import check_all
from gateway.month_package.wholeness import joined


class Reading:
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
        outcome.further_findings += checked.further_findings
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
