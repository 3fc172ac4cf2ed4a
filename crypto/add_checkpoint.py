"""What a log sends to a witness (c2sp.org/tlog-witness, `add-checkpoint`).

`old SIZE`, a consistency proof of a hash a line, an empty line, the signed
checkpoint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from crypto.checkpoint import parse_checkpoint
from crypto.encoding import b64, b64_decode
from crypto.errors import MalformedNoteError, MalformedProofError
from crypto.merkle import HASH_BYTES, SIZE_MAX, Path
from crypto.note import NOTE_BYTES_MAX

PROOF_LINES_MAX = 63
_LINE_BYTES = 45
BODY_BYTES_MAX = 64 + PROOF_LINES_MAX * _LINE_BYTES + NOTE_BYTES_MAX
"""No request of this form is longer."""

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A checkpoint with the proof that it extends the one of the older size."""

    old_size: int
    path: Path
    note: str
    """The signed checkpoint, not verified yet."""

    def to_body(self) -> bytes:
        """The body of the request."""
        lines = [f"old {self.old_size}", *map(b64, self.path), "", self.note]
        return "\n".join(lines).encode()


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Read a request; raises `MalformedNoteError` or `MalformedProofError`.

    Nothing is verified, but the note has the form of a signed checkpoint.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise MalformedNoteError("the request is not UTF-8") from None
    head, separator, note = text.partition("\n\n")
    if not separator:
        raise MalformedNoteError("the request has no checkpoint after an empty line")
    old, *lines = head.split("\n")
    match = _OLD.fullmatch(old)
    if match is None or int(match[1]) > SIZE_MAX:
        raise MalformedProofError("the request does not begin with the older size")
    if len(lines) > PROOF_LINES_MAX:
        raise MalformedProofError(f"a proof has at most {PROOF_LINES_MAX} lines")
    path = tuple(_hash(line) for line in lines)
    parse_checkpoint(note)
    return AddCheckpoint(int(match[1]), path, note)


def _hash(line: str) -> bytes:
    octets = b64_decode(line, what="a line of the proof", error=MalformedProofError)
    if len(octets) != HASH_BYTES:
        raise MalformedProofError("a line of the proof does not have 32 bytes")
    return octets
