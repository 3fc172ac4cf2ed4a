"""RECEIPT: a record with its place in the log, which verifies offline alone.

`{"record", "origin", "index", "tree_size", "path", "checkpoint"}`; the record is its
exact ASCII text, the path a list of base64 hashes, the checkpoint a signed note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crypto.checkpoint import verify_checkpoint
from crypto.encoding import JsonValue, b64, b64_decode, parse_object
from crypto.errors import MalformedProofError, ProofMismatchError, WrongOriginError
from crypto.merkle import SIZE_MAX, leaf_hash, verify_inclusion
from crypto.record import VerifiedRecord, verify_record
from crypto.trust import Trust

_MEMBERS = frozenset({"record", "origin", "index", "tree_size", "path", "checkpoint"})


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as read or to be written; not verified yet."""

    record: bytes
    origin: str
    index: int
    tree_size: int
    path: Sequence[bytes]
    checkpoint: str

    def to_document(self) -> dict[str, JsonValue]:
        """The receipt as the JSON object of an answer."""
        path: list[JsonValue] = [b64(sibling) for sibling in self.path]
        return {
            "record": self.record.decode("ascii"),
            "origin": self.origin,
            "index": self.index,
            "tree_size": self.tree_size,
            "path": path,
            "checkpoint": self.checkpoint,
        }


def parse_receipt(document: bytes | Mapping[str, JsonValue]) -> Receipt:
    """Read a receipt from JSON text or its object; raises `MalformedProofError`."""
    if isinstance(document, bytes):
        document = parse_object(document, what="the receipt", error=MalformedProofError)
    if document.keys() != _MEMBERS:
        raise MalformedProofError("the receipt lacks a member or has an unknown one")
    path = document["path"]
    if not isinstance(path, list):
        raise MalformedProofError("path in the receipt is not a list")
    record = _text("record", document["record"])
    if not record.isascii():
        raise MalformedProofError("record in the receipt is not ASCII")
    return Receipt(
        record=record.encode("ascii"),
        origin=_text("origin", document["origin"]),
        index=_number("index", document["index"]),
        tree_size=_number("tree_size", document["tree_size"]),
        path=tuple(_hash(sibling) for sibling in path),
        checkpoint=_text("checkpoint", document["checkpoint"]),
    )


def verify_receipt(
    receipt: Receipt | bytes | Mapping[str, JsonValue], trust: Trust
) -> VerifiedRecord:
    """The verified record of a receipt, proved to be in the trusted log.

    Everything is checked from the record outwards: record, checkpoint, size, path.
    Raises the `CryptoError` of the first check that fails.
    """
    if not isinstance(receipt, Receipt):
        receipt = parse_receipt(receipt)
    verified = verify_record(receipt.record, trust)
    if receipt.origin != trust.origin:
        raise WrongOriginError("the receipt is of another log")
    checkpoint = verify_checkpoint(receipt.checkpoint, trust)
    if checkpoint.size != receipt.tree_size:
        raise ProofMismatchError("the receipt's tree size is not the checkpoint's")
    verify_inclusion(
        receipt.index,
        checkpoint.size,
        leaf_hash(verified.record_hash),
        receipt.path,
        checkpoint.root,
    )
    return verified


def _text(member: str, value: JsonValue) -> str:
    if not isinstance(value, str):
        raise MalformedProofError(f"{member} in the receipt is not a text")
    return value


def _number(member: str, value: JsonValue) -> int:
    if type(value) is not int or not 0 <= value <= SIZE_MAX:
        raise MalformedProofError(f"{member} in the receipt is no index or size")
    return value


def _hash(value: JsonValue) -> bytes:
    return b64_decode(
        _text("path", value), what="a hash of the path", error=MalformedProofError
    )
