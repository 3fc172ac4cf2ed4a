from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from settlement.service.parties import officer_keys, revoke
from settlement.store.database import Database
from tests.reconcile.months import Months, open_months


@pytest.fixture
async def months(database: Database, tmp_path: Path) -> AsyncIterator[Months]:
    """Give a gateway with two officers."""
    async with open_months(database, tmp_path / "var") as made:
        yield made


async def test_officers_keys_are_told_with_their_codes(months: Months) -> None:
    """Revoked ones too, with their last day: what they signed before stays signed."""
    key = months.officers["li"].public
    at = datetime(2030, 1, 31, 16, tzinfo=UTC)
    await revoke(months.database, key.kid, now=at)
    found = {each.name: each for each in await officer_keys(months.database)}

    assert set(found) == {"li", "wang"}
    assert found["li"].kid == key.kid
    assert found["li"].not_after == date(2030, 2, 1)
    assert found["wang"].not_after is None
