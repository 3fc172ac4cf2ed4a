"""Roster manifests: what a roster file is, signed by the bureau.

The signature is over the canonical JSON (RFC 8785) of the manifest without its
`signature`. The manifest names the file's SHA-256, so it vouches for every row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date

from crypto.encoding import JsonValue, b64, b64_decode, canonical_json, parse_object
from crypto.errors import MalformedManifestError, WrongRoleError
from crypto.keys import Role, SigningKey
from crypto.trust import Trust

_INTEGER_MAX = 2**53 - 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_AS_OF = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z)?"
)
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_SIGNED = frozenset(
    {
        "kind",
        "version",
        "previous_version",
        "as_of",
        "rows",
        "sha256",
        "file",
        "key_id",
        "suite",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the bureau says of one roster file."""

    kind: str
    """`full` or `delta`."""
    version: int
    previous_version: int | None
    """The version that a delta follows; `None` for a full file."""
    as_of: str
    """Day, or instant in UTC, of the bureau's snapshot."""
    rows: int
    sha256: str
    """Of the data file's exact bytes, in lower-case hex."""
    file: str
    """Name of the data file, beside the manifest; never a path."""

    def __post_init__(self) -> None:
        """Raise `MalformedManifestError` unless every member has its form."""
        _check(self)


@dataclass(frozen=True, slots=True)
class VerifiedManifest:
    """A manifest whose signature held."""

    manifest: Manifest
    key_id: str
    suite: str


def sign_manifest(manifest: Manifest, key: SigningKey) -> bytes:
    """The manifest file: canonical JSON with the signature, and a newline."""
    if key.public.role is not Role.BUREAU_ROSTER:
        raise WrongRoleError(f"key {key.kid} does not sign rosters")
    document: dict[str, JsonValue] = {
        **asdict(manifest),
        "key_id": key.kid,
        "suite": key.public.suite,
    }
    signature = b64(key.sign(canonical_json(document)))
    return canonical_json({**document, "signature": signature}) + b"\n"


def verify_manifest(
    text: bytes, trust: Trust, *, on: date | None = None
) -> VerifiedManifest:
    """The manifest in the text, signed by a trusted roster key of the bureau.

    `on` is the day of taking the file in; with it the key's window is checked.
    Raises `MalformedManifestError`, `UnknownKeyError`, `WrongRoleError`,
    `SuiteMismatchError`, `BadSignatureError` or `KeyNotValidError`.
    """
    document = parse_object(text, what="the manifest", error=MalformedManifestError)
    signature = b64_decode(
        _text(document, "signature"),
        what="the manifest's signature",
        error=MalformedManifestError,
    )
    signed = {name: document[name] for name in document if name != "signature"}
    if signed.keys() != _SIGNED:
        raise MalformedManifestError(
            "the manifest lacks a member or has an unknown one"
        )
    key_id, suite = _text(signed, "key_id"), _text(signed, "suite")
    trusted = trust.key(key_id, Role.BUREAU_ROSTER, suite)
    trusted.verify(signature, canonical_json(signed))
    if on is not None:
        trusted.require_valid_on(on)
    return VerifiedManifest(_manifest(signed), key_id, suite)


def _manifest(signed: Mapping[str, JsonValue]) -> Manifest:
    previous = signed["previous_version"]
    return Manifest(
        kind=_text(signed, "kind"),
        version=_number(signed, "version"),
        previous_version=(
            None if previous is None else _number(signed, "previous_version")
        ),
        as_of=_text(signed, "as_of"),
        rows=_number(signed, "rows"),
        sha256=_text(signed, "sha256"),
        file=_text(signed, "file"),
    )


def _check(manifest: Manifest) -> None:
    previous = manifest.previous_version
    if manifest.kind not in {"full", "delta"}:
        raise MalformedManifestError("kind is neither full nor delta")
    if not 1 <= manifest.version <= _INTEGER_MAX:
        raise MalformedManifestError("version is no integer from 1")
    if (manifest.kind == "full") != (previous is None):
        raise MalformedManifestError("exactly a delta names the version it follows")
    if previous is not None and not 1 <= previous < manifest.version:
        raise MalformedManifestError("previous_version does not precede version")
    if not 0 <= manifest.rows <= _INTEGER_MAX:
        raise MalformedManifestError("rows is no integer from 0")
    _check_texts(manifest)


def _check_texts(manifest: Manifest) -> None:
    if _AS_OF.fullmatch(manifest.as_of) is None:
        raise MalformedManifestError("as_of is neither a day nor an instant in UTC")
    try:
        date.fromisoformat(manifest.as_of[:10])
    except ValueError:
        raise MalformedManifestError("as_of is no day of the calendar") from None
    if _SHA256.fullmatch(manifest.sha256) is None:
        raise MalformedManifestError("sha256 is not 64 lower-case hex digits")
    if _FILE.fullmatch(manifest.file) is None:
        raise MalformedManifestError("file is not a plain file name")


def _text(document: Mapping[str, JsonValue], member: str) -> str:
    value = document.get(member)
    if not isinstance(value, str):
        raise MalformedManifestError(f"{member} in the manifest is not a text")
    return value


def _number(document: Mapping[str, JsonValue], member: str) -> int:
    value = document[member]
    if type(value) is not int:
        raise MalformedManifestError(f"{member} in the manifest is not an integer")
    return value
