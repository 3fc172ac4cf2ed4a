"""C2SP signed notes: text that several keys may sign (c2sp.org/signed-note).

A signature of a key that the reader does not know is ignored; a signature of a
known key that fails condemns the whole note.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from crypto.encoding import b64, b64_decode
from crypto.errors import BadSignatureError, MalformedNoteError, UnknownKeyError
from crypto.keys import Role, SigningKey, VerifyingKey
from crypto.suites import suite

NOTE_BYTES_MAX = 64 * 1024
"""A longer text is no note of ours."""

_KEY_ID_BYTES = 4
_VKEY_PARTS = 3
_MARK = "— "
_LAST_CONTROL = "\x1f"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line, not checked yet."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart; its text means nothing before a signature is checked."""

    text: str
    """With its final newline, without the empty line."""
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A known key under the name that it signs notes with."""

    name: str
    key: VerifyingKey

    def __post_init__(self) -> None:
        """Raise `MalformedNoteError` for a name that no note may carry."""
        if not is_key_name(self.name):
            raise MalformedNoteError("a key name is empty or has spaces or a plus")

    @property
    def key_id(self) -> bytes:
        """Four bytes of SHA-256 over name, newline, type and public key."""
        hashed = hashlib.sha256(self.name.encode() + b"\n" + self._typed_key())
        return hashed.digest()[:_KEY_ID_BYTES]

    @property
    def vkey(self) -> str:
        """The text form that other tools read: `name+id+base64(type, key)`."""
        return f"{self.name}+{self.key_id.hex()}+{b64(self._typed_key())}"

    def _typed_key(self) -> bytes:
        return suite(self.key.suite).signing.note_type + self.key.public_bytes


_Known = TypeVar("_Known", bound=NoteKey)


def parse_vkey(vkey: str, role: Role) -> NoteKey:
    """Read an Ed25519 vkey; raises `MalformedNoteError` or `WeakKeyError`."""
    name, key_id, public = split_vkey(vkey, b"\x01")
    return require_key_id(NoteKey(name, VerifyingKey(public, role)), key_id)


def split_vkey(vkey: str, signature_type: bytes) -> tuple[str, str, bytes]:
    """Name, id and public key of a vkey of this type; raises `MalformedNoteError`."""
    parts = vkey.split("+", maxsplit=2)
    if len(parts) != _VKEY_PARTS:
        raise MalformedNoteError("a vkey has a name, an id and a key")
    name, key_id, encoded = parts
    typed = b64_decode(encoded, what="the key of a vkey", error=MalformedNoteError)
    if typed[:1] != signature_type:
        raise MalformedNoteError("the vkey is of an unknown type")
    return name, key_id, typed[1:]


def require_key_id(known: _Known, key_id: str) -> _Known:
    """The key, if this is its id; raises `MalformedNoteError`."""
    if known.key_id.hex() != key_id:
        raise MalformedNoteError("the vkey's id is not that of its key")
    return known


def signature_line(name: str, key_id: bytes, signature: bytes) -> str:
    """One line below a note's text, with its newline."""
    return f"{_MARK}{name} {b64(key_id + signature)}\n"


def sign_note(text: str, name: str, key: SigningKey) -> str:
    """The note of this text with one signature; raises `MalformedNoteError`."""
    _require_text(text)
    key_id = NoteKey(name, key.public).key_id
    return f"{text}\n{signature_line(name, key_id, key.sign(text.encode()))}"


def parse_note(note: str) -> Note:
    """Take a note apart; raises `MalformedNoteError`. Nothing is verified."""
    if len(note) > NOTE_BYTES_MAX:
        raise MalformedNoteError(f"the note is longer than {NOTE_BYTES_MAX} bytes")
    body, separator, signatures = note.rpartition("\n\n")
    text = body + "\n"
    if not separator or not signatures.endswith("\n"):
        raise MalformedNoteError("the note has no signatures after an empty line")
    _require_text(text)
    lines = signatures[:-1].split("\n")
    return Note(text, tuple(_parse_signature(line) for line in lines))


def verify_note(
    note: str, known: Iterable[NoteKey]
) -> tuple[Note, tuple[NoteKey, ...]]:
    """The note with the known keys that signed it, at least one.

    Raises `MalformedNoteError`; `BadSignatureError` when a known key's signature
    fails; `UnknownKeyError` when no known key signed.
    """
    parsed = parse_note(note)
    by_id = {(each.name, each.key_id): each for each in known}
    signers: list[NoteKey] = []
    for line in parsed.signatures:
        signer = by_id.get((line.name, line.key_id))
        if signer is None:
            continue
        try:
            signer.key.verify(line.signature, parsed.text.encode())
        except BadSignatureError:
            raise BadSignatureError(
                "the note's signature by a known key does not verify"
            ) from None
        signers.append(signer)
    if not signers:
        raise UnknownKeyError("no trusted key signed the note")
    return parsed, tuple(signers)


def _parse_signature(line: str) -> NoteSignature:
    name, separator, encoded = line.removeprefix(_MARK).partition(" ")
    if not line.startswith(_MARK) or not separator or not is_key_name(name):
        raise MalformedNoteError("a signature line does not have its form")
    octets = b64_decode(encoded, what="a note signature", error=MalformedNoteError)
    if len(octets) <= _KEY_ID_BYTES:
        raise MalformedNoteError("a note signature is empty")
    return NoteSignature(name, octets[:_KEY_ID_BYTES], octets[_KEY_ID_BYTES:])


def _require_text(text: str) -> None:
    if not text.endswith("\n") or text == "\n":
        raise MalformedNoteError("the text of a note ends in a newline")
    if any(character <= _LAST_CONTROL and character != "\n" for character in text):
        raise MalformedNoteError("the text of a note has a control character")
    try:
        text.encode()
    except UnicodeError:
        raise MalformedNoteError("the text of a note is not UTF-8") from None


def is_key_name(name: str) -> bool:
    """Whether a note may carry the name: not empty, no spaces, no plus."""
    return bool(name) and not any(c.isspace() or c <= " " or c == "+" for c in name)
