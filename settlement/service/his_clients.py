"""Letting hospitals speak the national envelope: what commands call."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from settlement.service.parties import PartyFault
from settlement.service.party_secrets import seal_secret
from settlement.store.access import AccessStore, Party
from settlement.store.his_clients import HisClientRow, HisClientStore, Network

if TYPE_CHECKING:
    from settlement.store.database import Database

_INSTITUTION = re.compile(r"[A-Za-z0-9]{1,30}")
#: How a hospital can show who it is; the metrics name each, also where nobody has it.
PROFILES = ("sign-in", "mutual-tls", "x-tif", "encdata")
#: What is weak however it is used, and what is unless messages are signed besides.
_WEAK, _WEAK_UNSIGNED = frozenset({"encdata"}), frozenset({"x-tif"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHisClient:
    """A hospital's way of showing who it is, as an operator describes it."""

    code: str
    """The party's."""
    fixmedins_code: str
    profile: str
    key_id: str
    secrets: Mapping[str, Any] = field(default_factory=dict)
    public_key: bytes | None = None
    variant: Mapping[str, Any] = field(default_factory=dict)
    networks: tuple[Network, ...] = ()
    must_sign: bool = False
    accepts_weak: bool = False
    output_as_text: bool = False
    infcode_as_text: bool = False


async def allow(
    database: Database,
    new: NewHisClient,
    *,
    sealing_key: bytes,
    random: Callable[[int], bytes],
    now: datetime,
) -> HisClientRow:
    """Let a facility in this way; raises `PartyFault`, one sentence.

    A weak profile is refused unless the operator accepts that it is.
    """
    party = await _facility(database, new)
    must_sign = new.must_sign or party.must_sign
    is_weak = new.profile in _WEAK or (new.profile in _WEAK_UNSIGNED and not must_sign)
    if is_weak and not new.accepts_weak:
        raise PartyFault(
            f"the profile {new.profile} is weak ({_WHY[new.profile]}); add --weak to"
            " accept that for this hospital alone"
        )
    row = HisClientRow(
        key_id=new.key_id,
        profile=new.profile,
        fixmedins_code=new.fixmedins_code,
        networks=new.networks,
        sealed_secret=_sealed(new, sealing_key, random),
        public_key=new.public_key,
        variant=new.variant,
        is_weak=is_weak,
        output_as_text=new.output_as_text,
        infcode_as_text=new.infcode_as_text,
        created_at=now,
        revoked_at=None,
        must_sign=new.must_sign,
        party_id=party.id,
        code=party.code,
        role=party.role,
        level=party.level,
        subdistrict=party.subdistrict,
    )
    if not await HisClientStore(database).add(row):
        raise PartyFault(
            f"{new.key_id} is allowed already, or was once; medaid his list shows it"
        )
    return row


def _sealed(
    new: NewHisClient, sealing_key: bytes, random: Callable[[int], bytes]
) -> bytes | None:
    if not new.secrets:
        return None
    secret = json.dumps(dict(new.secrets)).encode()
    return seal_secret(sealing_key, key_id=new.key_id, secret=secret, random=random)


async def _facility(database: Database, new: NewHisClient) -> Party:
    """Whom it is to be; raises `PartyFault`."""
    if _INSTITUTION.fullmatch(new.fixmedins_code) is None:
        raise PartyFault(
            "a fixmedins_code has up to 30 letters and digits, usually H and eleven"
            " digits"
        )
    party = await AccessStore(database).party(new.code)
    if party is None or party.role != "facility":
        raise PartyFault(
            f"{new.code} is no facility here; register it first with medaid facility"
            " add"
        )
    return party


_WHY = {
    "x-tif": "its signature covers no byte of the message: prefer --sign-requests,"
    " mutual-tls or sign-in",
    "encdata": "SM4 in ECB shows which blocks are equal, under a key that follows from"
    " the shared secret: prefer mutual-tls or sign-in",
}


async def revoke_client(database: Database, key_id: str, *, now: datetime) -> str:
    """End a client; returns its party's code. Raises `PartyFault`."""
    code = await HisClientStore(database).revoke(key_id, now)
    if code is None:
        raise PartyFault(
            f"no hospital speaks the envelope as {key_id}; medaid his list shows them"
        )
    return code
