"""A month's records with their proofs, as the gateway exports them for others.

`manifest.json`, `checkpoint`, `records/<sid>.masr`, `proofs/<sid>.tlog-proof`. Every
proof is against the one checkpoint. The manifest is not signed: that the folder is
complete holds only as far as its `count` is believed, and the recipient believes it
because they have the same number from their own books.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crypto.checkpoint import Checkpoint, verify_checkpoint
from crypto.claims import Claim
from crypto.encoding import JsonValue, canonical_json, parse_object
from crypto.errors import (
    CryptoError,
    MalformedPackageError,
    PackageMismatchError,
    WrongOriginError,
)
from crypto.keys import OpeningKey
from crypto.merkle import leaf_hash, verify_inclusion
from crypto.proof import parse_proof
from crypto.record import (
    VerifiedRecord,
    check_sealed_copies,
    open_record,
    verify_record,
)
from crypto.trust import Trust

MANIFEST_NAME = "manifest.json"
CHECKPOINT_NAME = "checkpoint"
RECORDS_FOLDER, RECORD_SUFFIX = "records", ".masr"
PROOFS_FOLDER, PROOF_SUFFIX = "proofs", ".tlog-proof"

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_MEMBERS = frozenset({"origin", "month", "facility", "count", "tree_size"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageManifest:
    """What an exported folder says that it holds."""

    origin: str
    month: str
    """`YYYY-MM`, the Shanghai month of settling."""
    facility: str | None
    """Whose records; `None` for all facilities."""
    count: int
    tree_size: int

    def to_bytes(self) -> bytes:
        """The text of `manifest.json`."""
        document: dict[str, JsonValue] = {
            "origin": self.origin,
            "month": self.month,
            "facility": self.facility,
            "count": self.count,
            "tree_size": self.tree_size,
        }
        return canonical_json(document) + b"\n"


def parse_package_manifest(text: bytes) -> PackageManifest:
    """Read `manifest.json`; raises `MalformedPackageError`."""
    document = parse_object(text, what=MANIFEST_NAME, error=MalformedPackageError)
    if document.keys() != _MEMBERS:
        raise MalformedPackageError(
            "manifest.json lacks a member or has an unknown one"
        )
    facility = document["facility"]
    month = _text(document, "month")
    if _MONTH.fullmatch(month) is None:
        raise MalformedPackageError("month in manifest.json is not YYYY-MM")
    return PackageManifest(
        origin=_text(document, "origin"),
        month=month,
        facility=None if facility is None else _text(document, "facility"),
        count=_number(document, "count"),
        tree_size=_number(document, "tree_size"),
    )


@dataclass(frozen=True, slots=True)
class PackageEntry:
    """One record of the folder that held, with what the sums need."""

    index: int
    sid: str
    op: str
    ref: str
    facility: str
    amounts_fen: tuple[int, int, int, int]
    """total, funds, aid, patient_pays."""
    is_sandbox: bool

    @property
    def net_aid_fen(self) -> int:
        """Aid that the record adds to the month; negative for a reversal."""
        return -self.amounts_fen[2] if self.op == "reverse" else self.amounts_fen[2]


class PackageVerifier:
    """Checks the records of one folder; the checkpoint's signature is checked once."""

    __slots__ = (
        "_checkpoint", "_note", "_notes", "_opening_key", "_trust", "manifest"
    )  # fmt: skip

    def __init__(
        self,
        manifest: PackageManifest,
        note: str,
        trust: Trust,
        opening_key: OpeningKey | None = None,
    ) -> None:
        """Raises what `verify_checkpoint` raises, and for a foreign manifest."""
        self._checkpoint: Checkpoint = verify_checkpoint(note, trust)
        if manifest.origin != trust.origin:
            raise WrongOriginError("manifest.json is of another log")
        if manifest.tree_size != self._checkpoint.size:
            raise PackageMismatchError(
                "tree_size in manifest.json is not the checkpoint's size"
            )
        self.manifest = manifest
        self._note = note
        self._notes = {note}
        self._trust = trust
        self._opening_key = opening_key

    def verify(self, sid: str, record: bytes, proof_text: str) -> PackageEntry:
        """One record under its file name, with its proof.

        Raises the `CryptoError` of the first check that fails.
        """
        verified = verify_record(record, self._trust)
        self._require_belongs(sid, verified.claims)
        index = self._require_included(verified, proof_text)
        if self._opening_key is not None:
            content = open_record(verified, self._opening_key)
            check_sealed_copies(verified, content)
        return _entry(index, verified.claims)

    def _require_belongs(self, sid: str, claims: Mapping[str, Claim]) -> None:
        if claims["sid"] != sid:
            raise PackageMismatchError("the record's sid is not its file name")
        if not str(claims["day"]).startswith(self.manifest.month):
            raise PackageMismatchError("the record is of another month")
        facility = self.manifest.facility
        if facility is not None and claims["facility"] != facility:
            raise PackageMismatchError("the record is of another facility")

    def _require_included(self, verified: VerifiedRecord, proof_text: str) -> int:
        proof = parse_proof(proof_text)
        if proof.checkpoint not in self._notes:
            self._take_as_same(proof.checkpoint)
        verify_inclusion(
            proof.index,
            self._checkpoint.size,
            leaf_hash(verified.record_hash),
            proof.path,
            self._checkpoint.root,
        )
        return proof.index

    def _take_as_same(self, note: str) -> None:
        """Take the folder's checkpoint as it was before witnesses countersigned it."""
        if (
            not self._note.startswith(note)
            or verify_checkpoint(note, self._trust) != self._checkpoint
        ):
            raise PackageMismatchError(
                "the proof is against another checkpoint than the folder's"
            )
        self._notes.add(note)


def package_findings(
    manifest: PackageManifest, entries: Iterable[PackageEntry]
) -> list[CryptoError]:
    """What is wrong with the folder as a whole, given the records that held."""
    entries = list(entries)
    findings: list[CryptoError] = []
    if len(entries) != manifest.count:
        findings.append(
            PackageMismatchError(
                f"manifest.json counts {manifest.count} records;"
                f" {len(entries)} are here and hold"
            )
        )
    indexes = Counter(entry.index for entry in entries)
    findings.extend(
        PackageMismatchError(f"index {index} of the log stands for {times} records")
        for index, times in indexes.items()
        if times > 1
    )
    by_sid = {entry.sid: entry for entry in entries}
    reversed_by: dict[str, PackageEntry] = {}
    for entry in entries:
        if entry.op == "reverse":
            findings.extend(_reversal_findings(entry, by_sid, reversed_by))
            reversed_by[entry.ref] = entry
    return findings


def _reversal_findings(
    reversal: PackageEntry,
    by_sid: Mapping[str, PackageEntry],
    reversed_by: Mapping[str, PackageEntry],
) -> list[CryptoError]:
    findings: list[CryptoError] = []
    if reversal.ref in reversed_by:
        findings.append(
            PackageMismatchError(f"settlement {reversal.ref} is reversed twice")
        )
    original = by_sid.get(reversal.ref)
    # A settlement of an earlier month is in that month's folder.
    if original is not None and (
        original.op,
        original.facility,
        original.amounts_fen,
    ) != (
        "settle",
        reversal.facility,
        reversal.amounts_fen,
    ):
        findings.append(
            PackageMismatchError(
                f"reversal {reversal.sid} does not repeat the settlement it undoes"
            )
        )
    return findings


def _entry(index: int, claims: Mapping[str, Claim]) -> PackageEntry:
    return PackageEntry(
        index=index,
        sid=str(claims["sid"]),
        op=str(claims["op"]),
        ref=str(claims["ref"]),
        facility=str(claims["facility"]),
        amounts_fen=(
            int(claims["total_fen"]),
            int(claims["funds_fen"]),
            int(claims["aid_fen"]),
            int(claims["patient_pays_fen"]),
        ),
        is_sandbox="sandbox" in claims,
    )


def _text(document: Mapping[str, JsonValue], member: str) -> str:
    value = document[member]
    if not isinstance(value, str):
        raise MalformedPackageError(f"{member} in manifest.json is not a text")
    return value


def _number(document: Mapping[str, JsonValue], member: str) -> int:
    value = document[member]
    if type(value) is not int or value < 0:
        raise MalformedPackageError(f"{member} in manifest.json is no count")
    return value
