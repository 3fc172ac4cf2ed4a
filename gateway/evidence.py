"""Read what others hold of the log's past: receipts, answers, proofs, checkpoints.

Each file is verified against the trust file before it counts. What does not verify
proves nothing and is reported, because somebody took it for proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crypto.checkpoint import parse_checkpoint, verify_checkpoint
from crypto.encoding import JsonValue, parse_object
from crypto.errors import CryptoError, MalformedProofError
from crypto.package import (
    CHECKPOINT_NAME,
    MANIFEST_NAME,
    PROOF_SUFFIX,
    PROOFS_FOLDER,
    RECORD_SUFFIX,
    RECORDS_FOLDER,
)
from crypto.proof import LogProof, parse_proof, verify_proof
from crypto.receipt import parse_receipt, verify_receipt
from crypto.record import verify_record
from crypto.trust import Trust
from settlement.service.past import Evidence, SeenCheckpoint, SeenEntry, members_digest

#: Longer than any answer; what is longer is not read.
_FILE_BYTES_MAX = 8 * 1024 * 1024
_LINES_SUFFIX = ".jsonl"
_PROOF_START = b"c2sp.org/tlog-proof"
_RECORD_START = b"ey"
"""How base64url of `{"` begins: a record, and no other text that is read here."""

OnFile = Callable[[], None]


def evidence_files(paths: Iterable[Path]) -> list[Path]:
    """Every file to read: of an exported month all, of another folder all below it."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
        elif (path / MANIFEST_NAME).is_file():
            found.append(path / CHECKPOINT_NAME)
            found.extend(sorted((path / PROOFS_FOLDER).glob(f"*{PROOF_SUFFIX}")))
        else:
            found.extend(sorted(each for each in path.rglob("*") if each.is_file()))
    return found


def read_evidence(
    files: Iterable[Path], trust: Trust, on_file: OnFile = lambda: None
) -> Evidence:
    """Read and verify each; raises `OSError` where a file cannot be read at all."""
    reader = _Reader(trust)
    for path in files:
        reader.read(path)
        on_file()
    return reader.evidence


class _Reader:
    """Collects; one file that does not verify does not stop the others."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self.evidence = Evidence()

    def read(self, path: Path) -> None:
        """Take in one file, whatever of the known kinds it is."""
        if path.suffix == _LINES_SUFFIX:
            with path.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        with self._noting(where := f"{path.name}:{number}"):
                            self._take(line, path, where)
        else:
            with self._noting(path.name):
                self._take(_bytes_of(path), path, path.name)

    @contextmanager
    def _noting(self, where: str) -> Iterator[None]:
        """Turn what does not verify into a fault of its file."""
        try:
            yield
        except CryptoError as error:
            fault = f"evidence: proves nothing ({error.code} {error})"
            self.evidence.faults.append((fault, where))

    def _take(self, text: bytes, path: Path, where: str) -> None:
        if text.lstrip().startswith(b"{"):
            document = parse_object(text, what="the file", error=MalformedProofError)
            self._document(document, where)
        elif text.startswith(_PROOF_START):
            self._proof(parse_proof(text.decode(errors="replace")), path, where)
        elif text.startswith(_RECORD_START):
            verified = verify_record(text.strip(), self._trust)
            self._entry(verified.record_hash, None, where)
        else:
            self._checkpoint(text.decode(errors="replace"), where)

    def _document(self, document: Mapping[str, JsonValue], where: str) -> None:
        """A bare receipt, an answer, or a look-up's list of answers."""
        items = document.get("items")
        if isinstance(items, list):
            for item in _objects(items):
                self._document(item, where)
        elif "record" in document:
            self._receipt(document, None, where)
        else:
            self._answer(document, where)
            inside = (document.get("duplicate_of"), document.get("reversal"))
            for other in _objects(inside):
                self._answer(other, where, is_whole=False)

    def _answer(
        self, answer: Mapping[str, JsonValue], where: str, *, is_whole: bool = True
    ) -> None:
        receipt = answer.get("receipt")
        if isinstance(receipt, dict):
            digest = members_digest(answer) if is_whole else None
            self._receipt(receipt, digest, where)
        elif "settlement_id" in answer:
            self.evidence.without_receipt += is_whole
        else:
            raise MalformedProofError("the file has no receipt, record or checkpoint")

    def _receipt(
        self, document: Mapping[str, JsonValue], digest: bytes | None, where: str
    ) -> None:
        receipt = parse_receipt(document)
        verified = verify_receipt(receipt, self._trust)
        self._entry(verified.record_hash, receipt.index, where, digest)
        known = parse_checkpoint(receipt.checkpoint)
        self._held(known.size, known.root, where)

    def _proof(self, proof: LogProof, path: Path, where: str) -> None:
        """A proof counts with the record that lies beside it; else its checkpoint."""
        record = _record_beside(path)
        if record is None:
            self._checkpoint(proof.checkpoint, where)
            return
        entry = verify_record(_bytes_of(record), self._trust).record_hash
        known = verify_proof(proof, entry, self._trust)
        self._entry(entry, proof.index, where)
        self._held(known.size, known.root, where)

    def _checkpoint(self, note: str, where: str) -> None:
        known = verify_checkpoint(note, self._trust)
        self._held(known.size, known.root, where)

    def _entry(
        self, entry: bytes, index: int | None, where: str, digest: bytes | None = None
    ) -> None:
        self.evidence.entries.append(SeenEntry(entry, index, where, digest))

    def _held(self, size: int, root: bytes, where: str) -> None:
        self.evidence.checkpoints.append(SeenCheckpoint(size, root, where))


def _record_beside(proof: Path) -> Path | None:
    name = proof.name.removesuffix(PROOF_SUFFIX) + RECORD_SUFFIX
    for folder in (proof.parent, proof.parent.parent / RECORDS_FOLDER):
        if (folder / name).is_file():
            return folder / name
    return None


def _objects(values: Iterable[Any]) -> Iterator[Mapping[str, JsonValue]]:
    return (value for value in values if isinstance(value, dict))


def _bytes_of(path: Path) -> bytes:
    if path.stat().st_size > _FILE_BYTES_MAX:
        raise MalformedProofError(f"the file is longer than {_FILE_BYTES_MAX} bytes")
    return path.read_bytes()
