"""Key files: JSON to keys and back. Reading and writing the file is the caller's.

Private: `{"key_id", "alg", "private"}`, for a shared secret `{"key_id", "alg",
"secret"}`. Public: `{"key_id", "alg", "public_key"}` and, where a party hands its
key in, `possession`. All octets in base64. A file of another suite than MA1 says so
in `suite`.
"""

from __future__ import annotations

from dataclasses import dataclass

from crypto.encoding import JsonValue, b64, b64_decode, canonical_json, parse_object
from crypto.errors import MalformedKeyError
from crypto.keys import (
    OpeningKey,
    Role,
    SealingKey,
    SharedSecret,
    SigningKey,
    VerifyingKey,
    role_of_kid,
)
from crypto.suites import DEFAULT_SUITE, suite

PrivateKey = SigningKey | OpeningKey | SharedSecret
PublicKey = VerifyingKey | SealingKey


@dataclass(frozen=True, slots=True)
class PublicKeyFile:
    """A public key as somebody handed it in."""

    key: PublicKey
    possession: bytes | None
    """Proof for `crypto.keys.check_possession`, not checked yet."""


def public_key(role: Role, public: bytes, suite_name: str) -> PublicKey:
    """The public key of a role; raises as the key classes do."""
    if role.is_signing:
        return VerifyingKey(public, role, suite_name)
    return SealingKey(public, suite_name)


def private_key_file(key: PrivateKey) -> bytes:
    """The text of the file that its owner alone may read."""
    if isinstance(key, SharedSecret):
        return _text({"secret": b64(key.secret_bytes())}, key.kid, key.alg)
    members: dict[str, JsonValue] = {"private": b64(key.private_bytes())}
    return _text(members, key.kid, key.public.alg, key.public.suite)


def parse_private_key_file(text: bytes) -> PrivateKey:
    """The key in the file; raises `MalformedKeyError` unless it bears its own id."""
    file = parse_object(text, what="the key file", error=MalformedKeyError)
    kid = _string(file, "key_id")
    if file.get("alg") == SharedSecret.alg:
        _require_members(file, {"key_id", "alg", "secret"})
        return SharedSecret(kid, _octets(file, "secret"))
    _require_members(file, {"key_id", "alg", "private"})
    role, suite_name = role_of_kid(kid), _suite_name(file)
    private = _octets(file, "private")
    key: SigningKey | OpeningKey = (
        SigningKey(private, role, suite_name)
        if role.is_signing
        else OpeningKey(private, suite_name)
    )
    _require_same(file, key.public)
    return key


def public_key_file(key: PublicKey, possession: bytes | None = None) -> bytes:
    """The text of a public key file, with a proof of possession where given."""
    members: dict[str, JsonValue] = {"public_key": b64(key.public_bytes)}
    if possession is not None:
        members["possession"] = b64(possession)
    return _text(members, key.kid, key.alg, key.suite)


def parse_public_key_file(text: bytes) -> PublicKeyFile:
    """The key in the file; raises `MalformedKeyError` or `WeakKeyError`."""
    file = parse_object(text, what="the key file", error=MalformedKeyError)
    _require_members(file, {"key_id", "alg", "public_key"}, {"possession"})
    role = role_of_kid(_string(file, "key_id"))
    key = public_key(role, _octets(file, "public_key"), _suite_name(file))
    _require_same(file, key)
    possession = _octets(file, "possession") if "possession" in file else None
    return PublicKeyFile(key, possession)


def _text(
    members: dict[str, JsonValue],
    kid: str,
    alg: str,
    suite_name: str = DEFAULT_SUITE,
) -> bytes:
    members |= {"key_id": kid, "alg": alg}
    if suite_name != DEFAULT_SUITE:
        members["suite"] = suite_name
    return canonical_json(members) + b"\n"


def _suite_name(file: dict[str, JsonValue]) -> str:
    return suite(_string(file, "suite") if "suite" in file else DEFAULT_SUITE).name


def _string(file: dict[str, JsonValue], member: str) -> str:
    value = file.get(member)
    if not isinstance(value, str):
        raise MalformedKeyError(f"the key file has no text in {member}")
    return value


def _octets(file: dict[str, JsonValue], member: str) -> bytes:
    what = f"{member} in the key file"
    return b64_decode(_string(file, member), what=what, error=MalformedKeyError)


def _require_members(
    file: dict[str, JsonValue], required: set[str], optional: set[str] | None = None
) -> None:
    optional = {"suite"} | (optional or set())
    if not required <= file.keys() <= required | optional:
        raise MalformedKeyError("the key file lacks a member or has an unknown one")


def _require_same(file: dict[str, JsonValue], key: PublicKey) -> None:
    if (file["key_id"], file["alg"]) != (key.kid, key.alg):
        raise MalformedKeyError("the key file's id or algorithm is not this key's")
