"""Hospitals that speak the national envelope, and what their requests use up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any

from settlement.store.access import reaching
from settlement.store.statements import statement

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from settlement.store.database import Database

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class HisClientRow:
    """One row of `his_client` with its party."""

    key_id: str
    profile: str
    fixmedins_code: str
    networks: tuple[Network, ...]
    """Where its requests come from; empty: from anywhere."""
    sealed_secret: bytes | None
    public_key: bytes | None
    variant: Mapping[str, Any]
    is_weak: bool
    output_as_text: bool
    infcode_as_text: bool
    created_at: datetime
    revoked_at: datetime | None
    must_sign: bool
    """Settlements and undoings carry a signature over the body, by the client's rule
    or by its party's."""
    party_id: int
    code: str
    role: str
    level: int | None
    subdistrict: str


class HisClientStore:
    """Raises `StoreUnavailableError` wherever the database does not answer."""

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._database = database

    async def clients(self, *, with_revoked: bool = False) -> list[HisClientRow]:
        """All clients by party and age."""
        with reaching():
            rows = await self._database.pool.fetch(
                statement("his_clients"), with_revoked
            )
        return [_client(dict(row)) for row in rows]

    async def add(self, client: HisClientRow) -> bool:
        """Add a client to its `party_id`; false when the key id stands already."""
        with reaching():
            row = await self._database.pool.fetchrow(
                statement("his_add_client"),
                client.key_id,
                client.party_id,
                client.profile,
                client.fixmedins_code,
                [f"{network}" for network in client.networks],
                client.sealed_secret,
                client.public_key,
                json.dumps(dict(client.variant)),
                client.must_sign,
                client.is_weak,
                client.output_as_text,
                client.infcode_as_text,
                client.created_at,
            )
        return row is not None

    async def revoke(self, key_id: str, at: datetime) -> str | None:
        """End a client; its party's code, `None` where none is in force."""
        with reaching():
            code: str | None = await self._database.pool.fetchval(
                statement("his_revoke_client"), key_id, at
            )
        return code

    async def take_nonces(
        self, used: Collection[tuple[str, str]], seen_at: datetime
    ) -> set[tuple[str, str]]:
        """Those of (key id, nonce) that are used for the first time, from now on used.

        A crash of the database server may forget the last of them (decision 38).
        """
        key_ids, nonces = [key for key, _ in used], [nonce for _, nonce in used]
        with reaching():
            rows = await self._database.pool.fetch(
                statement("his_take_nonces"), key_ids, nonces, seen_at
            )
        return {(row["key_id"], row["nonce"]) for row in rows}

    async def end_session(self, token_hash: bytes, party_id: int) -> None:
        """End a party's session; one that is none, or another's, stays as it is."""
        with reaching():
            await self._database.pool.execute(
                statement("his_end_session"), token_hash, party_id
            )


def _client(row: dict[str, Any]) -> HisClientRow:
    networks = tuple(row.pop("networks"))
    variant = json.loads(row.pop("variant"))
    return HisClientRow(networks=networks, variant=variant, **row)
