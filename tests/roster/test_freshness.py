"""Past the operator's limit the roster is stale: marked, or not answered by."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.config import SettingsFault, read_settings
from settlement.domain.bill import Card, CardKind
from settlement.domain.eligibility import RosterVersion
from settlement.domain.errors import RequestRefused
from settlement.service.freshness import Freshness, FreshnessLimits
from settlement.service.ports import Answer
from settlement.store.database import Database
from tests.settlement.house import (
    NOW,
    House,
    assert_books_clean,
    bill,
    body,
    caller,
    open_house,
)

_CARD = Card(kind=CardKind.SOCIAL_SECURITY_CARD, number="C1")
_DAY = date(2026, 1, 5)
#: The roster of the test is a day old.
_OLD = FreshnessLimits(age_s=86_399)
_YOUNG = FreshnessLimits(age_s=86_400)
_REFUSES = FreshnessLimits(age_s=86_399, refuses=True)


class Clock:
    """A monotonic clock that stands until it is set on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def opened(database: Database, tmp_path: Path) -> Any:
    """Give a gateway with these limits, one person on its roster."""

    @asynccontextmanager
    async def open_(limits: FreshnessLimits) -> AsyncIterator[House]:
        place = tmp_path / "var"
        async with open_house(database, place, freshness=limits) as house:
            await house.enrol("C1")
            yield house

    return open_


Opened = Callable[[FreshnessLimits], Any]


async def asked(house: House) -> dict[str, Any]:
    """Ask for eligibility."""
    answer: Answer = await house.gateway.eligibility(
        caller(), _CARD, _DAY, house.when()
    )
    return body(answer)


async def quoted(house: House) -> dict[str, Any]:
    """Ask for a quote."""
    return body(await house.gateway.quote(caller(), bill("C1"), house.when()))


async def refused_code(call: Any) -> str:
    """The code with which a call is refused."""
    with pytest.raises(RequestRefused) as refusal:
        await call
    return refusal.value.reason


async def test_within_the_limit_nothing_is_stale(opened: Opened) -> None:
    """To the second: a day old, and a day is allowed."""
    async with opened(_YOUNG) as house:
        answers = [await asked(house), await quoted(house)]
        answers.append(body(await house.settle(bill("C1"))))

    assert [each["roster"]["stale"] for each in answers] == [False] * 3
    assert [each["roster"]["age_s"] for each in answers] == [86_400] * 3


async def test_old_roster_is_served_and_marked(opened: Opened) -> None:
    """Every answer says it, with version and age; all are decided as ever."""
    async with opened(_OLD) as house:
        eligible, quote = await asked(house), await quoted(house)
        settled = body(await house.settle(bill("C1")))
        assert await house.gateway.not_ready() == []
        await assert_books_clean(house)

    assert eligible["status"] == "eligible"
    assert quote["decision"] == settled["decision"] == "approved"
    for answer in (eligible, quote, settled):
        assert answer["roster"]["stale"] is True
        assert answer["roster"]["version"] == 1
        assert answer["roster"]["age_s"] == 86_400


async def test_old_roster_is_not_answered_by(opened: Opened) -> None:
    """Cannot tell is no decline: nothing is kept, the same key settles later."""
    async with opened(_REFUSES) as house:
        unknown = await asked(house)
        one = bill("C1")

        assert (unknown["status"], unknown["reason"]["code"]) == ("unknown", "MA-2106")
        assert unknown["category"] is unknown["quota"] is None
        assert unknown["roster"]["stale"] is True
        assert await refused_code(quoted(house)) == "MA-2106"
        assert await refused_code(house.settle(one, "k1")) == "MA-2106"
        codes = {found.code for found in await house.gateway.findings()}
        assert "roster_refused" in codes
        assert await house.gateway.not_ready()

        # A newer file: the same key.
        await house.enrol("C2")
        fresh = NOW - timedelta(seconds=1)
        answer = body(await house.settle(one, "k1", settled_at=fresh))
        assert answer["decision"] == "approved"
        assert answer["roster"]["stale"] is False
        # What is known is told, and undone, by however old a roster.
        again = body(await house.settle(one, "k1"))
        assert again == answer
        undone = body(await house.reverse(settlement_id=answer["settlement_id"]))
        assert undone["state"] == "reversed"
        await assert_books_clean(house)


async def test_worker_cut_off_says_so_and_settles_by_the_database(
    opened: Opened,
) -> None:
    """Unconfirmed: eligibility and quotes are marked; settling reads the database."""
    clock = Clock()
    async with opened(FreshnessLimits(age_s=0, unconfirmed_s=60)) as house:
        house.gateway.freshness._clock = clock
        house.gateway.freshness.confirm()
        clock.now = 60.0
        assert (await asked(house))["roster"]["stale"] is False
        clock.now = 60.1
        assert (await asked(house))["roster"]["stale"] is True
        assert (await quoted(house))["roster"]["stale"] is True
        assert body(await house.settle(bill("C1")))["roster"]["stale"] is False

        # The next look finds cache and database equal.
        await house.gateway.health.look()
        assert house.gateway.freshness.unconfirmed_s == 0
        assert (await asked(house))["roster"]["stale"] is False


async def test_worker_cut_off_may_be_silent(opened: Opened) -> None:
    """As the operator chose; settling, which asks the database, goes on."""
    clock = Clock()
    limits = FreshnessLimits(age_s=0, unconfirmed_s=60, refuses=True)
    async with opened(limits) as house:
        house.gateway.freshness._clock = clock
        clock.now = house.gateway.freshness._confirmed_at + 61

        assert (await asked(house))["reason"]["code"] == "MA-2106"
        assert await refused_code(quoted(house)) == "MA-2106"
        assert body(await house.settle(bill("C1")))["decision"] == "approved"


class Behind:
    """A cache of the version before."""

    def roster_version(self) -> RosterVersion:
        """The version that the database had."""
        return RosterVersion(1, "2026-01-04T00:00:00Z")


async def test_cache_behind_is_not_confirmed(opened: Opened) -> None:
    """Reaching the database is not enough: the versions must be equal."""
    clock = Clock()
    async with opened(_YOUNG) as house:
        await house.enrol("C2")
        freshness, health = house.gateway.freshness, house.gateway.health
        freshness._clock = clock
        freshness.confirm()
        clock.now = 5.0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(health, "_cache", Behind())
            assert (await health.look()).lag_versions == 1
        assert freshness.unconfirmed_s == 5.0
        await health.look()
        assert freshness.unconfirmed_s == 0


def test_limits_of_nought_never_hold() -> None:
    """0 means no limit, and without a roster nothing is old."""
    clock = Clock()
    freshness = Freshness(FreshnessLimits(age_s=0, unconfirmed_s=0), clock)
    clock.now = 1e9

    assert not freshness.is_stale(None, NOW)
    assert not FreshnessLimits(age_s=1).is_old(None, NOW)


def test_settings_say_it(tmp_path: Path) -> None:
    """By file and by environment, as all settings."""
    config = tmp_path / "serve.toml"
    config.write_text('roster_stale_after_s = 7200\nroster_when_stale = "refuse"\n')

    limits = read_settings(
        {}, {"MEDAID_ROSTER_UNCONFIRMED_S": "30"}, config
    ).freshness()

    assert limits == FreshnessLimits(age_s=7_200, unconfirmed_s=30, refuses=True)
    assert read_settings({}, {}, None).freshness() == FreshnessLimits()
    with pytest.raises(SettingsFault, match="at least 15"):
        read_settings({}, {"MEDAID_ROSTER_UNCONFIRMED_S": "14"}, None)
    with pytest.raises(SettingsFault, match="roster_when_stale"):
        read_settings({}, {"MEDAID_ROSTER_WHEN_STALE": "guess"}, None)
