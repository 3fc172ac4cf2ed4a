"""C2SP proofs: index, path and checkpoint in one text (c2sp.org/tlog-proof)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crypto.checkpoint import Checkpoint, verify_checkpoint
from crypto.encoding import b64, b64_decode
from crypto.errors import MalformedProofError
from crypto.merkle import HASH_BYTES, SIZE_MAX, Path, leaf_hash, verify_inclusion
from crypto.trust import Trust

_FIRST_LINE = "c2sp.org/tlog-proof@v1"
_INDEX_LINE = re.compile(r"index (0|[1-9][0-9]{0,18})")
_EXTRA = "extra "
_PATH_MAX = 63


@dataclass(frozen=True, slots=True)
class LogProof:
    """That an entry is in the log, as read from text; not verified yet."""

    index: int
    path: Path
    checkpoint: str
    extra: bytes | None = None
    """Not authenticated by anything."""

    def to_text(self) -> str:
        """The text of a `.tlog-proof` file."""
        lines = [_FIRST_LINE]
        if self.extra is not None:
            lines.append(_EXTRA + b64(self.extra))
        lines.append(f"index {self.index}")
        lines.extend(b64(sibling) for sibling in self.path)
        return "\n".join(lines) + "\n\n" + self.checkpoint


def parse_proof(text: str) -> LogProof:
    """Read a proof without verifying it; raises `MalformedProofError`."""
    head, separator, checkpoint = text.partition("\n\n")
    first, *lines = head.split("\n")
    if not separator or first != _FIRST_LINE:
        raise MalformedProofError("the text is no proof of version 1")
    extra = None
    if lines and lines[0].startswith(_EXTRA):
        extra = _octets(lines.pop(0).removeprefix(_EXTRA))
    index = _INDEX_LINE.fullmatch(lines[0]) if lines else None
    if index is None or int(index[1]) > SIZE_MAX:
        raise MalformedProofError("the proof has no index line")
    path = tuple(_octets(line) for line in lines[1:])
    if len(path) > _PATH_MAX or not {*map(len, path)} <= {HASH_BYTES}:
        raise MalformedProofError("a line of the proof is no hash, or there are many")
    return LogProof(int(index[1]), path, checkpoint, extra)


def verify_proof(proof: LogProof, entry: bytes, trust: Trust) -> Checkpoint:
    """Check that the entry is at the index under a trusted checkpoint.

    Raises what `verify_checkpoint` and `verify_inclusion` raise.
    """
    checkpoint = verify_checkpoint(proof.checkpoint, trust)
    verify_inclusion(
        proof.index, checkpoint.size, leaf_hash(entry), proof.path, checkpoint.root
    )
    return checkpoint


def _octets(line: str) -> bytes:
    return b64_decode(line, what="a line of the proof", error=MalformedProofError)
