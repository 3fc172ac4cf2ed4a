"""One difference between the sides, and the id under which it stays known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date

from settlement.domain.matching.items import Amounts
from settlement.domain.matching.kinds import KINDS, Kind, Owner, Repair

_ID_BYTES = 16
_ID_PURPOSE = b"medaid difference 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where the sides disagree about one settlement, and what to do about it."""

    kind: Kind
    settlement_id: bytes | None
    """`None` for lines that name no settlement of ours."""
    lines: tuple[int, ...]
    """Lines of the hospital's list that say so, the first `LINES_SHOWN` of them."""
    visit_no: str
    key: str
    """Idempotency key of the settlement: ours, or as the list has it."""
    hospital: Amounts | None
    """What the list's lines come to; `None` without a line."""
    gateway: Amounts | None
    """What the ledger counts; `None` where it has nothing in the period."""
    bureau: Amounts | None
    """What the records count; `None` without a record, or with none to match."""
    repair: Repair
    actual_day: date | None = None
    """For `other_period`: the day to which the settlement belongs."""
    reversal_id: bytes | None = None
    """Of our reversal, where there is one."""
    listed_id: str = ""
    """The id as the list has it, where it is none of ours."""

    @property
    def owner(self) -> Owner:
        """Who has to act."""
        return KINDS[self.kind].owner


def difference_id(
    month_or_day: str, facility_code: str, difference: Difference
) -> bytes:
    """16 bytes: the same whenever the same difference is found again.

    It is made of the period (`YYYY-MM` or `YYYY-MM-DD`), the facility, the kind, and
    what names the settlement: its id or, without one, visit number, key and listed id.
    Neither amounts nor lines take part, so corrected amounts and a list in another
    order leave it as it is. Within one match no two differences share it.
    """
    if difference.settlement_id is not None:
        names = [difference.settlement_id]
    else:
        texts = (difference.visit_no, difference.key, difference.listed_id)
        names = [b"", *(text.encode() for text in texts)]
    parts = (month_or_day, facility_code, difference.kind.value)
    digest = hashlib.sha256(_ID_PURPOSE)
    for part in (*(text.encode() for text in parts), *names):
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()[:_ID_BYTES]
