"""Documents of alert rules: exact bytes, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from settlement.domain.errors import FatalError

if TYPE_CHECKING:
    from settlement.domain.watch.rules import AlertRules
    from settlement.store.database import Session

#: Name of the lock under which documents are put.
_PUTTING = int.from_bytes(b"alerting")


@dataclass(frozen=True, slots=True)
class RulesRow:
    """One stored document."""

    no: int
    id: str
    version: str
    sha256: str
    document: bytes
    known_since: datetime
    put_by: str
    active: bool


async def read_rules_rows(session: Session) -> list[RulesRow]:
    """All documents, in the order in which they came."""
    found = await session.fetch(
        "SELECT no, id, version, sha256, document, known_since, put_by, active"
        " FROM alert_rules ORDER BY no"
    )
    return [RulesRow(*row.values()) for row in found]


async def rules_state(session: Session) -> tuple[int, ...]:
    """Numbers of which one differs after every change of documents or muted pairs."""
    (row,) = await session.fetch(
        "SELECT coalesce(max(no), 0), count(*) FILTER (WHERE active),"
        " (SELECT count(*) FROM alert_mute WHERE muted_at IS NOT NULL),"
        " (SELECT coalesce(extract(epoch FROM max(muted_at)) * 1000000, 0)::bigint"
        " FROM alert_mute)"
        " FROM alert_rules"
    )
    return tuple(row.values())


async def put_rules(
    session: Session, rules: AlertRules, document: bytes, known_since: datetime, by: str
) -> bool:
    """Store a document and use it from now on; whether it was new.

    Raises `FatalError` for another document under an id and version that are taken.
    """
    await session.execute("SELECT pg_advisory_xact_lock($1)", _PUTTING)
    held = await session.fetchval(
        "SELECT sha256 FROM alert_rules WHERE id = $1 AND version = $2",
        rules.id,
        rules.version,
    )
    if held == rules.sha256:
        return False
    if held is not None:
        raise FatalError(
            f"alert rules {rules.id}@{rules.version} are another document; raise the"
            " version"
        )
    await session.execute(
        "INSERT INTO alert_rules (id, version, sha256, document, known_since, put_by)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        rules.id,
        rules.version,
        rules.sha256,
        document,
        known_since,
        by,
    )
    return True
