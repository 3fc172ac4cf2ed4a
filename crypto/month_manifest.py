"""The signed first page of a month package: which month, and the hash of its parts.

A C2SP signed note by the log's key. It can never be taken for a checkpoint, nor a
checkpoint for it: its first line has spaces, which no origin has, and it is signed
under a name of its own, so that the four bytes that name the key differ too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from crypto.errors import MalformedNoteError, WrongOriginError, WrongRoleError
from crypto.keys import Role, SigningKey, VerifyingKey
from crypto.note import NoteKey, sign_note, verify_note
from crypto.trust import Trust

_FIRST_LINE = "medaid month package v1"
_NAME = "/month-package"
_MONTH = re.compile(r"(?!000[01])[0-9]{4}-(0[1-9]|1[0-2])")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LINES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthManifest:
    """What the log's key vouches for."""

    origin: str
    month: str
    """`YYYY-MM`."""
    tree_size: int
    """The month's cut."""
    members_sha256: str
    """Of the list that names every other part with its hash."""
    members_size: int

    def to_text(self) -> str:
        """The lines that are signed."""
        return (
            f"{_FIRST_LINE}\n{self.origin}\n{self.month}\n{self.tree_size}\n"
            f"{self.members_sha256}\n{self.members_size}\n"
        )


def sign_month_manifest(manifest: MonthManifest, key: SigningKey) -> str:
    """The manifest as a signed note; raises `WrongRoleError` for another key."""
    if key.public.role is not Role.CHECKPOINT_SIGN:
        raise WrongRoleError(f"key {key.kid} does not sign for the log")
    return sign_note(manifest.to_text(), manifest.origin + _NAME, key)


def verify_month_manifest(note: str, trust: Trust) -> MonthManifest:
    """The manifest of a package of the trusted log.

    Raises `MalformedNoteError`, `BadSignatureError`, `UnknownKeyError` or
    `WrongOriginError`.
    """
    known = [
        NoteKey(trust.origin + _NAME, trusted.key)
        for trusted in trust.keys_of(Role.CHECKPOINT_SIGN)
        if isinstance(trusted.key, VerifyingKey)
    ]
    parsed, _signers = verify_note(note, known)
    manifest = _parse(parsed.text)
    if manifest.origin != trust.origin:
        raise WrongOriginError("the manifest is of another log")
    return manifest


def _parse(text: str) -> MonthManifest:
    lines = text[:-1].split("\n")
    if len(lines) != _LINES or lines[0] != _FIRST_LINE:
        raise MalformedNoteError("the note is no manifest of a month package")
    _first, origin, month, tree_size, sha256, size = lines
    if (
        _MONTH.fullmatch(month) is None
        or _SHA256.fullmatch(sha256) is None
        or _NUMBER.fullmatch(tree_size) is None
        or _NUMBER.fullmatch(size) is None
    ):
        raise MalformedNoteError("a line of the manifest does not have its form")
    return MonthManifest(
        origin=origin,
        month=month,
        tree_size=int(tree_size),
        members_sha256=sha256,
        members_size=int(size),
    )
