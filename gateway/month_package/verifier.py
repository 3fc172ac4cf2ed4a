"""Verifies a month package without a gateway: part by part, then all together.

Believed is the trust file alone. A finding names the part, the index of the log where
there is one, and what differs. What could not be checked for want of a key or of the
earlier package is said, too.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from crypto.errors import CryptoError
from crypto.key_files import private_key_file
from crypto.trust import trust_file
from gateway.month_package import layout
from gateway.month_package.asked_back import asked_back
from gateway.month_package.checked import Job
from gateway.month_package.container import ContainerFault, NoPackageFault
from gateway.month_package.head import Head, container_error, follow_previous, read_head
from gateway.month_package.lists import payment_findings, workbook_findings
from gateway.month_package.opened import (
    CONTAINER,
    Package,
    manifest_of,
    open_package,
    part_findings,
)
from gateway.month_package.outcome import Means, PackageOutcome
from gateway.month_package.reading import Reading
from gateway.month_package.signed_statements import (
    figure_findings,
    hospital_findings,
    knows_officers,
)
from gateway.month_package.stretches import check_all
from gateway.month_package.wholeness import (
    cards_of_many,
    completeness_findings,
    continuation_findings,
    differences,
    group_findings,
    joined,
    split_runs,
    spool_findings,
)
from gateway.offline_verify import Finding
from settlement.domain.month_entry import MonthFacts, month_statement
from settlement.domain.statement import Figures
from settlement.service.month_check import compiled

_CARDS_SHOWN = 20
Runs = list[tuple[int, int]]


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
        if outcome.findings:
            # What nobody has signed is not looked into: whoever wrote it chose it.
            _check_manifest(package, means, outcome)
            return outcome
        head = read_head(package, means.trust, outcome.find)
        if head is None or not {layout.RECORDS, layout.ORIGINALS, layout.STAFF_CSV} <= (
            package.members.keys()
        ):
            return outcome
        outcome.month, outcome.tree_size = head.manifest.month, head.checkpoint.size
        outcome.hospitals = len(head.hospitals)
        outcome.deferred = sum(last - first + 1 for first, last in head.deferred)
        _check_statements(package, head, means, outcome)
        _check_records(package, head, means, outcome)
    return outcome


def _check_manifest(package: Package, means: Means, outcome: PackageOutcome) -> None:
    try:
        manifest_of(package, means.trust)
    except CryptoError as error:
        outcome.find(layout.MANIFEST, error)
    outcome.unchecked.append(
        "records, sums and lists, because the parts are not those that were signed"
    )


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
        found = hospital_findings(
            package,
            hospital,
            head.statement,
            means.trust,
            first_day=head.first_day,
            hospitals=head.hospitals,
        )
        outcome.add(*found)
        try:
            outcome.asked_back += asked_back(package, hospital.facility)
        except CryptoError as error:
            outcome.find(layout.statement_name(hospital.facility), error)
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
            "contents, decisions, groups, statement.xlsx, and of statement.csv all but"
            " the columns that the clear claims tell: give --bureau-key"
        )
    if layout.STAFF_PDF in package.members:
        outcome.unchecked.append(f"{layout.STAFF_PDF}: this version cannot check it")


def _check_records(
    package: Package, head: Head, means: Means, outcome: PackageOutcome
) -> None:
    previous = _follow(package, head, means, outcome)
    with tempfile.TemporaryDirectory(prefix="medaid-verify-") as folder:
        spool = Path(folder)
        earlier: Runs = []
        if previous is not None and means.previous is not None:
            earlier = _spool_earlier(means.previous, means, spool, outcome)
        with closing(Reading(package, head, means, outcome)) as reading:
            reading.read_all(_job(package, head, means, spool))
        runs = reading.runs
        outcome.say(
            layout.STATEMENT,
            completeness_findings(
                runs, head.deferred, head.first_index, head.checkpoint.size
            ),
        )
        if previous is not None:
            brought, _own = split_runs(runs, head.first_index)
            outcome.say(
                "previous",
                continuation_findings(
                    brought, head.deferred, previous, head.first_index
                ),
            )
        # With the earlier package's, so that what one month left the next takes up.
        together, _twice = joined(runs, earlier)
        for index, sentence in spool_findings(spool, together):
            outcome.say(f"{layout.RECORDS}[{index}]", iter([sentence]))
        _note_cards(spool, outcome)
    _check_kind(head, outcome)
    _check_policies(head, means, outcome, reading)
    _check_sums(package, head, means, outcome, reading)


def _spool_earlier(
    path: Path, means: Means, spool: Path, outcome: PackageOutcome
) -> Runs:
    """Set aside what the earlier package's records say; which indexes it has."""
    indexes: Runs = []
    with path.open("rb") as file:
        package = open_package(path, file)
        head = read_head(package, means.trust, _ignored)
        if head is None:
            return indexes
        for checked in check_all(_job(package, head, means, spool), package):
            outcome.add(
                *(
                    Finding(f"previous: {each.where}", each.code, each.sentence)
                    for each in checked.findings
                )
            )
            indexes.extend((index, index) for index in checked.indexes)
            indexes, _twice = joined(indexes)
    return indexes


def _ignored(_where: str, _error: CryptoError) -> None:
    """What is wrong with the earlier package's short parts was said before."""


def _note_cards(spool: Path, outcome: PackageOutcome) -> None:
    found = list(islice(cards_of_many(spool), _CARDS_SHOWN))
    if found:
        places = ", ".join(map(str, found))
        outcome.notes.append(
            "a card stands for another person than before, so its caps began anew; ask"
            f" why the roster was changed: index {places}"
        )


def _check_kind(head: Head, outcome: PackageOutcome) -> None:
    """A sandbox's records are never among those that are paid."""
    if 0 < outcome.sandbox < outcome.records:
        sentence = (
            f"{outcome.sandbox} of {outcome.records} records are a sandbox's, on which"
            " no money moves"
        )
        outcome.say(layout.RECORDS, iter([sentence]))
    late = outcome.tally.total().late
    if head.statement["previous"] is None and late != Figures():
        sentence = (
            "it calls itself the log's first package and holds entries of earlier"
            " months, which a package before may have paid"
        )
        outcome.say(layout.STATEMENT, iter([sentence]))


def _check_policies(
    head: Head,
    means: Means,
    outcome: PackageOutcome,
    reading: Reading,
) -> None:
    for sha256, document in head.packs.items():
        ref = compiled(document).ref
        name = f"{ref.id}@{ref.version}"
        where = layout.policy_name(name)
        if sha256 not in reading.policies:
            if reading.is_whole:
                outcome.say(where, iter(["no record names this policy"]))
            continue
        outcome.packs[name] = sha256
        if means.policies is not None and sha256 not in means.policies:
            outcome.say(where, iter(["it is none of the policies given with --policy"]))
    if means.policies is None:
        outcome.unchecked.append(
            "that the policies are those that the bureau approved: give its own copies"
            " with --policy, or compare the SHA-256"
        )


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


def _check_sums(
    package: Package,
    head: Head,
    means: Means,
    outcome: PackageOutcome,
    reading: Reading,
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


def _facts(head: Head, outcome: PackageOutcome, reading: Reading) -> MonthFacts:
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
