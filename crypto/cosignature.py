"""C2SP cosignatures: what a witness signs of a checkpoint (c2sp.org/tlog-cosignature).

Version 1, Ed25519. It states that at this time the largest tree that the witness has
seen of the log had this size and root, and that it extends all that it saw before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crypto.errors import (
    BadSignatureError,
    MalformedNoteError,
    SuiteMismatchError,
    UnknownKeyError,
    WrongRoleError,
)
from crypto.keys import Role, SigningKey, VerifyingKey
from crypto.note import (
    NoteKey,
    NoteSignature,
    parse_note,
    require_key_id,
    signature_line,
    split_vkey,
)
from crypto.suites import DEFAULT_SUITE
from crypto.trust import Trust

TIME_MAX = 2**63 - 1

_SIGNATURE_TYPE = b"\x04"
_TIME_BYTES = 8
_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class WitnessKey(NoteKey):
    """A witness's public key under the name that it signs with."""

    def __post_init__(self) -> None:
        """Raise `WrongRoleError` and the like for a key that does not cosign."""
        NoteKey.__post_init__(self)
        if self.key.role is not Role.WITNESS_COSIGN:
            raise WrongRoleError(f"key {self.key.kid} does not countersign")
        if self.key.suite != DEFAULT_SUITE:
            raise SuiteMismatchError("cosignatures are by Ed25519 alone")

    def _typed_key(self) -> bytes:
        return _SIGNATURE_TYPE + self.key.public_bytes


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A cosignature that was verified."""

    witness: WitnessKey
    time: int
    """Unix seconds, as the witness says."""


def parse_witness_vkey(vkey: str) -> WitnessKey:
    """Read a witness's vkey; raises `MalformedNoteError` or `WeakKeyError`."""
    name, key_id, public = split_vkey(vkey, _SIGNATURE_TYPE)
    key = VerifyingKey(public, Role.WITNESS_COSIGN)
    return require_key_id(WitnessKey(name, key), key_id)


def witnesses_of(trust: Trust) -> tuple[WitnessKey, ...]:
    """The witnesses that the trust file names."""
    return tuple(
        WitnessKey(trusted.name, trusted.key)
        for trusted in trust.keys_of(Role.WITNESS_COSIGN)
        if trusted.name is not None and isinstance(trusted.key, VerifyingKey)
    )


def cosign(note: str, name: str, key: SigningKey, time: int) -> str:
    """The witness's signature line for a checkpoint that it has verified.

    That the checkpoint is signed by its log and extends the one before is the
    caller's duty. Raises `MalformedNoteError`.
    """
    message = _message(parse_note(note).text, time)
    signed = time.to_bytes(_TIME_BYTES, "big") + key.sign(message)
    return signature_line(name, WitnessKey(name, key.public).key_id, signed)


def verify_cosignatures(
    note: str, known: Iterable[WitnessKey]
) -> tuple[Cosignature, ...]:
    """Every cosignature of a known witness, at least one, in the note's order.

    Raises `MalformedNoteError`; `BadSignatureError` when a known witness's fails;
    `UnknownKeyError` when no known witness signed.
    """
    parsed = parse_note(note)
    by_id = {(each.name, each.key_id): each for each in known}
    found = tuple(
        _verified(line, by_id[line.name, line.key_id], parsed.text)
        for line in parsed.signatures
        if (line.name, line.key_id) in by_id
    )
    if not found:
        raise UnknownKeyError("no trusted witness signed the note")
    return found


def _verified(line: NoteSignature, witness: WitnessKey, text: str) -> Cosignature:
    if len(line.signature) != _TIME_BYTES + _SIGNATURE_BYTES:
        raise MalformedNoteError("a cosignature has a wrong length")
    time = int.from_bytes(line.signature[:_TIME_BYTES], "big")
    message = _message(text, time)
    try:
        witness.key.verify(line.signature[_TIME_BYTES:], message)
    except BadSignatureError:
        raise BadSignatureError(
            "the note's cosignature by a known witness does not verify"
        ) from None
    return Cosignature(witness, time)


def _message(text: str, time: int) -> bytes:
    if not 0 < time <= TIME_MAX:
        raise MalformedNoteError("a cosignature's time is out of range")
    return f"cosignature/v1\ntime {time}\n{text}".encode()
