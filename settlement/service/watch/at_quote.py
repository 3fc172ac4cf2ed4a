"""What the desk's detectors would say of a bill that is only quoted.

The same detectors by the same rules as `at_desk`, over what is committed; nothing is
raised, stored or locked. Without rules in force no query is made, with them one, by
index.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from settlement.domain.bill import Bill
from settlement.domain.calendar import shanghai_day
from settlement.domain.decision import Adjudication
from settlement.domain.errors import RequestRefused
from settlement.service.asking import Asked
from settlement.service.claims import SettleClaim, month_number
from settlement.service.ports import Caller, When
from settlement.service.watch.at_desk import AtDesk, Verdict
from settlement.service.watch.shelf import RulesShelf
from settlement.store.errors import (
    BatchConflictError,
    BatchRefusedError,
    StoreUnavailableError,
)
from settlement.store.find import reading_faults
from settlement.store.ledger import Ledger

if TYPE_CHECKING:
    from settlement.store.database import Connection, Database

#: Behind every settlement's: of two bills of one instant the quoted one comes last.
_QUOTED_ID = b"\xff" * 16


class AtQuote:
    """Asks the detectors without raising anything."""

    def __init__(self, shelf: RulesShelf, database: Database) -> None:
        """`shelf` is the one that settling follows."""
        self._shelf = shelf
        self._database = database

    async def judge(
        self, caller: Caller, bill: Bill, asked: Asked, when: When, result: Adjudication
    ) -> Verdict:
        """What settling this bill now would tell, hold or deny.

        Raises `RequestRefused` MA-5101 or MA-5105 where the history cannot be read.
        """
        if self._shelf.in_force(shanghai_day(when.settled_at), when.settled_at) is None:
            return Verdict()
        claim = _as_claim(caller, bill, asked, when)
        desk = AtDesk(self._shelf)
        try:
            with reading_faults():
                async with self._database.pool.acquire() as session:
                    ledger = Ledger(cast("Connection", session))
                    await desk.recall(ledger, [claim], {})
        except (StoreUnavailableError, BatchConflictError, BatchRefusedError) as error:
            raise RequestRefused("MA-5105", retry_after_s=2) from error
        return desk.judge(claim, result)


def _as_claim(caller: Caller, bill: Bill, asked: Asked, when: When) -> SettleClaim:
    """The bill as the desk sees one; under no key, and nobody waits for its answer."""
    return SettleClaim(
        caller=caller,
        key="",
        bill=bill,
        when=when,
        id=_QUOTED_ID,
        month=month_number(when.settled_at),
        card_token=b"",
        values=[],
        request=b"",
        person=asked.person,
        roster=asked.roster,
        pack=asked.pack,
        answer=asyncio.get_running_loop().create_future(),
    )
