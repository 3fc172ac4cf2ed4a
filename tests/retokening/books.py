"""A gateway's books before and after their tokens are renewed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from crypto.keys import OpeningKey
from crypto.tokens import EpochCipher
from gateway.keyfiles import GatewayKeys
from settlement.domain.bill import NationalFacts
from settlement.domain.watch.changes import subject_digest
from settlement.domain.watch.signal import Subject, SubjectKind
from settlement.service.retokening import Renewal, Renewed, renew_tokens
from settlement.store.database import Database
from tests.settlement.house import NOW, House, open_house

CARD, OTHER, NOBODY = "C00000001", "C00000002", "C99999999"
HOUSEHOLD = "H-20260101-7"
NATIONAL = NationalFacts(
    psn_no="42010000000000000000000001",
    insutype="390",
    clr_type="11",
    clr_optins="420100",
    fund_pay_fen=16_000,
    acct_pay_fen=0,
)
Keys = tuple[GatewayKeys, OpeningKey]


@asynccontextmanager
async def opened(dsn: str, folder: Path, keys: Keys) -> AsyncIterator[House]:
    """A gateway on a pool of its own, of which nothing is left afterwards."""
    database = await Database.open(dsn)
    try:
        async with open_house(database, folder, keys) as house:
            yield house
    finally:
        await database.close()


def with_epoch(keys: Keys, epoch: int) -> Keys:
    """The same keys, and a new one for the epoch."""
    gateway, opening = keys
    epochs = {**gateway.epochs, epoch: EpochCipher(os.urandom(32))}
    return replace(gateway, epochs=epochs), opening


async def renew(dsn: str, keys: Keys, epoch: int) -> Renewed:
    """Turn the database's tokens into those of an epoch."""
    database = await Database.open(dsn, max_size=1)
    try:
        renewal = Renewal(
            key=keys[0].token_key,
            before=keys[0].epochs.get(epoch - 1),
            after=keys[0].epochs[epoch],
            epoch=epoch,
            at=NOW,
            by="ou-yang",
        )
        return await renew_tokens(database, renewal, lambda *_: None)
    finally:
        await database.close()


async def columns(dsn: str) -> list[tuple[str, str, str]]:
    """Every column that could hold a token: schema and table, name, type."""
    rows = await fetched(
        dsn,
        "SELECT format('%I.%I', n.nspname, c.relname) AS place, a.attname AS name,"
        " format_type(a.atttypid, NULL) AS type"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0"
        " AND NOT a.attisdropped AND n.nspname IN ('public', 'clinical')",
    )
    return [(row["place"], row["name"], row["type"]) for row in rows]


async def everything(dsn: str) -> bytes:
    """All rows of all tables, records apart: as text, and what is text within bytes."""
    tables = sorted({place for place, _, _ in await columns(dsn)})
    texts = []
    for table in tables:
        if table == "public.sealed_record":
            continue
        rows = await fetched(dsn, f"SELECT t::text AS row FROM {table} t")  # noqa: S608  # from the catalogue
        texts += [row["row"] for row in rows]
    rows = await fetched(dsn, "SELECT request, head, tail FROM answer")
    within = b"".join(part for row in rows for part in row.values())
    return "\n".join(texts).encode() + within


async def fetched(dsn: str, query: str, *arguments: object) -> Sequence[Any]:
    """Rows, by a connection that is closed again."""
    database = await Database.open(dsn, max_size=1)
    try:
        async with database.pool.acquire() as connection:
            found: Sequence[Any] = await connection.fetch(query, *arguments)
    finally:
        await database.close()
    return found


async def raise_alert(house: House, person: bytes, household: bytes) -> None:
    """An alert with its case about a person, one about a household, one silenced."""
    async with house.database.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO alert_rules (id, version, sha256, document, known_since,"
            " put_by, active) VALUES ('r', '1', 'x', '', $1, 'li', false)",
            NOW,
        )
        for number, subject in enumerate(
            (
                Subject(SubjectKind.PERSON, token=person),
                Subject(SubjectKind.HOUSEHOLD, token=household),
            )
        ):
            digest, identity = subject_digest(subject), bytes([number]) * 16
            is_person = subject.kind is SubjectKind.PERSON
            whose = (person, None) if is_person else (None, household)
            await connection.execute(
                "INSERT INTO alert_case VALUES"
                " ($1, $2, $3, $4, NULL, 'new', NULL, 50, $5, NULL)",
                identity, digest, *whose, NOW,
            )  # fmt: skip
            await connection.execute(
                "INSERT INTO alert (id, detector, subject, person, household, score,"
                " latest, rules_no, state, case_id, raised_at, changed_at)"
                " SELECT $1, 'too-soon', $2, $3, $4, 50, $1, max(no), 'raised', $1,"
                " $5, $5 FROM alert_rules",
                identity, digest, *whose, NOW,
            )  # fmt: skip
            await connection.execute(
                "INSERT INTO alert_mute VALUES ($1, 'too-soon', 2, $2)", digest, NOW
            )
