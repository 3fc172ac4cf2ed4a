"""A month of hospitals and of their operators in counts, to compare them by."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from settlement.domain.watch.peers import PeerSummary
from settlement.domain.watch.signal import Subject, SubjectKind
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Session


async def peers_of_month(
    session: Session,
    kind: SubjectKind,
    month: int,
    *,
    repeat_days: int,
    counted_declines: Collection[str],
    most_listed: int,
) -> list[PeerSummary]:
    """Hospitals, or operators, with what they settled in a month of record.

    Of repeats and of claims at a yearly cap the latest `most_listed` are named. A cap
    of one visit leaves no trace in the tables and is not counted.
    """
    found = await session.fetch(
        statement("peers_of_month"),
        month,
        list(counted_declines),
        repeat_days,
        kind is SubjectKind.OPERATOR,
        most_listed,
    )
    return [
        PeerSummary(
            kind=kind,
            facility=row["facility_id"],
            operator=row["operator"],
            claims=row["claims"],
            persons=row["persons"],
            repeats=row["repeats"],
            at_cap=row["at_cap"],
            repeat_claims=tuple(reversed(row["repeat_claims"])),
            at_cap_claims=tuple(reversed(row["at_cap_claims"])),
        )
        for row in found
    ]


async def months_with_claims(session: Session) -> list[int]:
    """Months of record with settlements, declined ones too, in their order."""
    found = await session.fetch("SELECT DISTINCT month FROM settlement ORDER BY month")
    return [row["month"] for row in found]


async def subjects_with(
    session: Session, detectors: Collection[str], first: int, last: int
) -> list[Subject]:
    """Hospitals and operators with alerts of these detectors about these months."""
    found = await session.fetch(
        "SELECT DISTINCT a.facility_id, a.operator FROM alert a"
        " JOIN alert_claim l ON l.alert_id = a.id"
        " JOIN settlement s ON s.id = l.settlement_id"
        " WHERE a.detector = ANY($1::text[]) AND s.month BETWEEN $2 AND $3",
        list(detectors),
        first,
        last,
    )
    return [
        Subject(
            SubjectKind.FACILITY if row["operator"] is None else SubjectKind.OPERATOR,
            facility=row["facility_id"],
            operator=row["operator"],
        )
        for row in found
    ]


async def of_months(
    session: Session, claims: Collection[bytes], first: int, last: int
) -> frozenset[bytes]:
    """Those of the claims whose month of record is one of these."""
    found = await session.fetch(
        "SELECT id FROM settlement WHERE id = ANY($1::bytea[])"
        " AND month BETWEEN $2 AND $3",
        list(claims),
        first,
        last,
    )
    return frozenset(row["id"] for row in found)
