"""The hospitals' statements in a package: who signed them, and what they rest on."""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from crypto.approval import Purpose, verify_approval
from crypto.errors import (
    CryptoError,
    KeyNotValidError,
    MalformedApprovalError,
    MalformedPackageError,
    PackageMismatchError,
    WrongRoleError,
)
from crypto.keys import Role, VerifyingKey
from crypto.trust import Trust
from gateway.month_package import layout
from gateway.month_package.opened import Package
from gateway.month_package.wholeness import differences, group_findings
from gateway.offline_verify import Finding
from settlement.domain.calendar import rfc3339, shanghai_day
from settlement.domain.month_entry import Hospital, MonthTally
from settlement.domain.statement import STATEMENT_VERSION

_OFFICERS_NEEDED = 2
_SIGNATURE_MEMBERS = {"officer", "key_id", "signature", "signed_at"}


def hospitals_of(statement: dict[str, Any]) -> dict[str, Hospital]:
    """The hospitals that a month statement lists; raises `MalformedPackageError`."""
    try:
        listed = [
            Hospital(
                str(each["facility"]),
                str(each["name"]),
                int(each["level"]),
                str(each["subdistrict"]),
                str(each["statement_sha256"]),
            )
            for each in statement["hospitals"]
        ]
    except (KeyError, TypeError, ValueError):
        raise MalformedPackageError(
            "a hospital in it does not have its members"
        ) from None
    codes = [each.facility for each in listed]
    if codes != sorted(set(codes)):
        raise MalformedPackageError("its hospitals stand twice or in another order")
    return {each.facility: each for each in listed}


def knows_officers(trust: Trust) -> bool:
    """Whether the trust file says whose any party's key is."""
    return any(key.name is not None for key in trust.keys_of(Role.PARTY))


def hospital_findings(
    package: Package,
    hospital: Hospital,
    statement: dict[str, Any],
    trust: Trust,
    *,
    first_day: date,
    hospitals: Container[str],
) -> Iterator[Finding]:
    """Whether a hospital's statement is the one that two officers have signed.

    `first_day` is the month's; `hospitals` are all of the package by code.
    """
    name = layout.statement_name(hospital.facility)
    try:
        octets = package.read(name)
        document = package.document(name)
    except CryptoError as error:
        yield Finding.of(name, error)
        return
    if sha256(octets).hexdigest() != hospital.statement_sha256:
        yield _finding(layout.STATEMENT, f"it names another statement than {name}")
    head = {
        "v": STATEMENT_VERSION,
        "kind": "hospital-statement",
        "origin": statement.get("origin"),
        "month": statement.get("month"),
        "facility": hospital.facility,
        "tree_size": statement.get("tree_size"),
    }
    for member, value in head.items():
        if document.get(member) != value:
            yield _finding(name, f"its {member} is not that of the package")
    if knows_officers(trust):
        yield from _signature_findings(
            package, hospital, octets, trust, first_day, hospitals
        )


def figure_findings(
    package: Package, hospital: Hospital, tally: MonthTally, *, with_sealed: bool
) -> Iterator[Finding]:
    """Whether the figures that were signed are those of the records."""
    name = layout.statement_name(hospital.facility)
    try:
        found = package.document(name).get("ledger")
    except CryptoError:
        return  # Said before.
    expected = tally.of(hospital.facility).document()
    for sentence in differences(found, expected, "ledger", with_sealed=with_sealed):
        yield _finding(name, sentence)
    for sentence in group_findings(found):
        yield _finding(name, sentence)


def _signature_findings(
    package: Package,
    hospital: Hospital,
    octets: bytes,
    trust: Trust,
    first_day: date,
    hospitals: Container[str],
) -> Iterator[Finding]:
    name = layout.signatures_name(hospital.facility)
    officers: set[str] = set()
    try:
        for signature in _signatures(package, name):
            officer = _officer(signature, octets, trust, first_day)
            if officer in hospitals:
                raise WrongRoleError("a hospital has signed in an officer's place")
            officers.add(officer)
    except CryptoError as error:
        yield Finding.of(name, error)
        return
    if len(officers) < _OFFICERS_NEEDED:
        yield _finding(name, "fewer than two officers have signed the statement")


def _signatures(package: Package, name: str) -> list[dict[str, str]]:
    signatures = package.document(name).get("signatures")
    if not isinstance(signatures, list) or not all(
        isinstance(each, dict)
        and each.keys() == _SIGNATURE_MEMBERS
        and all(isinstance(value, str) for value in each.values())
        for each in signatures
    ):
        raise MalformedApprovalError("the signatures do not have their form")
    return signatures


def _officer(
    signature: dict[str, str], statement: bytes, trust: Trust, first_day: date
) -> str:
    """Whose signature it is, by the trust file; raises `CryptoError`.

    The day of signing is the gateway's word, so it can be put back, but no key that
    was retired before the month began has signed what the month came to.
    """
    trusted = trust.key(signature["key_id"], Role.PARTY)
    day = _day_of(signature["signed_at"])
    trusted.require_valid_on(day)
    if trusted.not_after is not None and trusted.not_after < first_day:
        raise KeyNotValidError(f"key {trusted.kid} was retired before the month began")
    if trusted.name is None or trusted.name != signature["officer"]:
        raise WrongRoleError(f"key {trusted.kid} is not the named officer's")
    try:
        octets = bytes.fromhex(signature["signature"])
    except ValueError:
        raise MalformedApprovalError("a signature is not in hex") from None
    if not isinstance(trusted.key, VerifyingKey):
        raise WrongRoleError(f"key {trusted.kid} makes no signatures")
    verify_approval(statement, octets, trusted.key, Purpose.MONTH_STATEMENT)
    return trusted.name


def _day_of(text: str) -> date:
    """The Shanghai day of an instant in the form that we write."""
    try:
        instant = datetime.fromisoformat(text)
        if rfc3339(instant) == text:
            return shanghai_day(instant)
    except (ValueError, OverflowError):
        pass
    raise MalformedApprovalError("a signature bears no instant")


def _finding(where: str, sentence: str) -> Finding:
    return Finding.of(where, PackageMismatchError(sentence))
