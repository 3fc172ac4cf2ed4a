"""What a pack whose dates begin in the past would have decided otherwise.

A list, and nothing but a list: what is settled stays settled.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import TYPE_CHECKING

from settlement.domain.policy import CompiledPack
from settlement.service.policy_past import Reader
from settlement.service.policy_replay import PersonResult, by_dates
from settlement.service.policy_simulation import Progress, Stretch, redecide
from settlement.store.past import past_counts

if TYPE_CHECKING:
    from settlement.store.database import Database

_END_OF_TIME = 9999_12


def since(day: date) -> Stretch:
    """The months in which care of this day and after can have been settled.

    A bill is never settled before its last day of service.
    """
    return Stretch(day.year * 100 + day.month, _END_OF_TIME)


async def differing(
    database: Database,
    reader: Reader,
    pack: CompiledPack,
    progress: Progress = lambda _done, _total: None,
) -> AsyncIterator[PersonResult]:
    """Persons with a settlement in force that the pack would decide otherwise.

    Only days that the pack covers count. Raises `CryptoError` for a record that
    does not verify or open.
    """
    stretch = since(pack.document.in_force_from)
    persons = (await past_counts(database, stretch.first, stretch.last)).persons
    done = 0
    async for result in redecide(database, reader, pack, stretch, by_dates(pack)):
        done += 1
        progress(done, persons)
        result.redecided = [each for each in result.redecided if each.differs]
        yield result
