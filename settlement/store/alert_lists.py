"""What staff look up among alerts: ids by their beginning, silent pairs, records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from settlement.store.alert_work import CaseClaim
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Session

_ID_DIGITS = 32
#: More than one already says that a beginning is not enough.
_ENOUGH = 2


@dataclass(frozen=True, slots=True)
class MutedPair:
    """A detector that is silent about a subject. In the statement's order."""

    detector: str
    subject: bytes
    dismissals: int
    muted_at: datetime
    person: bytes | None
    household: bytes | None
    facility: str | None
    operator: str | None
    alerts: int
    """Raised since, stored, and shown to nobody."""


class SealedClaim(NamedTuple):
    """A claim of a case and its record."""

    id: bytes
    person: bytes | None
    record: bytes


async def cases_beginning(session: Session, digits: str) -> list[bytes]:
    """Cases whose id begins with these hex digits, two at most."""
    found = await session.fetch(
        "SELECT id FROM alert_case WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3",
        *_bounds(digits),
        _ENOUGH,
    )
    return [row["id"] for row in found]


async def alerts_beginning(session: Session, digits: str) -> list[bytes]:
    """Alerts whose id begins with these hex digits, two at most."""
    found = await session.fetch(
        "SELECT id FROM alert WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3",
        *_bounds(digits),
        _ENOUGH,
    )
    return [row["id"] for row in found]


def _bounds(digits: str) -> tuple[bytes, bytes]:
    return (
        bytes.fromhex(digits.ljust(_ID_DIGITS, "0")),
        bytes.fromhex(digits.ljust(_ID_DIGITS, "f")),
    )


async def claims_of_alert(session: Session, alert_id: bytes) -> list[CaseClaim]:
    """The claims of one alert, in the order of time."""
    found = await session.fetch(statement("alert_claims"), alert_id)
    return [CaseClaim(*row.values()) for row in found]


async def muted_list(session: Session) -> list[MutedPair]:
    """Every silent pair, the one silenced last first."""
    found = await session.fetch(statement("alert_mutes"))
    return [MutedPair(*row.values()) for row in found]


async def last_case_about(
    session: Session, detector: str, subject: bytes
) -> bytes | None:
    """The case that holds the detector's latest alert about a subject."""
    case_id: bytes | None = await session.fetchval(
        "SELECT case_id FROM alert WHERE detector = $1 AND subject = $2"
        " AND case_id IS NOT NULL ORDER BY no DESC LIMIT 1",
        detector,
        subject,
    )
    return case_id


async def dismissals_of_case(session: Session, case_id: bytes) -> list[tuple[str, int]]:
    """The detectors of a case's alerts, and how often each was dismissed so far."""
    found = await session.fetch(
        "SELECT DISTINCT m.detector, m.dismissals FROM alert a JOIN alert_mute m"
        " ON m.subject = a.subject AND m.detector = a.detector"
        " WHERE a.case_id = $1 AND a.state = 'raised' ORDER BY m.detector",
        case_id,
    )
    return [(row["detector"], row["dismissals"]) for row in found]


async def count_raised(session: Session) -> int:
    """How many alerts hold, whatever became of their cases."""
    count: int = await session.fetchval(
        "SELECT count(*) FROM alert WHERE state = 'raised'"
    )
    return count


async def records_of_case(session: Session, case_id: bytes) -> list[SealedClaim]:
    """The records of a case's claims; claims that were declined have none."""
    found = await session.fetch(statement("case_records"), case_id)
    return [SealedClaim(*row.values()) for row in found]
