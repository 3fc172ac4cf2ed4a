"""Past months under another pack: hand-made months with outcomes worked out by hand.

The bill of these tests: 232 yuan in policy, 160 paid by the insurers, base 72 yuan;
低保门诊 80 %: 57.60; at 90 %: 64.80.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from settlement.domain.bill import Bill, CareType
from settlement.domain.policy import compile_pack
from settlement.service.policy_past import Reader
from settlement.service.policy_replay import Doubt, LeftOut
from settlement.service.policy_simulation import Simulation, Stretch, simulate
from settlement.store.database import Database
from tests.officer.demo_variants import (
    HIGHER_RATE,
    LOWER_CAP,
    NO_REFERRAL,
    demo_variant,
)
from tests.policy.small_pack import SMALL
from tests.settlement.house import DEMO_PACK, House, bill, body

JANUARY = 2026_01
_ITS_KEY = "insurance_deductible"
_STATES = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t"


async def simulated(
    house: House, document: bytes, first: int = JANUARY, last: int = JANUARY
) -> Simulation:
    """What the pack makes of the months."""
    reader = Reader(house.trust, house.opening)
    pack = compile_pack(document)
    return await simulate(house.database, reader, pack, Stretch(first, last))


def on(day: int, month: int = 1) -> datetime:
    """Morning of a day of 2026."""
    return datetime(2026, month, day, 2, 0, tzinfo=UTC)


def bill_on(number: str, day: int, month: int = 1, **changes: Any) -> Bill:
    """The bill of a day of 2026."""
    service = date(2026, month, day)
    dates = {"service_start": service, "service_end": service}
    return bill(number, **(dates | changes))


async def settled(house: House, bill_: Bill, at: datetime) -> dict[str, Any]:
    """The answer to a bill."""
    return body(await house.settle(bill_, settled_at=at))


async def whole_database(database: Database) -> dict[str, Any]:
    """Every row of every table, as one digest each."""
    async with database.pool.acquire() as connection:
        tables = await connection.fetch(
            "SELECT schemaname || '.' || tablename AS name FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        return {
            row["name"]: tuple(
                await connection.fetchrow(_STATES.format(row["name"])) or ()
            )
            for row in tables
        }


async def busy_month(house: House) -> None:
    """Two persons, two months: caps, a reversal, declines, two identities, a stay."""
    await house.enrol("C00000001", "dibao")
    await house.enrol("C00000002", "dibao_bianyuan", person="two")
    await house.enrol("C00000002", "dibao", date(2026, 1, 10), person="two")
    await settled(house, bill_on("C00000001", 28, 12, **_year(2025)), on(2))
    big: dict[str, Any] = {
        "total_fen": 750_000,
        "in_policy_fen": 748_200,
        "basic_insurance_fen": 0,
    }
    special: dict[str, Any] = {"care_type": CareType.OUTPATIENT_SPECIAL}
    for day in range(5, 20):
        await settled(house, bill_on("C00000001", day, **big), on(day))
    first = await settled(house, bill_on("C00000002", 6), on(6))
    await settled(house, bill_on("C00000002", 11), on(11))
    await house.reverse(settlement_id=first["settlement_id"])
    await settled(house, bill_on("C00000002", 12, **special), on(12))
    stay: dict[str, Any] = {"care_type": CareType.INPATIENT, "referred": False}
    await settled(house, bill_on("C00000001", 20, **stay), on(20))
    await settled(house, bill_on("C00000001", 21, medical_aid_fen=1), on(21))
    await settled(house, bill_on("C00000009", 21), on(21))
    await settled(house, bill_on("C00000001", 3, 2), on(3, 2))


def _year(year: int) -> dict[str, Any]:
    return {"service_start": date(year, 12, 28), "service_end": date(year, 12, 28)}


async def test_pack_in_force_changes_nothing(house: House) -> None:
    """Whatever happened, the pack that decided gives the same fen for everything."""
    await busy_month(house)

    found = await simulated(house, DEMO_PACK.read_bytes())

    assert found.total.settlements_before > 10
    assert found.total.settlements_before == found.total.settlements_after
    assert found.total.aid_before_fen == found.total.aid_after_fen > 0
    assert (found.changed, found.newly_approved, found.newly_declined) == (0, 0, 0)
    assert found.gains == found.losses == []
    assert (found.persons_gaining, found.persons_losing) == (0, 0)
    assert found.capped == {}
    assert found.declines_of_nobody == 1


async def test_nothing_is_written(house: House) -> None:
    """Every row of every table is what it was."""
    await busy_month(house)
    before = await whole_database(house.database)

    await simulated(house, demo_variant(HIGHER_RATE, NO_REFERRAL))

    assert before["public.settlement"][0] > 10
    assert await whole_database(house.database) == before


async def test_higher_rate(house: House) -> None:
    """Two bills of 低保 gain 7.20 yuan each; 低保边缘 and December stay."""
    await house.enrol("C00000001", "dibao")
    await house.enrol("C00000002", "dibao_bianyuan")
    await settled(house, bill_on("C00000001", 28, **_year(2025)), on(2, 2))
    one = await settled(house, bill_on("C00000001", 5), on(5))
    await settled(house, bill_on("C00000001", 6), on(6))
    await settled(house, bill_on("C00000002", 6), on(6))

    found = await simulated(house, demo_variant(HIGHER_RATE))

    dibao, edge = found.by_category["dibao"], found.by_category["dibao_bianyuan"]
    assert (dibao.aid_before_fen, dibao.aid_after_fen) == (11_520, 12_960)
    assert (edge.aid_before_fen, edge.aid_after_fen) == (3_720, 3_720)
    assert found.total.difference_fen == 1_440
    assert found.by_subdistrict["990101001"].difference_fen == 1_440
    assert found.by_care["outpatient"].difference_fen == 1_440
    assert found.by_month == {JANUARY: found.total}
    assert (found.persons, found.persons_gaining, found.persons_losing) == (2, 1, 0)
    assert found.bands == {(1, 1): 1, (0, 0): 1}
    assert found.changed == 2
    assert one["settlement_id"] in {each.id.hex() for each in found.gains}
    assert {each.difference_fen for each in found.gains} == {720}


async def test_lower_cap_counts_what_was_used_before_the_month(house: House) -> None:
    """57.60 in January; of 100 yuan, 42.40 are left for February's first bill."""
    await house.enrol("C00000001", "dibao")
    await settled(house, bill_on("C00000001", 5), on(5))
    await settled(house, bill_on("C00000001", 3, 2), on(3, 2))
    await settled(house, bill_on("C00000001", 4, 2), on(4, 2))

    found = await simulated(house, demo_variant(LOWER_CAP), 2026_02, 2026_02)

    assert (found.total.aid_before_fen, found.total.aid_after_fen) == (11_520, 4_240)
    assert [each.difference_fen for each in found.losses] == [-5_760, -1_520]
    assert found.capped == {"outpatient": 1}
    assert found.reasons == {"MA-2000": 1, "MA-2002": 1}
    assert found.bands == {(-1, 2): 1}


async def test_reversal_gives_back_what_the_pack_would_have_posted(
    house: House,
) -> None:
    """Under a cap of 100: 57.60, then it is taken back, then 57.60 again."""
    await house.enrol("C00000001", "dibao")
    first = await settled(house, bill_on("C00000001", 5), on(5))
    await house.reverse(settlement_id=first["settlement_id"])
    await settled(house, bill_on("C00000001", 6), on(6))

    found = await simulated(house, demo_variant(LOWER_CAP))

    assert found.total.settlements_before == 1
    assert found.total.aid_after_fen == 5_760
    assert found.capped == {}


async def test_reversal_gives_back_the_packs_amount_and_not_the_stored_one(
    house: House,
) -> None:
    """90 % under a cap of 100: 64.80 and back, 64.80, and all of the 35.20 left."""
    await house.enrol("C00000001", "dibao")
    first = await settled(house, bill_on("C00000001", 5), on(5))
    await house.reverse(settlement_id=first["settlement_id"])
    await settled(house, bill_on("C00000001", 6), on(6))
    await settled(house, bill_on("C00000001", 7), on(7))

    found = await simulated(house, demo_variant(HIGHER_RATE, LOWER_CAP))

    assert found.total.aid_after_fen == 6_480 + 3_520
    assert found.capped == {"outpatient": 1}


async def test_decline_for_want_of_a_referral_is_decided_again(house: House) -> None:
    """85 % of 72 yuan; of the same bill under two keys only one counts."""
    await house.enrol("C00000001", "dibao")
    stay = bill_on(
        "C00000001", 5, care_type=CareType.INPATIENT, referred=False, visit_no="ZY-1"
    )
    for _ in range(2):
        assert (await settled(house, stay, on(5)))["reason"]["code"] == "MA-2206"
    again = bill_on("C00000001", 6)
    await settled(house, again, on(6))
    assert (await settled(house, again, on(6)))["reason"]["code"] == "MA-2202"

    found = await simulated(house, demo_variant(NO_REFERRAL))

    assert found.newly_approved == 1
    assert found.total.difference_fen == 6_120
    assert found.left_out == {LeftOut.OTHER_KEY: 1, LeftOut.OTHER_REASON: 1}


async def test_every_identity_of_the_dates_counts(house: House) -> None:
    """低保 80 % decided; at 95 % 低保边缘 gives more: 95 % of 62 yuan, after 10."""
    await house.enrol("C00000001", "dibao", person="p")
    await house.enrol("C00000001", "dibao_bianyuan", person="p")
    await house.enrol("C00000001", "tekun", date(2026, 1, 6), person="p")
    await settled(house, bill_on("C00000001", 5), on(5))
    edge = "  dibao_bianyuan:\n    outpatient: {value: %s, source: rate_bianyuan}"

    found = await simulated(house, demo_variant((edge % "60%", edge % "95%")))

    assert found.total.difference_fen == 5_890 - 5_760
    assert found.by_category["dibao"].settlements_before == 1
    assert found.by_category["dibao"].settlements_after == 0
    assert found.by_category["dibao_bianyuan"].aid_after_fen == 5_890


async def test_earlier_month_taken_back_within_the_month(house: House) -> None:
    """January's 57.60 are given back as posted, so February has all 100 yuan."""
    await house.enrol("C00000001", "dibao")
    january = await settled(house, bill_on("C00000001", 5), on(5))
    await settled(house, bill_on("C00000001", 3, 2), on(3, 2))
    await house.reverse(settlement_id=january["settlement_id"])
    await settled(house, bill_on("C00000001", 4, 2), on(4, 2))

    found = await simulated(house, demo_variant(LOWER_CAP), 2026_02, 2026_02)

    # 42.40 beside January's 57.60; after its return 57.60 of the same 100 are free.
    assert found.total.aid_before_fen == 11_520
    assert found.total.aid_after_fen == 4_240 + 5_760


async def test_bill_without_a_field_that_the_pack_needs(house: House) -> None:
    """It keeps what it got, and is counted."""
    await house.enrol("C00000001", "dibao")
    await settled(house, bill_on("C00000001", 5), on(5))
    await settled(house, bill_on("C00000001", 6, deductible_fen=0), on(6))
    line = "  pre_selfpay: {value: 不计入, source: base}"
    rests_on_it = (line, f"{line}\n{line.replace('pre_selfpay', _ITS_KEY)}")

    found = await simulated(house, demo_variant(HIGHER_RATE, rests_on_it))

    assert found.left_out == {LeftOut.MISSING_FIELD: 1}
    assert found.total.difference_fen == 720


async def test_category_that_the_pack_does_not_know(house: House) -> None:
    """Counted without aid, and said: it may be a spelling that was forgotten."""
    await house.enrol("C00000001", "dibao")
    await settled(house, bill_on("C00000001", 5), on(5))

    found = await simulated(house, SMALL.encode())

    assert found.doubts == {Doubt.UNKNOWN_CATEGORY: 1}
    assert found.total.aid_after_fen == 0
    assert found.reasons == {"MA-2004": 1}


async def test_identity_added_since_is_left_aside_and_said(house: House) -> None:
    """A window of a later roster would have changed the result, and it was no rule."""
    await house.enrol("C00000001", "dibao_bianyuan", person="p")
    await settled(house, bill_on("C00000001", 5), on(5))
    await house.enrol("C00000001", "tekun", person="p")

    found = await simulated(house, DEMO_PACK.read_bytes())

    assert found.changed == 0
    assert found.doubts == {Doubt.IDENTITY_CHANGED: 1}


@pytest.mark.parametrize(
    ("month", "first"), [(2026_01, 2025_02), (2026_12, 2026_01), (2026_11, 2025_12)]
)
def test_twelve_months(month: int, first: int) -> None:
    """They end with the month given."""
    assert Stretch.year_to(month) == Stretch(first, month)
