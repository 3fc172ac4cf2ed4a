"""The person and the roster's version in an answer are of one moment."""

from collections.abc import Sequence
from datetime import date

import pytest

from settlement.domain.eligibility import RosterPerson
from settlement.store.ledger import Ledger
from tests.settlement.house import House, assert_books_clean, bill, body


async def test_roster_file_that_comes_in_between_keys_and_persons(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version that is recorded is the one that the person was read from.

    Found by the simulation: a file taken in between the two statements gave the
    person of the new version under the old version's number.
    """
    await house.enrol("C1")
    unpatched = Ledger.persons_by_card

    async def late(self: Ledger, cards: Sequence[bytes]) -> dict[bytes, RosterPerson]:
        await _end_window(house, version=3)
        return await unpatched(self, cards)

    await _end_window(house, version=2, ring=False)
    monkeypatch.setattr(Ledger, "persons_by_card", late)
    answer = body(await house.settle(bill("C1")))

    assert answer["roster"]["version"] == 3
    assert answer["decision"] == "declined"
    await assert_books_clean(house)


async def _end_window(house: House, version: int, *, ring: bool = True) -> None:
    """Take a file in: from version 3 on the person's window is over."""
    token = house.tokenizer.person("person-C1")
    last = None if version == 2 else date(2025, 1, 1)
    async with house.database.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "UPDATE roster_window SET valid_to = $1 WHERE person = $2", last, token
        )
        await connection.execute("UPDATE roster_head SET version = $1", version)
        if ring:
            await connection.execute("NOTIFY roster_change")
