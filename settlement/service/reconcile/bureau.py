"""The bureau's view of a month: what its own key reads in the sealed records.

Nothing of the tables is believed here but the records' bytes. Each is verified
against the trust file, opened, and what is sealed is compared with what is in clear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crypto.errors import CryptoError
from crypto.keys import OpeningKey
from crypto.record import check_sealed_copies, open_record, verify_record
from crypto.trust import Trust
from settlement.store.told import ToldRow, add_told, begin_told, month_records

if TYPE_CHECKING:
    from settlement.store.database import Session
    from settlement.store.periods import OpenedMonth


class UnreadableRecordError(Exception):
    """A record does not verify or open: call the operator, not the hospital."""

    def __init__(self, index: int, code: str) -> None:
        """Where in the log, and the reason's code."""
        super().__init__(
            f"the record at index {index} of the log cannot be read ({code});"
            " medaid check-books says more"
        )


@dataclass(frozen=True, slots=True)
class BureauView:
    """The bureau's key and whom it trusts."""

    key: OpeningKey
    trust: Trust

    async def read(
        self, session: Session, cut: OpenedMonth, progress: Callable[[int], None]
    ) -> None:
        """Read the month's records into the table `told` of this session.

        Raises `UnreadableRecordError`.
        """
        await begin_told(session)
        async for records in month_records(session, cut):
            await add_told(session, list(self._rows(records)))
            progress(len(records))

    def _rows(self, records: list[tuple[int, bytes]]) -> Iterator[ToldRow]:
        for index, record in records:
            try:
                verified = verify_record(record, self.trust)
                check_sealed_copies(verified, open_record(verified, self.key))
            except CryptoError as error:
                raise UnreadableRecordError(index, error.code) from error
            claims = verified.claims
            if claims["op"] == "tombstone":
                continue
            is_reversal = claims["op"] == "reverse"
            yield ToldRow(
                str(claims["facility"]),
                bytes.fromhex(str(claims["ref" if is_reversal else "sid"])),
                is_reversal,
                int(claims["total_fen"]),
                int(claims["aid_fen"]),
            )
