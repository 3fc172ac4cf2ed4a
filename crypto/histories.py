"""Proof that a log signed two histories: what is left when a past was rewritten.

Two signed checkpoints and, where their sizes differ, the root that the newer tree
has at the older one's size, with the consistency path that leads from there to the
newer root. Whoever holds the log's public key can verify it; nothing else is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

from crypto.checkpoint import Checkpoint, verify_checkpoint
from crypto.encoding import JsonValue, b64, b64_decode, canonical_json, parse_object
from crypto.errors import MalformedProofError, ProofMismatchError
from crypto.merkle import Path, verify_consistency
from crypto.trust import Trust

_KIND = "medaid-two-histories/1"
_MEMBERS = {"kind", "older", "newer", "prefix_root", "path"}


@dataclass(frozen=True, slots=True)
class TwoHistories:
    """Two signed checkpoints of one log, kept because they do not go together."""

    older: str
    """The signed note of the smaller size; of equal ones, either."""
    newer: str
    prefix_root: bytes | None
    """Root of the newer tree at the older size. `None`: nobody could tell it."""
    path: Path = ()

    def to_file(self) -> bytes:
        """Canonical JSON and a newline."""
        document: dict[str, JsonValue] = {
            "kind": _KIND,
            "older": self.older,
            "newer": self.newer,
            "prefix_root": None if self.prefix_root is None else b64(self.prefix_root),
            "path": [b64(each) for each in self.path],
        }
        return canonical_json(document) + b"\n"


def parse_two_histories(text: bytes) -> TwoHistories:
    """Read what `to_file` wrote; raises `MalformedProofError`."""
    file = parse_object(text, what="the evidence", error=MalformedProofError)
    match file:
        case {
            "kind": kind,
            "older": str(older),
            "newer": str(newer),
            "prefix_root": str() | None as prefix_root,
            "path": list(path),
        } if kind == _KIND and file.keys() == _MEMBERS:
            root = None if prefix_root is None else _octets(prefix_root)
            return TwoHistories(older, newer, root, tuple(map(_octets, path)))
        case _:
            raise MalformedProofError("the evidence lacks a member or has others")


def verify_two_histories(
    evidence: TwoHistories, trust: Trust
) -> tuple[Checkpoint, Checkpoint]:
    """Both checkpoints; returns only where the log signed two histories.

    Raises what `verify_checkpoint` raises, `MalformedProofError`, and
    `ProofMismatchError` where the two may belong to one history.
    """
    older = verify_checkpoint(evidence.older, trust)
    newer = verify_checkpoint(evidence.newer, trust)
    if evidence.prefix_root is None:
        raise ProofMismatchError(
            "the checkpoints alone do not tell whether they belong to one history"
        )
    verify_consistency(
        older.size,
        newer.size,
        evidence.path,
        old_root=evidence.prefix_root,
        new_root=newer.root,
    )
    if evidence.prefix_root == older.root:
        raise ProofMismatchError("the newer checkpoint extends the older one")
    return older, newer


def _octets(text: JsonValue) -> bytes:
    if not isinstance(text, str):
        raise MalformedProofError("a hash in the evidence is not a text")
    what = "a hash in the evidence"
    return b64_decode(text, what=what, error=MalformedProofError)
