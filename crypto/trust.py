"""The trust file: which keys a verifier believes, got out of band.

`{"origin", "keys": [{"kid", "role", "suite", "alg", "public_key", "not_before",
"not_after"}]}`. Days are days of Asia/Shanghai, inclusive; null is open. Old keys
stay listed for ever, so that old records still verify. A witness's key has a `name`
too: the one under which it signs. A party's key may have the party's code there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from crypto.encoding import JsonValue, b64, b64_decode, canonical_json, parse_object
from crypto.errors import (
    BadSignatureError,
    KeyNotValidError,
    MalformedKeyError,
    SuiteMismatchError,
    UnknownKeyError,
    WrongRoleError,
)
from crypto.key_files import PublicKey, public_key
from crypto.keys import Role, VerifyingKey
from crypto.note import is_key_name

_MEMBERS = frozenset(
    {"kid", "role", "suite", "alg", "public_key", "not_before", "not_after"}
)


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One believed key with the days on which it may sign or be sealed to."""

    key: PublicKey
    not_before: date | None = None
    not_after: date | None = None
    name: str | None = None
    """Of a witness, the name in its signature lines; of a party, its code, where the
    file says it; of other keys none."""

    def __post_init__(self) -> None:
        """Raise `MalformedKeyError` for a witness without a name that can be."""
        if self.name is None:
            if self.role is Role.WITNESS_COSIGN:
                raise MalformedKeyError("a witness's key has a name")
            return
        if self.role not in {Role.WITNESS_COSIGN, Role.PARTY}:
            raise MalformedKeyError("only keys of witnesses and parties have a name")
        if not is_key_name(self.name):
            raise MalformedKeyError("a key's name is empty or has spaces or a plus")

    @property
    def kid(self) -> str:
        """The key id, made from the key itself."""
        return self.key.kid

    @property
    def role(self) -> Role:
        """The one use of the key."""
        return self.key.role

    @property
    def suite(self) -> str:
        """The suite that the key is bound to."""
        return self.key.suite

    def verify(self, signature: bytes, message: bytes) -> None:
        """Return only for a signature of this key; raises `BadSignatureError`."""
        if not isinstance(self.key, VerifyingKey):
            raise BadSignatureError("a sealing key has no signatures")
        self.key.verify(signature, message)

    def require_valid_on(self, day: date) -> None:
        """Raise `KeyNotValidError` outside of the key's window."""
        if (self.not_before is not None and day < self.not_before) or (
            self.not_after is not None and day > self.not_after
        ):
            raise KeyNotValidError(f"key {self.kid} was not valid on {day}")


class Trust:
    """Origin of the log and the keys that a verifier believes."""

    __slots__ = ("_by_kid", "keys", "origin")

    def __init__(self, origin: str, keys: Iterable[TrustedKey]) -> None:
        """Raises `MalformedKeyError` for an empty origin or a key listed twice."""
        if not origin or any(c.isspace() or c in "+\0" for c in origin):
            raise MalformedKeyError("the origin is empty or has spaces or a plus")
        self.origin = origin
        self.keys = tuple(keys)
        self._by_kid = {trusted.kid: trusted for trusted in self.keys}
        if len(self._by_kid) != len(self.keys):
            raise MalformedKeyError("a key stands twice in the trust file")

    def key(self, kid: str, role: Role, suite: str | None = None) -> TrustedKey:
        """The key with this id, for this use.

        Raises `UnknownKeyError`, `WrongRoleError`, and `SuiteMismatchError` where a
        suite is asked for and the key belongs to another.
        """
        trusted = self._by_kid.get(kid)
        if trusted is None:
            raise UnknownKeyError("the trust file has no key with the named key id")
        if trusted.role is not role:
            raise WrongRoleError(f"key {kid} has role {trusted.role}, not {role}")
        if suite is not None and trusted.suite != suite:
            raise SuiteMismatchError(f"key {kid} is of suite {trusted.suite}")
        return trusted

    def keys_of(self, role: Role) -> tuple[TrustedKey, ...]:
        """All keys of a role, in the order of the file."""
        return tuple(trusted for trusted in self.keys if trusted.role is role)


def trust_file(trust: Trust) -> bytes:
    """The text of TRUST.json: canonical JSON and a newline."""
    keys: list[JsonValue] = [_entry(trusted) for trusted in trust.keys]
    return canonical_json({"origin": trust.origin, "keys": keys}) + b"\n"


def _entry(trusted: TrustedKey) -> dict[str, JsonValue]:
    entry: dict[str, JsonValue] = {
        "kid": trusted.kid,
        "role": str(trusted.role),
        "suite": trusted.suite,
        "alg": trusted.key.alg,
        "public_key": b64(trusted.key.public_bytes),
        "not_before": _day_text(trusted.not_before),
        "not_after": _day_text(trusted.not_after),
    }
    return entry if trusted.name is None else entry | {"name": trusted.name}


def parse_trust_file(text: bytes) -> Trust:
    """Read TRUST.json; raises `MalformedKeyError` or `WeakKeyError`."""
    file = parse_object(text, what="the trust file", error=MalformedKeyError)
    origin, keys = file.get("origin"), file.get("keys")
    if file.keys() != {"origin", "keys"} or not isinstance(origin, str):
        raise MalformedKeyError("the trust file must have exactly origin and keys")
    if not isinstance(keys, list):
        raise MalformedKeyError("keys in the trust file is not a list")
    return Trust(origin, [_trusted_key(entry) for entry in keys])


def _trusted_key(entry: JsonValue) -> TrustedKey:
    if not isinstance(entry, dict) or entry.keys() - {"name"} != _MEMBERS:
        raise MalformedKeyError("a key in the trust file lacks or adds a member")
    try:
        role = Role(_string(entry, "role"))
    except ValueError:
        raise MalformedKeyError("a key in the trust file has no known role") from None
    octets = b64_decode(
        _string(entry, "public_key"), what="public_key", error=MalformedKeyError
    )
    key = public_key(role, octets, _string(entry, "suite"))
    if (entry["kid"], entry["alg"]) != (key.kid, key.alg):
        raise MalformedKeyError("a key in the trust file bears another key's id")
    name = _string(entry, "name") if "name" in entry else None
    return TrustedKey(key, _day(entry, "not_before"), _day(entry, "not_after"), name)


def _string(entry: Mapping[str, JsonValue], member: str) -> str:
    value = entry[member]
    if not isinstance(value, str):
        raise MalformedKeyError(f"{member} in the trust file is not a text")
    return value


def _day(entry: Mapping[str, JsonValue], member: str) -> date | None:
    if entry[member] is None:
        return None
    text = _string(entry, member)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise MalformedKeyError(f"{member} is not a day YYYY-MM-DD") from None
    if day.isoformat() != text:
        raise MalformedKeyError(f"{member} is not a day YYYY-MM-DD")
    return day


def _day_text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
