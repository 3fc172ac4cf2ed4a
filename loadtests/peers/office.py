"""What every settlement works with: made when the program starts, never changed."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from crypto.checkpoint import CheckpointSigner
from crypto.key_files import parse_private_key_file, parse_public_key_file
from crypto.keys import Role, SealingKey, SigningKey
from crypto.sealer import Sealer
from crypto.tokens import Tokenizer
from eligibility_cache.store import EligibilityCache
from loadtests.peers.tables import alert_mute, alert_rules, policy_pack
from settlement.domain.calendar import month_of_day, shanghai_day
from settlement.domain.policy import PolicyBook, compile_pack
from settlement.domain.watch.changes import subject_digest
from settlement.domain.watch.detecting import reach_days
from settlement.domain.watch.rules import AlertRules, in_force, read_rules
from settlement.domain.watch.seen import WATCHED_REASONS
from settlement.domain.watch.signal import Signal, SubjectKind

#: Without these an acknowledged settlement could be lost.
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


@dataclass(frozen=True, slots=True)
class Detectors:
    """The alert rules that are active, and what staff want to hear no more of."""

    known: Sequence[tuple[AlertRules, datetime]]
    reach: Mapping[str, timedelta]
    """By a document's hash, how far around a claim its person's others matter."""
    muted: frozenset[tuple[str, bytes]]

    def in_force(self, at: datetime) -> AlertRules | None:
        """The rules at an instant of settling; `None` without any."""
        return in_force(self.known, shanghai_day(at), at)

    def is_muted(self, signal: Signal) -> bool:
        """Whether staff have dismissed the detector about the subject twice."""
        return (signal.detector, subject_digest(signal.subject)) in self.muted


def is_watched(rules: AlertRules | None, reason: str) -> bool:
    """Whether detectors ask about a decline for this reason."""
    return rules is not None and (
        reason in WATCHED_REASONS or reason in rules.reading.counted_declines
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Everything but the request."""

    engine: AsyncEngine
    cache: EligibilityCache
    tokenizer: Tokenizer
    book: PolicyBook
    pack_numbers: Mapping[str, int]
    """By a pack's hash, what the database knows it by."""
    detectors: Detectors
    sealer: Sealer
    signer: CheckpointSigner
    sandbox: bool

    def close(self) -> None:
        """Give the roster's map back."""
        self.cache.close()


async def open_office(engine: AsyncEngine, data_dir: Path) -> Office:
    """Read keys, roster, packs and rules of a data folder that `medaid init` made.

    Raises `SystemExit` for a server that could lose what it acknowledges.
    """
    keys = data_dir / "keys"
    installation = json.loads((data_dir / "installation.json").read_bytes())
    tokenizer = Tokenizer(base64.b64decode((keys / "token.key").read_bytes()))
    checkpoint_sign = _signing_key(keys / "checkpoint-sign.json", Role.CHECKPOINT_SIGN)
    async with engine.begin() as connection:
        await _check_durable(connection)
        await _make_months(connection)
        packs = (
            await connection.execute(
                select(policy_pack).where(policy_pack.c.active).order_by("no")
            )
        ).all()
        detectors = await _read_detectors(connection)
    compiled = [(compile_pack(row.document), row.known_since) for row in packs]
    return Office(
        engine=engine,
        cache=EligibilityCache(data_dir / "cache", tokenizer),
        tokenizer=tokenizer,
        book=PolicyBook(compiled),
        pack_numbers={
            pack.ref.sha256: row.no
            for (pack, _), row in zip(compiled, packs, strict=True)
        },
        detectors=detectors,
        sealer=Sealer(
            _signing_key(keys / "record-sign.json", Role.RECORD_SIGN),
            _sealing_key(keys / "bureau-seal.json"),
        ),
        signer=CheckpointSigner(installation["origin"], checkpoint_sign),
        sandbox=installation["sandbox"],
    )


async def _check_durable(connection: AsyncConnection) -> None:
    for name, wanted in _DURABLE.items():
        found = (await connection.execute(text(f"SHOW {name}"))).scalar_one()
        if found != wanted:
            raise SystemExit(f"PostgreSQL setting {name} is {found}, not {wanted}")


async def _make_months(connection: AsyncConnection) -> None:
    """The partitions of this month and of the next."""
    today = shanghai_day(datetime.now(UTC))
    for day in (today, today.replace(day=1) + timedelta(days=32)):
        month = {"month": month_of_day(day)}
        await connection.execute(text("SELECT ensure_month(:month)"), month)


async def _read_detectors(connection: AsyncConnection) -> Detectors:
    documents = await connection.execute(
        select(alert_rules.c.document, alert_rules.c.known_since)
        .where(alert_rules.c.active)
        .order_by(alert_rules.c.no)
    )
    muted = await connection.execute(
        select(alert_mute.c.detector, alert_mute.c.subject).where(
            alert_mute.c.muted_at.is_not(None)
        )
    )
    known = [(read_rules(document), since) for document, since in documents]
    return Detectors(
        known,
        {
            rules.sha256: timedelta(days=reach_days(SubjectKind.PERSON, rules))
            for rules, _ in known
        },
        frozenset((detector, subject) for detector, subject in muted),
    )


def _signing_key(path: Path, role: Role) -> SigningKey:
    key = parse_private_key_file(path.read_bytes())
    if not isinstance(key, SigningKey) or key.public.role is not role:
        raise SystemExit(f"{path.name} is no {role} key")
    return key


def _sealing_key(path: Path) -> SealingKey:
    key = parse_public_key_file(path.read_bytes()).key
    if not isinstance(key, SealingKey):
        raise SystemExit(f"{path.name} is no sealing key")
    return key
