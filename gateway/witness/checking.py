"""Checks cosigned checkpoints offline: who signed, when, and whether two agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from crypto.checkpoint import Checkpoint, verify_checkpoint
from crypto.cosignature import (
    Cosignature,
    WitnessKey,
    verify_cosignatures,
    witnesses_of,
)
from crypto.errors import CryptoError, TwoHistoriesError, UnknownKeyError
from crypto.histories import parse_two_histories, verify_two_histories
from crypto.trust import Trust
from gateway.offline_verify import Finding
from gateway.witness.rules import same_size_other_root


@dataclass(frozen=True, slots=True)
class Given:
    """A file as it was given."""

    name: str
    text: bytes


@dataclass(slots=True)
class CheckReport:
    """What holds of a note, and everything that does not."""

    checkpoint: Checkpoint | None = None
    cosignatures: tuple[Cosignature, ...] = ()
    agreeing: list[str] = field(default_factory=list)
    """Files whose checkpoint has the same size and root."""
    not_compared: list[tuple[str, int]] = field(default_factory=list)
    """Files of another size, which two notes alone cannot be compared over."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def has_two_histories(self) -> bool:
        """Whether what was given proves that the log has two pasts."""
        return any(each.code == TwoHistoriesError.code for each in self.findings)


def check_note(
    given: Given,
    trust: Trust,
    witnesses: Sequence[WitnessKey],
    against: Sequence[Given] = (),
) -> CheckReport:
    """Check a cosigned checkpoint, or evidence of two histories.

    Each of `witnesses` must have countersigned; where none is named, one of the trust
    file's, if it names any.
    """
    report = CheckReport()
    if given.text.lstrip()[:1] == b"{":
        _check_evidence(given, trust, report)
        return report
    report.checkpoint = _checkpoint(given, trust, report)
    if report.checkpoint is not None:
        _check_witnesses(given, trust, witnesses, report)
        for other in against:
            _compare(report.checkpoint, other, trust, report)
    return report


def _check_evidence(given: Given, trust: Trust, report: CheckReport) -> None:
    try:
        evidence = parse_two_histories(given.text)
        older, newer = verify_two_histories(evidence, trust)
    except CryptoError as error:
        report.findings.append(Finding.of(given.name, error))
        return
    proved = TwoHistoriesError(
        f"proof of two histories: the log {trust.origin} signed two different pasts of"
        f" its first {older.size} entries, in checkpoints of {older.size} and"
        f" {newer.size}"
    )
    report.findings.append(Finding.of(given.name, proved))


def _checkpoint(given: Given, trust: Trust, report: CheckReport) -> Checkpoint | None:
    try:
        return verify_checkpoint(_text(given), trust)
    except CryptoError as error:
        report.findings.append(Finding.of(given.name, error))
        return None


def _check_witnesses(
    given: Given, trust: Trust, named: Sequence[WitnessKey], report: CheckReport
) -> None:
    known = named or witnesses_of(trust)
    if not known:
        return
    try:
        report.cosignatures = verify_cosignatures(_text(given), known)
    except CryptoError as error:
        report.findings.append(Finding.of(given.name, error))
        return
    signed = {each.witness.vkey for each in report.cosignatures}
    report.findings.extend(
        Finding.of(given.name, UnknownKeyError(f"{each.name} did not countersign"))
        for each in named
        if each.vkey not in signed
    )


def _compare(
    checkpoint: Checkpoint, other: Given, trust: Trust, report: CheckReport
) -> None:
    held = _checkpoint(other, trust, report)
    if held is None:
        return
    if same_size_other_root(checkpoint, held):
        proved = TwoHistoriesError(
            f"proof of two histories: the log {trust.origin} signed two different roots"
            f" of {held.size} entries"
        )
        report.findings.append(Finding.of(other.name, proved))
    elif checkpoint.size == held.size:
        report.agreeing.append(other.name)
    else:
        report.not_compared.append((other.name, held.size))


def _text(given: Given) -> str:
    return given.text.decode(errors="replace")
