"""Registering parties and their keys, and ending keys: what commands call."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from crypto.keys import Role, SharedSecret, VerifyingKey, check_possession
from crypto.trust import TrustedKey
from settlement.domain.calendar import shanghai_day
from settlement.service.party_secrets import seal_secret
from settlement.store.access import AccessStore, Party, PartyKey

if TYPE_CHECKING:
    from settlement.store.database import Database

_CODE = re.compile(r"[A-Za-z0-9._-]{1,32}")
_SUBDISTRICT = re.compile(r"([0-9]{9})?")


class PartyFault(Exception):
    """A party or key cannot be registered; the text is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewParty:
    """A party as an operator describes it."""

    code: str
    role: str
    name: str
    level: int | None = None
    """1, 2 or 3 for a facility, else `None`."""
    subdistrict: str = ""
    """Nine digits, or empty."""
    must_sign: bool = False


async def register_with_secret(
    database: Database,
    party: NewParty,
    secret: SharedSecret,
    *,
    sealing_key: bytes,
    random: Callable[[int], bytes],
    now: datetime,
) -> None:
    """Add the party with an HMAC key; raises `PartyFault`."""
    sealed = seal_secret(
        sealing_key, key_id=secret.kid, secret=secret.secret_bytes(), random=random
    )
    await _register(database, party, secret.kid, secret.alg, None, sealed, now)


async def register_with_public_key(
    database: Database, party: NewParty, key: VerifyingKey, *, now: datetime
) -> None:
    """Add the party with an ed25519 key whose possession has been shown."""
    await _register(database, party, key.kid, key.alg, key.public_bytes, None, now)


def require_possession(code: str, key: VerifyingKey, proof: bytes | None) -> None:
    """Raise `PartyFault` or `PossessionError` unless the party holds the private half.

    The proof is made for the party's code, so that no other party can use it.
    """
    if proof is None:
        raise PartyFault(
            "the public key file has no proof of possession; make one for the code"
            f" {code} with the private key"
        )
    check_possession(key, code, proof)


async def register_bureau_key(
    database: Database, *, code: str, key: VerifyingKey, now: datetime
) -> None:
    """Add a bureau with the key that signs its rosters; safe to run again."""
    store = AccessStore(database)
    party = await store.party(code)
    if party is None:
        await register_with_public_key(
            database, NewParty(code=code, role="bureau", name=code), key, now=now
        )


async def officer_keys(database: Database) -> list[TrustedKey]:
    """Every officer's ed25519 key with its days, for verifiers; revoked ones too.

    What an officer signed while the key was good stays signed.
    """
    store = AccessStore(database)
    officers = {
        party.id: party.code
        for party in await store.parties()
        if party.role == "officer"
    }
    return [
        TrustedKey(
            VerifyingKey(key.public_key, Role.PARTY),
            shanghai_day(key.not_before),
            None if key.revoked_at is None else shanghai_day(key.revoked_at),
            officers[key.party_id],
        )
        for key in sorted(await store.keys(), key=lambda key: key.key_id)
        if key.party_id in officers and key.public_key is not None
    ]


async def revoke(database: Database, key_id: str, *, now: datetime) -> str:
    """End a key and its sessions; returns the party's code. Raises `PartyFault`."""
    code = await AccessStore(database).revoke_key(key_id, now)
    if code is None:
        raise PartyFault(f"there is no key {key_id}; medaid party list shows them")
    return code


async def _register(
    database: Database,
    party: NewParty,
    key_id: str,
    alg: str,
    public_key: bytes | None,
    sealed_secret: bytes | None,
    now: datetime,
) -> None:
    _check(party, key_id)
    store = AccessStore(database)
    standing = await store.party(party.code)
    if standing is not None and not _is_same(standing, party):
        raise PartyFault(
            f"party {party.code} is registered already, with another role, level or"
            " sub-district; use the same ones to add a key to it"
        )
    party_id = standing.id if standing else await _add(store, party, now)
    key = PartyKey(
        key_id=key_id,
        party_id=party_id,
        alg=alg,
        public_key=public_key,
        not_before=now,
        revoked_at=None,
    )
    if not await store.add_key(key, sealed_secret):
        raise PartyFault(f"key {key_id} is registered already")


def _check(party: NewParty, key_id: str) -> None:
    if _CODE.fullmatch(party.code) is None:
        raise PartyFault("a party's code is 1 to 32 letters, digits or . _ -")
    if _SUBDISTRICT.fullmatch(party.subdistrict) is None:
        raise PartyFault("a sub-district's code is nine digits")
    if (party.role == "facility") != (party.level is not None):
        raise PartyFault("a facility has a level of 1, 2 or 3, and no other party has")
    if key_id.startswith(Role.BUREAU_ROSTER.prefix) and party.role != "bureau":
        raise PartyFault("a key that signs rosters belongs to a bureau")


def _is_same(standing: Party, party: NewParty) -> bool:
    return (standing.role, standing.level, standing.subdistrict) == (
        party.role,
        party.level,
        party.subdistrict,
    )


async def _add(store: AccessStore, party: NewParty, now: datetime) -> int:
    party_id = await store.add_party(
        Party(
            id=0,
            code=party.code,
            role=party.role,
            name=party.name,
            level=party.level,
            subdistrict=party.subdistrict,
            must_sign=party.must_sign,
            created_at=now,
        )
    )
    if party_id is None:
        raise PartyFault(f"party {party.code} was registered by somebody else just now")
    return party_id
