"""Who is behind a case's tokens: opened for an officer, and told in its history first.

The history's line is committed before anything is opened, so that nobody looks
without a trace, whatever happens then.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from settlement.domain.errors import RequestRefused
from settlement.service.policy_past import Reader
from settlement.service.watch.work import NO_SUCH_CASE
from settlement.store.alert_lists import SealedClaim, records_of_case
from settlement.store.alert_work import lock_case
from settlement.store.alerts import note_on_case

if TYPE_CHECKING:
    from settlement.store.database import Session

IDENTITY_SHOWN = "identity shown"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShownCard:
    """A card that claims of a case were made with. Personal data: never stored."""

    person: bytes | None
    kind: str
    number: str
    claims: int
    """How many of the case's claims name it."""


async def note_identity_shown(
    session: Session, case_id: bytes, *, by: str, at: datetime
) -> None:
    """Write into the history who looks; raises `RequestRefused` MA-4108.

    Call it in a database transaction that commits before anything is opened.
    """
    if await lock_case(session, case_id) is None:
        raise RequestRefused(NO_SUCH_CASE)
    await note_on_case(session, case_id, at, by, IDENTITY_SHOWN, "")


async def cards_of_case(
    session: Session, case_id: bytes, reader: Reader
) -> list[ShownCard]:
    """The cards in the records of a case's claims; raises `CryptoError`.

    Call `note_identity_shown` first. Claims that were declined have no record.
    """
    _log.info("alerts.identity_shown", extra={"case": case_id.hex()})
    return list(_cards(await records_of_case(session, case_id), reader))


def _cards(records: Iterable[SealedClaim], reader: Reader) -> Iterator[ShownCard]:
    counts: dict[tuple[bytes | None, str, str], int] = {}
    for claim in records:
        card = reader.content(claim.record)["bill"]["card"]
        key = (claim.person, str(card["kind"]), str(card["number"]))
        counts[key] = counts.get(key, 0) + 1
    for (person, kind, number), count in counts.items():
        yield ShownCard(person, kind, number, count)
