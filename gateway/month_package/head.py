"""The short parts of a package, on which the checks of its records rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from crypto.checkpoint import Checkpoint
from crypto.errors import (
    CryptoError,
    KeyNotValidError,
    MalformedPackageError,
    PackageMismatchError,
    TwoHistoriesError,
    UnknownKeyError,
)
from crypto.keys import Role
from crypto.merkle import verify_consistency
from crypto.month_manifest import MonthManifest, verify_month_manifest
from crypto.trust import Trust
from gateway.month_package import layout
from gateway.month_package.container import ContainerFault
from gateway.month_package.opened import (
    DOCUMENT_BYTES_MAX,
    Package,
    checkpoint_of,
    manifest_of,
    open_package,
    part_findings,
)
from gateway.month_package.signed_statements import hospitals_of
from settlement.domain.calendar import month_of
from settlement.domain.month_entry import Hospital
from settlement.domain.policy.faults import PolicyError
from settlement.service.month_check import compiled

Find = Callable[[str, CryptoError], None]
Runs = list[tuple[int, int]]
_MONTH = re.compile(r"(?!000[01])[0-9]{4}-(0[1-9]|1[0-2])")


@dataclass(slots=True)
class Head:
    """What the short parts say; all of it held."""

    manifest: MonthManifest
    checkpoint: Checkpoint
    statement: dict[str, Any]
    hospitals: dict[str, Hospital]
    packs: dict[str, bytes]
    """Policy documents by SHA-256."""

    @property
    def month(self) -> int:
        """202601."""
        return int(self.manifest.month.replace("-", ""))

    @property
    def first_day(self) -> date:
        """The month's."""
        return date.fromisoformat(f"{self.manifest.month}-01")

    @property
    def first_index(self) -> int:
        """The earlier cut."""
        return int(self.statement["first_index"])

    @property
    def deferred(self) -> Runs:
        """What lies below the cut and waits for its month."""
        return [(first, last) for first, last in self.statement["deferred"]]


def read_head(package: Package, trust: Trust, find: Find) -> Head | None:
    """The short parts; `None` where one does not hold on which the rest would rest."""
    part = layout.MANIFEST
    try:
        manifest = manifest_of(package, trust)
        in_use = _in_use(trust, manifest.month)
        _require_in_use(package, in_use)
        part = layout.CHECKPOINT
        checkpoint = checkpoint_of(package, in_use, part)
        if checkpoint.size != manifest.tree_size:
            raise PackageMismatchError("it is of another size than the manifest says")
        part = layout.STATEMENT
        statement = _statement(package, part)
        hospitals = hospitals_of(statement)
    except CryptoError as error:
        find(part, error)
        return None
    packs = dict(_policies(package, find))
    return Head(manifest, checkpoint, statement, hospitals, packs)


def follow_previous(
    package: Package, head: Head, trust: Trust, find: Find, given: Path | None
) -> dict[str, Any] | None:
    """Check the way from the earlier package; its statement, where it was given.

    Raises `ContainerFault` and `OSError` for an earlier package that cannot be read.
    """
    named = head.statement["previous"]
    if named is None:
        if head.first_index or layout.PREVIOUS_CHECKPOINT in package.members:
            error = PackageMismatchError("it names no earlier package, and follows one")
            find(layout.STATEMENT, error)
        if given is not None:
            error = PackageMismatchError("it does not name the earlier package given")
            find(layout.STATEMENT, error)
        return None
    if named["month"] != month_of(head.first_day - timedelta(days=1)):
        error = PackageMismatchError(
            "the package that it follows is not of the month before"
        )
        find(layout.STATEMENT, error)
    try:
        _check_consistency(package, head, trust, named)
    except CryptoError as error:
        find(layout.CONSISTENCY, error)
    if given is None:
        return None
    with given.open("rb") as file:
        earlier = open_package(given, file)
        return _earlier_statement(earlier, package, named, trust, find)


def _statement(package: Package, part: str) -> dict[str, Any]:
    statement = package.document(part)
    first_index, previous = statement.get("first_index"), statement.get("previous")
    if type(first_index) is not int or first_index < 0:
        raise MalformedPackageError("its first_index is no index")
    for name in ("deferred", "from_earlier"):
        if not _are_runs(statement.get(name)):
            raise MalformedPackageError(f"its {name} is no row of stretches")
    if previous is not None and (
        not isinstance(previous, dict)
        or previous.keys() != {"month", "tree_size", "statement_sha256"}
        or type(previous["tree_size"]) is not int
        or not isinstance(previous["statement_sha256"], str)
        or not isinstance(previous["month"], str)
        or _MONTH.fullmatch(previous["month"]) is None
    ):
        raise MalformedPackageError("its previous does not have its members")
    return statement


def _in_use(trust: Trust, month: str) -> Trust:
    """What is believed, without the log's keys that were retired before the month.

    A checkpoint bears no time, but a month's package is signed when the month is over.
    """
    first_day = date.fromisoformat(f"{month}-01")
    return Trust(
        trust.origin,
        [
            key
            for key in trust.keys
            if key.role is not Role.CHECKPOINT_SIGN
            or key.not_after is None
            or key.not_after >= first_day
        ],
    )


def _require_in_use(package: Package, in_use: Trust) -> None:
    try:
        verify_month_manifest(package.text(layout.MANIFEST), in_use)
    except UnknownKeyError:
        raise KeyNotValidError(
            "the key that signed it was retired before the month began"
        ) from None


def _are_runs(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    beyond = -1
    for each in value:
        if not isinstance(each, list) or [type(at) for at in each] != [int, int]:
            return False
        if not beyond < each[0] <= each[1]:
            return False
        beyond = each[1] + 1
    return True


def _policies(package: Package, find: Find) -> Iterator[tuple[str, bytes]]:
    for name in package.members:
        if not layout.is_policy(name):
            continue
        try:
            document = package.read(name, DOCUMENT_BYTES_MAX)
            pack = compiled(document)
        except PolicyError:
            find(name, MalformedPackageError("it is no policy pack"))
            continue
        except CryptoError as error:
            find(name, error)
            continue
        if layout.policy_name(f"{pack.ref.id}@{pack.ref.version}") != name:
            find(name, PackageMismatchError("the policy in it has another name"))
        yield pack.ref.sha256, document


def _check_consistency(
    package: Package, head: Head, trust: Trust, named: Mapping[str, Any]
) -> None:
    old = checkpoint_of(package, trust, layout.PREVIOUS_CHECKPOINT)
    if not old.size == named["tree_size"] == head.first_index:
        raise PackageMismatchError(
            "the earlier checkpoint, the earlier package and this month's first index"
            " do not name one place of the log"
        )
    path = layout.parse_hash_lines(package.read(layout.CONSISTENCY))
    verify_consistency(
        old.size,
        head.checkpoint.size,
        path,
        old_root=old.root,
        new_root=head.checkpoint.root,
    )


def _earlier_statement(
    earlier: Package,
    package: Package,
    named: Mapping[str, Any],
    trust: Trust,
    find: Find,
) -> dict[str, Any] | None:
    where = "previous"
    try:
        manifest = manifest_of(earlier, trust)
        for finding in part_findings(earlier):
            raise PackageMismatchError(f"{finding.where} in it: {finding.sentence}")
        _require_one_history(earlier, package, trust)
        octets = earlier.read(layout.STATEMENT)
        statement = _statement(earlier, layout.STATEMENT)
        if (manifest.month, manifest.tree_size, sha256(octets).hexdigest()) != (
            named["month"],
            named["tree_size"],
            named["statement_sha256"],
        ):
            raise PackageMismatchError("it is not the one that this package follows")
        if earlier.read(layout.CHECKPOINT) != package.read(layout.PREVIOUS_CHECKPOINT):
            raise PackageMismatchError("its checkpoint is not the one named here")
        for name in filter(layout.is_policy, earlier.members):
            if name in package.members and earlier.read(name) != package.read(name):
                raise PackageMismatchError(f"{name} has another text here")
    except CryptoError as error:
        find(where, error)
        return None
    return statement


def _require_one_history(earlier: Package, package: Package, trust: Trust) -> None:
    """Raise `TwoHistoriesError` where the log has signed another past since."""
    then = checkpoint_of(earlier, trust, layout.CHECKPOINT)
    now = checkpoint_of(package, trust, layout.PREVIOUS_CHECKPOINT)
    if then.size == now.size and then.root != now.root:
        raise TwoHistoriesError(
            f"proof of two histories: the log signed two different roots of {now.size}"
            f" entries, in the {layout.CHECKPOINT} of the earlier package and in the"
            f" {layout.PREVIOUS_CHECKPOINT} of this one; keep both files"
        )


def container_error(fault: ContainerFault) -> PackageMismatchError:
    """A container's fault as what stands in a finding."""
    return PackageMismatchError(str(fault))
