"""Facilities registered in process: thousands would take hours as commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice

from crypto.keys import SharedSecret
from settlement.service.party_secrets import seal_secret
from settlement.store.access import AccessStore, Party, PartyKey
from settlement.store.database import Database

#: Registered side by side, so that commits share their flush.
_AT_ONCE = 8


async def register_facilities(
    database: Database,
    facilities: Iterable[Party],
    *,
    sealing_key: bytes,
    random: Callable[[int], bytes],
) -> dict[str, SharedSecret]:
    """Add each facility with an HMAC key of its own; the keys by facility code.

    `facilities` carry no `id` of their own (0). Raises `ValueError` for a code that
    is taken already.
    """
    store = AccessStore(database)
    keys: dict[str, SharedSecret] = {}

    async def register(facility: Party) -> None:
        party_id = await store.add_party(facility)
        if party_id is None:
            raise ValueError(f"facility {facility.code} is registered already")
        secret = SharedSecret.generate(random)
        sealed = seal_secret(
            sealing_key,
            key_id=secret.kid,
            secret=secret.secret_bytes(),
            random=random,
        )
        key = PartyKey(
            key_id=secret.kid,
            party_id=party_id,
            alg=secret.alg,
            public_key=None,
            not_before=facility.created_at,
            revoked_at=None,
        )
        await store.add_key(key, sealed)
        keys[facility.code] = secret

    for group in _groups(facilities):
        await asyncio.gather(*(register(facility) for facility in group))
    return keys


def facility(
    code: str, name: str, *, level: int, subdistrict: str, at: datetime
) -> Party:
    """A facility to register; its id is the database's to give."""
    return Party(
        id=0,
        code=code,
        role="facility",
        name=name,
        level=level,
        subdistrict=subdistrict,
        must_sign=False,
        created_at=at,
    )


def _groups(facilities: Iterable[Party]) -> Iterator[list[Party]]:
    remaining = iter(facilities)
    while group := list(islice(remaining, _AT_ONCE)):
        yield group
