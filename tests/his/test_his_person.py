"""1101 and 5206: who somebody is to medical aid, and what the year has given them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.his.person_numbers import token_of_number
from settlement.domain.eligibility import RosterPerson, RosterVersion, Window
from settlement.service.freshness import FreshnessLimits
from tests.his.desk import HisRoom, charge
from tests.settlement.house import NOW

CARD = "C00000001"
#: Made up: born on 1980-03-01, and the check digit holds.
WOMAN, MAN = "99010119800301002", "11010119800301001"
#: The demo district's categories, the best first, and their national codes.
ORDER = {
    "tekun": "7131", "guer": "7041", "dibao": "7019", "fanpin": "7202",
    "dibao_bianyuan": "7201", "dishouru": "", "yinbing": "7110",
}  # fmt: skip
TODAY = date(2026, 1, 5)


def resident(body: str) -> str:
    """An identity number with its check digit (GB 11643)."""
    weights = [2 ** (17 - place) % 11 for place in range(17)]
    total = sum(
        int(digit) * weight for digit, weight in zip(body, weights, strict=True)
    )
    return body + "10X98765432"[total % 11]


def by_card(number: str = CARD, **more: str) -> dict[str, Any]:
    """`input` with a social security card."""
    return {"data": {"mdtrt_cert_type": "03", "mdtrt_cert_no": number} | more}


def by_id(number: str, **more: str) -> dict[str, Any]:
    """`input` with a resident identity card."""
    return {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": number} | more}


async def test_tells_the_identity_with_the_quota(room: HisRoom) -> None:
    """One row, real times, the roster's age in the memo; names are not held."""
    await room.house.enrol(CARD, valid_to=date(2026, 12, 31))
    assert (await room.ask("2207", charge(CARD))).infcode == 0
    told = await room.ask("1101", by_card(card_sn="SN1", psn_name="张三"))
    assert (told.infcode, told.body["warn_msg"]) == (0, "")
    [row] = told.output["idetinfo"]
    assert row["psn_idet_type"] == "7019"
    assert row["psn_type_lv"] == ""
    assert (row["begntime"], row["endtime"]) == (
        "2020-01-01 00:00:00",
        "2026-12-31 23:59:59",
    )
    assert row["memo"].startswith("最低生活保障对象；名册版本 1，")
    assert "距今 1 天" in row["memo"]
    assert told.output["insuinfo"] == []
    base = told.output["baseinfo"]
    assert (base["psn_name"], base["certno"]) == ("", "")
    more = json.loads(base["exp_content"])
    assert more["maf_pay_year"] == "57.60"
    assert more["quota"][0] == {
        "pot": "outpatient", "cap": "6000.00", "used": "57.60", "remaining": "5942.40",
    }  # fmt: skip
    assert more["roster"]["version"] == 1


async def test_several_identities_stand_best_first_and_valid_ones_alone(
    room: HisRoom,
) -> None:
    """A HIS takes the first; `begntime` asks for another day than today."""
    for category, first, last in (
        ("dibao_bianyuan", date(2020, 1, 1), None),
        ("tekun", date(2020, 1, 1), date(2026, 1, 4)),
        ("dibao", date(2026, 1, 5), date(2026, 1, 5)),
        ("guer", date(2026, 1, 6), None),
    ):
        await room.house.enrol(CARD, category, first, last, person="one")
    told = await room.ask("1101", by_card())
    codes = [row["psn_idet_type"] for row in told.output["idetinfo"]]
    assert codes == ["7019", "7201"]
    assert [row["endtime"] for row in told.output["idetinfo"]][1] == ""
    before = await room.ask("1101", by_card(begntime="2026-01-04 23:59:59"))
    codes = [row["psn_idet_type"] for row in before.output["idetinfo"]]
    assert codes == ["7131", "7201"]
    late = await room.ask("1101", by_card(begntime="2026-01-06"))
    assert late.infcode == -2
    assert "begntime" in late.message


@pytest.mark.parametrize("male", [True, False], ids=["man", "woman"])
async def test_what_an_identity_number_says_itself_is_told(
    room: HisRoom, *, male: bool
) -> None:
    """Sex, birth and age; the number is given back and nothing else is known."""
    number = resident(MAN if male else WOMAN)
    token = await room.house.enrol("C77777", person=number)
    told = await room.ask("1101", by_id(number.lower()))
    base = told.output["baseinfo"]
    assert base["certno"] == number
    assert (base["psn_cert_type"], base["gend"]) == ("01", "1" if male else "2")
    assert (base["brdy"], base["age"]) == ("1980-03-01", Decimal("45.0"))
    assert len(told.output["idetinfo"]) == 1
    voucher = {"mdtrt_cert_type": "01", "mdtrt_cert_no": "TOKEN",
               "psn_cert_type": "01", "certno": number}  # fmt: skip
    same = await room.ask("1101", {"data": voucher})
    assert same.output["baseinfo"]["psn_no"] == base["psn_no"]
    found = token_of_number(room.house.tokenizer, "H001", base["psn_no"])
    assert found == token
    both = await room.ask("1101", by_card("C77777", psn_cert_type="01", certno=number))
    assert both.output["baseinfo"] | {"exp_content": ""} == base | {"exp_content": ""}


async def test_card_and_identity_number_of_two_persons_are_not_one(
    room: HisRoom,
) -> None:
    """Somebody else's card is found out before it is settled with."""
    await room.house.enrol(CARD)
    wrong = by_card(psn_cert_type="01", certno=resident(MAN))
    told = await room.ask("1101", wrong)
    assert (told.infcode, told.code) == (-2, "MA-1231")
    assert told.output == {}


async def test_who_cannot_be_told_is_refused(room: HisRoom) -> None:
    """An e-voucher's token says nothing, a wrong number nothing either."""
    await room.house.enrol(CARD)
    voucher = {"mdtrt_cert_type": "01", "mdtrt_cert_no": "TOKEN"}
    for data, code in (
        (voucher, "MA-1207"),
        ({}, "MA-1102"),
        (by_id("110101198003010011")["data"], "MA-1102"),
        (by_card(psn_cert_type="01", certno="110101198003010011")["data"], "MA-1102"),
        (by_card("!?")["data"], "MA-1102"),
    ):
        told = await room.ask("1101", {"data": data})
        assert (told.infcode, told.code) == (-2, code), data


async def test_nobody_on_the_roster_is_an_ordinary_patient(room: HisRoom) -> None:
    """Done, with an empty list and a word for the cashier; a card names nobody."""
    await room.house.enrol(CARD)
    for given_, is_known in ((by_card("C99999"), False), (by_id(resident(MAN)), True)):
        told = await room.ask("1101", given_)
        assert (told.infcode, told.output["idetinfo"]) == (0, [])
        assert told.body["warn_msg"].startswith("[MA-2101]")
        assert bool(told.output["baseinfo"]["psn_no"]) is is_known
        assert told.output["insuinfo"] == []


async def test_ended_and_coming_identities_are_said(room: HisRoom) -> None:
    """The cashier learns which it is."""
    await room.house.enrol("C22222", valid_to=date(2025, 12, 31))
    await room.house.enrol("C33333", valid_from=date(2026, 2, 1))
    for number, code in (("C22222", "MA-2102"), ("C33333", "MA-2103")):
        told = await room.ask("1101", by_card(number))
        assert (told.infcode, told.output["idetinfo"]) == (0, [])
        assert told.body["warn_msg"].startswith(f"[{code}]")


async def test_without_a_roster_nobody_is_called_ordinary(room: HisRoom) -> None:
    """To be asked again: -1, and no charge in full."""
    told = await room.ask("1101", by_card())
    assert (told.infcode, told.code) == (-1, "MA-2104")
    told = await room.ask("5206", by_card())
    assert (told.infcode, told.code) == (-1, "MA-2104")


async def test_a_stale_roster_gives_no_answer_where_the_operator_says_so(
    room: HisRoom,
) -> None:
    """And else a marked one."""
    await room.house.enrol(CARD)
    freshness = room.house.gateway.freshness
    freshness.limits = FreshnessLimits(age_s=3_600)
    told = await room.ask("1101", by_card())
    assert "已超过时限" in told.output["idetinfo"][0]["memo"]
    freshness.limits = replace(freshness.limits, refuses=True)
    told = await room.ask("1101", by_card())
    assert (told.infcode, told.code) == (-1, "MA-2106")


@pytest.mark.parametrize("table", ["accumulator", "posting"])
async def test_without_database_the_totals_are_left_out_and_said(
    room: HisRoom, table: str
) -> None:
    """The identity stands in the cache; 5206, which is its totals, is asked again."""
    await room.house.enrol(CARD)
    await room.house.database.pool.execute(f"ALTER TABLE {table} RENAME TO away")
    told = await room.ask("1101", by_card())
    assert (told.infcode, len(told.output["idetinfo"])) == (0, 1)
    assert told.body["warn_msg"].startswith("[MA-2105]")
    assert "quota" not in json.loads(told.output["baseinfo"]["exp_content"])
    told = await room.ask("5206", by_card())
    assert (told.infcode, told.code) == (-1, "MA-5105")


async def test_year_to_date_by_certificate_and_by_our_number(room: HisRoom) -> None:
    """Aid of every hospital in the year; what was taken back does not count."""
    await room.house.enrol(CARD)
    first = charge(CARD)
    settled = await room.ask("2207", first)
    assert settled.infcode == 0, settled.message
    elsewhere = {"fixmedins_code": "H99010000002"}
    assert (await room.ask("2207", charge(CARD), **elsewhere)).infcode == 0
    number = (await room.ask("1101", by_card())).output["baseinfo"]["psn_no"]
    for data in (
        {"psn_no": number, "cum_ym": "202601", "insutype": "390"},
        {"psn_no": "NATIONAL", "cum_ym": "2026-01", "insutype": "390"}
        | by_card()["data"],
    ):
        told = await room.ask("5206", {"data": data})
        assert (told.infcode, told.body["warn_msg"]) == (0, ""), told.message
        rows = told.output["cuminfo"]
        sums = {row["cum_type_code"]: row["cum"] for row in rows}
        assert sums["D610101"] == Decimal("115.20")
        assert sums["MAU_outpatient"] == Decimal("115.20")
        assert sums["MAR_outpatient"] == Decimal("5884.80")
        assert {(row["insutype"], row["year"]) for row in rows} == {("390", "2026")}
        assert {row["cum_ym"] for row in rows} == {data["cum_ym"]}
    undo = {
        "setl_id": settled.setlinfo["setl_id"],
        "mdtrt_id": first["data"]["mdtrt_id"],
        "psn_no": first["data"]["psn_no"],
    }
    assert (await room.ask("2208", {"data": undo})).infcode == 0
    told = await room.ask("5206", by_card())
    assert told.output["cuminfo"][0]["cum"] == Decimal("57.60")
    last_year = await room.ask("5206", by_card(cum_ym="2025"))
    assert last_year.output["cuminfo"][0]["cum"] == 0
    assert last_year.output["cuminfo"][0]["year"] == "2025"


async def test_a_number_that_is_not_ours_is_refused(room: HisRoom) -> None:
    """A national one says nothing to us, and another hospital's is nobody's here."""
    await room.house.enrol(CARD)
    number = (await room.ask("1101", by_card())).output["baseinfo"]["psn_no"]
    elsewhere = {"fixmedins_code": "H99010000002"}
    theirs = (await room.ask("1101", by_card(), **elsewhere)).output["baseinfo"]
    assert theirs["psn_no"] != number
    for psn_no in ("99010000000000000000000001", theirs["psn_no"]):
        told = await room.ask("5206", {"data": {"psn_no": psn_no}})
        assert (told.infcode, told.code) == (-2, "MA-1230")
    for month in ("202602", "2026-13", "20261", "1", "2027", "000001"):
        told = await room.ask("5206", {"data": {"psn_no": number, "cum_ym": month}})
        assert told.infcode == -2, month
        assert "cum_ym" in told.message
    nobody = await room.ask("5206", by_card("C99999999"))
    assert (nobody.infcode, nobody.output["cuminfo"]) == (0, [])
    assert nobody.body["warn_msg"].startswith("[MA-2101]")


_DAYS = st.integers(-40, 40).map(lambda days: TODAY + timedelta(days=days))
_WINDOWS = st.builds(
    lambda category, first, last: Window(
        category, first, last and max(first, last), ""
    ),
    st.sampled_from([*ORDER, "unheard-of"]),
    _DAYS,
    st.none() | _DAYS,
)


class _OnePerson:
    """A cache with one person in it."""

    def __init__(self, windows: list[Window]) -> None:
        ordered = sorted(windows, key=lambda each: (each.valid_from, each.category))
        self._person = RosterPerson(bytes(16), b"", tuple(ordered))

    def person_of_card(self, _card: object) -> tuple[RosterPerson, bool]:
        return self._person, True

    def person(self, _token: bytes) -> tuple[RosterPerson, bool]:
        return self._person, True

    def roster_version(self) -> RosterVersion:
        return RosterVersion(7, (NOW - timedelta(days=1)).isoformat())


@given(st.lists(_WINDOWS, max_size=8), st.integers(-20, 0))
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_the_list_is_what_is_valid_and_begins_with_the_best(
    room: HisRoom, windows: list[Window], days: int
) -> None:
    """Whatever windows a person has, and whatever day is asked for."""
    day = TODAY + timedelta(days=days)
    identities = room.house.gateway.identities
    kept = identities._cache
    identities._cache = _OnePerson(windows)
    try:
        told = await room.ask("1101", by_card(begntime=f"{day} 08:00:00"))
    finally:
        identities._cache = kept
    assert told.infcode == 0, told.message
    rows = told.output["idetinfo"]
    valid = [
        each
        for each in windows
        if each.valid_from <= day and (each.valid_to is None or day <= each.valid_to)
    ]
    ranks = [*ORDER, "unheard-of"]
    assert sorted((row["begntime"], row["endtime"]) for row in rows) == sorted(
        (
            f"{each.valid_from} 00:00:00",
            f"{each.valid_to} 23:59:59" if each.valid_to else "",
        )
        for each in valid
    )
    best_first = sorted(valid, key=lambda each: ranks.index(each.category))
    codes = [ORDER.get(each.category, "") for each in best_first]
    assert [row["psn_idet_type"] for row in rows] == codes
    assert bool(told.body["warn_msg"]) is not bool(valid)
