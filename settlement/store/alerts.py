"""Alerts and their claims, events and cases, as the watch writes them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from settlement.domain.watch.changes import StoredAlert
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Session


class AlertRow(NamedTuple):
    """One row of `alert`, without its state, and its facts."""

    id: bytes
    detector: str
    subject: bytes
    person: bytes | None
    household: bytes | None
    facility_id: int | None
    operator: str | None
    score: int
    facts: str
    """JSON."""
    latest: bytes
    rules_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """One row of `alert_case`."""

    id: bytes
    subject: bytes
    person: bytes | None
    household: bytes | None
    facility_id: int | None
    score: int
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class HeldAlert:
    """An alert as it stands, and the case that it is in."""

    alert: StoredAlert
    state: str
    case_id: bytes | None
    case_state: str | None


async def subjects_of_alerts(session: Session, subjects: Sequence[bytes]) -> set[bytes]:
    """Those about whom there is any alert, whatever its state: few, as a rule."""
    found = await session.fetch(statement("subjects_of_alerts"), list(subjects))
    return {row["subject"] for row in found}


async def alerts_touched(
    session: Session, subjects: Sequence[bytes], claims: Collection[bytes]
) -> list[HeldAlert]:
    """Alerts about subjects that hold one of the claims, whatever their state."""
    found = await session.fetch(
        statement("alerts_touched"), list(subjects), list(claims)
    )
    return [
        HeldAlert(
            StoredAlert(
                id=row["id"],
                detector=row["detector"],
                subject=row["subject"],
                claims=frozenset(row["claims"]),
                latest=row["latest"],
                score=row["score"],
                facts=tuple(tuple(fact) for fact in json.loads(row["facts"])),
                is_withdrawn=row["state"] == "withdrawn",
                order=row["no"],
            ),
            row["state"],
            row["case_id"],
            row["case_state"],
        )
        for row in found
    ]


async def taken_ids(session: Session, ids: Collection[bytes]) -> set[bytes]:
    """Which of these ids an alert has already."""
    found = await session.fetch(
        "SELECT id FROM alert WHERE id = ANY($1::bytea[])", list(ids)
    )
    return {row["id"] for row in found}


async def muted_pairs(
    session: Session, subjects: Sequence[bytes]
) -> set[tuple[str, bytes]]:
    """Which detectors are silent about which subjects."""
    found = await session.fetch(
        "SELECT detector, subject FROM alert_mute"
        " WHERE subject = ANY($1::bytea[]) AND muted_at IS NOT NULL",
        list(subjects),
    )
    return {(row["detector"], row["subject"]) for row in found}


async def all_muted(session: Session) -> set[tuple[str, bytes]]:
    """Every detector that is silent about a subject, and the subject."""
    found = await session.fetch(
        "SELECT detector, subject FROM alert_mute WHERE muted_at IS NOT NULL"
    )
    return {(row["detector"], row["subject"]) for row in found}


async def close_recovered(
    session: Session, undone: Collection[bytes], at: datetime
) -> None:
    """Close confirmed cases of which all aid asked back was given back."""
    await session.execute(statement("close_recovered"), list(undone), at)


async def insert_alerts(
    session: Session, alerts: Sequence[tuple[AlertRow, str, bytes | None]], at: datetime
) -> None:
    """Store new alerts, each with its state and its case."""
    await session.executemany(
        "INSERT INTO alert (id, detector, subject, person, household, facility_id,"
        " operator, score, latest, rules_no, state, case_id, raised_at, changed_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)",
        [
            (
                *(r.id, r.detector, r.subject, r.person, r.household, r.facility_id),
                *(r.operator, r.score, r.latest, r.rules_no, state, case_id, at),
            )
            for r, state, case_id in alerts
        ],
    )
    await _put_facts(session, [row for row, _, _ in alerts])


async def update_alerts(
    session: Session, alerts: Sequence[tuple[AlertRow, str, bytes | None]], at: datetime
) -> None:
    """Let stored alerts say what their signals say now."""
    await session.executemany(
        "UPDATE alert SET score = $2, latest = $3, rules_no = $4, state = $5,"
        " case_id = $6, changed_at = $7 WHERE id = $1",
        [
            (r.id, r.score, r.latest, r.rules_no, state, case_id, at)
            for r, state, case_id in alerts
        ],
    )
    await _put_facts(session, [row for row, _, _ in alerts])


async def _put_facts(session: Session, alerts: Sequence[AlertRow]) -> None:
    """They may name a diagnosis: kept with those, apart from the alert."""
    await session.executemany(
        "INSERT INTO clinical.alert_facts VALUES ($1, $2)"
        " ON CONFLICT (alert_id) DO UPDATE SET facts = $2",
        [(row.id, row.facts) for row in alerts],
    )


async def withdraw_alerts(session: Session, ids: Sequence[bytes], at: datetime) -> None:
    """Say of alerts that nothing supports them any more."""
    await session.execute(
        "UPDATE alert SET state = 'withdrawn', changed_at = $2"
        " WHERE id = ANY($1::bytea[])",
        list(ids),
        at,
    )


async def put_claims(
    session: Session, claims: Sequence[tuple[bytes, Sequence[bytes]]]
) -> None:
    """Let alerts have exactly these claims."""
    ids = [alert for alert, _ in claims]
    await session.execute(
        "DELETE FROM alert_claim WHERE alert_id = ANY($1::bytea[])", ids
    )
    await session.executemany(
        "INSERT INTO alert_claim (alert_id, settlement_id) VALUES ($1, $2)",
        [(alert, claim) for alert, members in claims for claim in members],
    )


async def put_events(
    session: Session, events: Sequence[tuple[bytes, str]], at: datetime
) -> None:
    """Append what streams and webhooks carry; call it with the cursor locked."""
    await session.executemany(
        "INSERT INTO alert_event (alert_id, what, at) VALUES ($1, $2, $3)",
        [(alert, what, at) for alert, what in events],
    )
    await session.execute("SELECT pg_notify('medaid_alert', '')")


async def gathering_cases(
    session: Session, subjects: Sequence[bytes]
) -> dict[bytes, bytes]:
    """The open case of each subject that has one, locked until the transaction ends.

    So that nobody closes it before what is put into it can be seen.
    """
    found = await session.fetch(
        "SELECT subject, id FROM alert_case"
        " WHERE subject = ANY($1::bytea[]) AND state IN ('new', 'assigned')"
        " ORDER BY id FOR NO KEY UPDATE",
        list(subjects),
    )
    return {row["subject"]: row["id"] for row in found}


async def open_cases(session: Session, cases: Sequence[CaseRow]) -> None:
    """Open cases, each with the first line of its history."""
    await session.executemany(
        "INSERT INTO alert_case (id, subject, person, household, facility_id, state,"
        " score, opened_at) VALUES ($1, $2, $3, $4, $5, 'new', $6, $7)",
        [
            (
                c.id,
                c.subject,
                c.person,
                c.household,
                c.facility_id,
                c.score,
                c.opened_at,
            )
            for c in cases
        ],
    )
    await session.executemany(
        "INSERT INTO alert_case_event VALUES ($1, 1, $2, 'medaid', 'opened', '')",
        [(case.id, case.opened_at) for case in cases],
    )


async def score_cases(session: Session, cases: Sequence[bytes]) -> None:
    """Score cases anew from the alerts that hold in them."""
    await session.execute(statement("score_cases"), list(cases))


async def next_case_event(session: Session, case_id: bytes) -> int:
    """The number of the next line of a case's history."""
    number: int = await session.fetchval(
        "SELECT coalesce(max(no), 0) + 1 FROM alert_case_event WHERE case_id = $1",
        case_id,
    )
    return number


async def note_on_case(
    session: Session, case_id: bytes, at: datetime, who: str, action: str, note: str
) -> None:
    """Append a line to a case's history."""
    await session.execute(
        "INSERT INTO alert_case_event VALUES ($1, $2, $3, $4, $5, $6)",
        case_id,
        await next_case_event(session, case_id),
        at,
        who,
        action,
        note,
    )


def facts_json(facts: Sequence[tuple[str, Any]]) -> str:
    """Facts as they are stored."""
    return json.dumps([list(fact) for fact in facts], ensure_ascii=False)
