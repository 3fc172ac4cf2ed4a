"""C2SP checkpoints: signed size and root of the log (c2sp.org/tlog-checkpoint)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crypto.encoding import b64, b64_decode
from crypto.errors import MalformedNoteError, WrongOriginError, WrongRoleError
from crypto.keys import Role, SigningKey, VerifyingKey
from crypto.merkle import HASH_BYTES, SIZE_MAX
from crypto.note import NoteKey, parse_note, sign_note, verify_note
from crypto.trust import Trust

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_BODY_LINES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Size and root that a log vouches for."""

    origin: str
    size: int
    root: bytes

    def to_text(self) -> str:
        """The three lines that are signed; raises `MalformedNoteError`."""
        if not 0 <= self.size <= SIZE_MAX or len(self.root) != HASH_BYTES:
            raise MalformedNoteError("the checkpoint's size or root is out of range")
        return f"{self.origin}\n{self.size}\n{b64(self.root)}\n"


class CheckpointSigner:
    """Signs checkpoints of one log; that they are consistent is the caller's duty."""

    __slots__ = ("_key", "origin")

    def __init__(self, origin: str, key: SigningKey) -> None:
        """Raises `WrongRoleError` for a key that is not for checkpoints."""
        if key.public.role is not Role.CHECKPOINT_SIGN:
            raise WrongRoleError(f"key {key.kid} does not sign checkpoints")
        self.origin = origin
        self._key = key

    @property
    def vkey(self) -> str:
        """The public key in the text form that other tools read."""
        return NoteKey(self.origin, self._key.public).vkey

    def sign(self, size: int, root: bytes) -> str:
        """The checkpoint as a signed note."""
        text = Checkpoint(self.origin, size, root).to_text()
        return sign_note(text, self.origin, self._key)


def parse_checkpoint(note: str) -> Checkpoint:
    """Read the body of a checkpoint without verifying its signatures.

    Extension lines are permitted by the format and ignored. Raises
    `MalformedNoteError`.
    """
    return _parse_text(parse_note(note).text)


def verify_checkpoint(note: str, trust: Trust) -> Checkpoint:
    """A checkpoint of the trusted log, signed by a trusted checkpoint key.

    Raises `MalformedNoteError`, `BadSignatureError`, `UnknownKeyError`, or
    `WrongOriginError` for another log's checkpoint.
    """
    parsed, _signers = verify_note(note, log_keys(trust))
    checkpoint = _parse_text(parsed.text)
    if checkpoint.origin != trust.origin:
        raise WrongOriginError("the checkpoint is of another log")
    return checkpoint


def log_keys(trust: Trust) -> tuple[NoteKey, ...]:
    """The keys that sign checkpoints of the trusted log."""
    return tuple(
        NoteKey(trust.origin, trusted.key)
        for trusted in trust.keys_of(Role.CHECKPOINT_SIGN)
        if isinstance(trusted.key, VerifyingKey)
    )


def _parse_text(text: str) -> Checkpoint:
    lines = text[:-1].split("\n")
    if len(lines) < _BODY_LINES or not all(lines):
        raise MalformedNoteError("a checkpoint has three lines, none of them empty")
    origin, size, root = lines[:_BODY_LINES]
    if _SIZE.fullmatch(size) is None or int(size) > SIZE_MAX:
        raise MalformedNoteError("the checkpoint's size is no decimal number")
    octets = b64_decode(root, what="the checkpoint's root", error=MalformedNoteError)
    if len(octets) != HASH_BYTES:
        raise MalformedNoteError("the checkpoint's root does not have 32 bytes")
    return Checkpoint(origin, int(size), octets)
