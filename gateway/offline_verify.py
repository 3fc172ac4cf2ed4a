"""Reads what is to be verified offline and has `crypto` check it, file by file.

Nothing here decides what is authentic. It finds the files, spreads a large folder
over processes, and collects one finding for each thing that does not hold.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from crypto.encoding import parse_object
from crypto.errors import CryptoError, MalformedPackageError, PackageMismatchError
from crypto.key_files import parse_private_key_file, private_key_file
from crypto.keys import OpeningKey
from crypto.package import (
    CHECKPOINT_NAME,
    MANIFEST_NAME,
    PROOF_SUFFIX,
    PROOFS_FOLDER,
    RECORD_SUFFIX,
    RECORDS_FOLDER,
    PackageEntry,
    PackageManifest,
    PackageVerifier,
    package_findings,
    parse_package_manifest,
)
from crypto.proof import parse_proof, verify_proof
from crypto.receipt import verify_receipt
from crypto.record import (
    VerifiedRecord,
    check_sealed_copies,
    open_record,
    verify_record,
)
from crypto.trust import Trust, parse_trust_file, trust_file

FILE_BYTES_MAX = 8 * 1024 * 1024
"""No receipt, answer, record or proof is longer; a longer file is not read."""

_PROCESSES_FROM = 2_000
_CHUNK = 250

_ANSWER_MEMBERS = {
    "settle": (
        ("settlement_id", "sid"),
        ("aid_fen", "aid_fen"),
        ("patient_pays_fen", "patient_pays_fen"),
    ),
    "reverse": (
        ("reversal_id", "sid"),
        ("settlement_id", "ref"),
        ("aid_fen", "aid_fen"),
    ),
    "tombstone": (("reversal_id", "sid"), ("aid_fen", "aid_fen")),
}
"""Members of an answer and the claims that they must equal, by operation."""

OnProgress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold."""

    where: str
    """File, relative to what was given."""
    code: str
    sentence: str

    @classmethod
    def of(cls, where: str, error: CryptoError) -> Finding:
        """The finding that an error states."""
        return cls(where, error.code, str(error))


@dataclass(slots=True)
class Outcome:
    """What was checked, and everything that did not hold."""

    kind: str
    """`folder`, `receipt` or `record`."""
    checked: int = 0
    """Records looked at, sound or not."""
    opened: int = 0
    """Records whose content was opened and agreed with the clear claims."""
    entries: list[PackageEntry] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    manifest: PackageManifest | None = None
    record: VerifiedRecord | None = None
    content: bytes | None = None
    is_in_log: bool = False


def verify_path(
    path: Path,
    trust: Trust,
    *,
    opening_key: OpeningKey | None = None,
    proof: Path | None = None,
    on_progress: OnProgress = lambda _count: None,
) -> Outcome:
    """Check a folder, a receipt, an answer with a receipt, or a bare record.

    Raises `OSError` where a file cannot be read at all.
    """
    if path.is_dir():
        return _verify_folder(path, trust, opening_key, on_progress)
    outcome = Outcome("record", checked=1)
    try:
        text = _read(path)
        if text.lstrip()[:1] == b"{":
            outcome.kind = "receipt"
            verified = _verify_document(text, trust)
            outcome.is_in_log = True
        else:
            verified = verify_record(text, trust)
            if proof is not None:
                note = _read(proof).decode(errors="replace")
                verify_proof(parse_proof(note), verified.record_hash, trust)
                outcome.is_in_log = True
        if opening_key is not None:
            content = open_record(verified, opening_key)
            check_sealed_copies(verified, content)
            outcome.opened, outcome.content = 1, content
        outcome.record = verified
    except CryptoError as error:
        outcome.findings.append(Finding.of(path.name, error))
    return outcome


def _verify_document(text: bytes, trust: Trust) -> VerifiedRecord:
    """A receipt, or an answer whose receipt must agree with what it says itself."""
    document = parse_object(text, what="the file", error=MalformedPackageError)
    if "receipt" not in document:
        return verify_receipt(document, trust)
    receipt = document["receipt"]
    if not isinstance(receipt, dict):
        raise MalformedPackageError(
            "the answer has no receipt: only settlements and reversals have one"
        )
    verified = verify_receipt(receipt, trust)
    for member, claim in _ANSWER_MEMBERS[str(verified.claims["op"])]:
        if member in document and document[member] != verified.claims[claim]:
            raise PackageMismatchError(
                f"{member} in the answer differs from the record's {claim}"
            )
    return verified


def _verify_folder(
    folder: Path,
    trust: Trust,
    opening_key: OpeningKey | None,
    on_progress: OnProgress,
) -> Outcome:
    outcome = Outcome("folder")
    try:
        manifest = parse_package_manifest(_read(folder / MANIFEST_NAME))
        note = _read(folder / CHECKPOINT_NAME).decode(errors="replace")
        PackageVerifier(manifest, note, trust, opening_key)
    except (CryptoError, FileNotFoundError) as error:
        outcome.findings.append(_folder_finding(error))
        return outcome
    outcome.manifest = manifest
    sids, strays = _records_in(folder)
    outcome.findings.extend(strays)
    job = _Job(
        str(folder),
        trust_file(trust),
        None if opening_key is None else private_key_file(opening_key),
    )
    for chunk_size, entries, findings in _verify_chunks(job, sids):
        outcome.checked += chunk_size
        outcome.entries.extend(entries)
        outcome.findings.extend(findings)
        on_progress(chunk_size)
    outcome.opened = 0 if opening_key is None else len(outcome.entries)
    outcome.is_in_log = True
    outcome.findings.extend(
        Finding.of(MANIFEST_NAME, error)
        for error in package_findings(manifest, outcome.entries)
    )
    return outcome


def count_records(path: Path) -> int:
    """How many records there are to check, for a progress bar."""
    folder = path / RECORDS_FOLDER
    return sum(1 for _ in os.scandir(folder)) if folder.is_dir() else 1


@dataclass(frozen=True, slots=True)
class _Job:
    """What a process needs to check records of a folder; crosses to it as bytes."""

    folder: str
    trust: bytes
    opening_key: bytes | None

    def verifier(self) -> PackageVerifier:
        folder = Path(self.folder)
        opening_key = None
        if self.opening_key is not None:
            opening_key = parse_private_key_file(self.opening_key)
        return PackageVerifier(
            parse_package_manifest(_read(folder / MANIFEST_NAME)),
            _read(folder / CHECKPOINT_NAME).decode(errors="replace"),
            parse_trust_file(self.trust),
            opening_key if isinstance(opening_key, OpeningKey) else None,
        )


_Checked = tuple[int, list[PackageEntry], list[Finding]]


def _verify_chunks(job: _Job, sids: Sequence[str]) -> Iterator[_Checked]:
    processes = len(os.sched_getaffinity(0))
    if len(sids) < _PROCESSES_FROM or processes == 1:
        verifier = job.verifier()
        for chunk in _chunks(sids):
            yield _verify_chunk(verifier, Path(job.folder), chunk)
        return
    # Started anew and not forked: the progress bar's thread must not be copied.
    with ProcessPoolExecutor(
        processes, get_context("spawn"), _start_process, (job,)
    ) as pool:
        yield from pool.map(_verify_in_process, _chunks(sids))


_in_process: list[tuple[PackageVerifier, Path]] = []


def _start_process(job: _Job) -> None:
    _in_process.append((job.verifier(), Path(job.folder)))


def _verify_in_process(sids: Sequence[str]) -> _Checked:
    verifier, folder = _in_process[0]
    return _verify_chunk(verifier, folder, sids)


def _verify_chunk(
    verifier: PackageVerifier, folder: Path, sids: Sequence[str]
) -> _Checked:
    entries: list[PackageEntry] = []
    findings: list[Finding] = []
    for sid in sids:
        name = f"{RECORDS_FOLDER}/{sid}{RECORD_SUFFIX}"
        try:
            record = _read(folder / name)
            proof = _read(folder / PROOFS_FOLDER / f"{sid}{PROOF_SUFFIX}")
            entries.append(verifier.verify(sid, record, proof.decode(errors="replace")))
        except FileNotFoundError:
            missing = MalformedPackageError("the record has no proof in the folder")
            findings.append(Finding.of(name, missing))
        except CryptoError as error:
            findings.append(Finding.of(name, error))
    return len(sids), entries, findings


def _records_in(folder: Path) -> tuple[list[str], list[Finding]]:
    """The ids of all records, and a finding for each file that is out of place."""
    sids, strays = _stems(folder / RECORDS_FOLDER, RECORD_SUFFIX)
    proved, more_strays = _stems(folder / PROOFS_FOLDER, PROOF_SUFFIX)
    findings = [
        Finding.of(
            f"{place}/{name}",
            MalformedPackageError("the file does not belong into the folder"),
        )
        for place, names in ((RECORDS_FOLDER, strays), (PROOFS_FOLDER, more_strays))
        for name in names
    ]
    findings.extend(
        Finding.of(
            f"{PROOFS_FOLDER}/{sid}{PROOF_SUFFIX}",
            PackageMismatchError("the proof has no record in the folder"),
        )
        for sid in sorted(set(proved) - set(sids))
    )
    return sids, findings


def _stems(folder: Path, suffix: str) -> tuple[list[str], list[str]]:
    names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    stems = [name.removesuffix(suffix) for name in names if name.endswith(suffix)]
    return stems, [name for name in names if not name.endswith(suffix)]


def _folder_finding(error: CryptoError | FileNotFoundError) -> Finding:
    if isinstance(error, CryptoError):
        return Finding.of(MANIFEST_NAME, error)
    missing = MalformedPackageError(
        "the folder is no export: manifest.json or checkpoint is missing"
    )
    return Finding.of(".", missing)


def _chunks(sids: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(sids)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


def _read(path: Path) -> bytes:
    # Unbuffered: a month has millions of short files, each read once.
    with path.open("rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size > FILE_BYTES_MAX:
            raise MalformedPackageError(
                f"the file is longer than {FILE_BYTES_MAX} bytes"
            )
        return file.readall()
