"""3101 and 3102: alerts in the shape of the screen that a HIS has for violations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from settlement.store.database import Database
from tests.his.desk import HisRoom, charge, new_msgid, open_room
from tests.watching.watched import open_watched

_ROW = {
    "jr_id": 50, "rule_id": 50, "rule_name": 200, "vola_cont": 500, "patn_id": 50,
    "mdtrt_id": 50, "vola_amt_stas": 3, "sev_deg": 3, "vola_evid": 500,
    "vola_bhvr_type": 3, "task_id": 50,
}  # fmt: skip
_COUNTS = (
    "SELECT (SELECT count(*) FROM settlement), (SELECT count(*) FROM alert),"
    " (SELECT count(*) FROM posting)"
)


@pytest.fixture
async def alerting(database: Database, tmp_path: Path) -> AsyncIterator[HisRoom]:
    """A room whose desk speaks: repeats are told, alike days elsewhere too."""
    async with (
        open_watched(database, tmp_path / "var") as house,
        open_room(house) as room,
    ):
        await house.enrol("C00000001")
        yield room


def asking(scene: str = "6", **more: Any) -> dict[str, Any]:
    """`input` of 3101."""
    data = {"syscode": "HIS", "patient_dtos": [], "rule_ids": "", "trig_scen": scene}
    return {"data": data | more}


def patient(visit: str, name: str = "P1") -> dict[str, Any]:
    """A patient as a HIS names one; most of it is not read."""
    return {"patn_id": name, "patn_name": "张三", "curr_mdtrt_id": visit}


async def repeated(room: HisRoom) -> tuple[dict[str, Any], dict[str, Any]]:
    """A charge that is settled, and one like it that is not."""
    first, second = charge(), charge()
    settled = await room.ask("2207", first)
    assert settled.infcode == 0, settled.message
    return first, second


async def test_a_charge_is_judged_before_it_is_settled(alerting: HisRoom) -> None:
    """What settling would tell stands in the HIS' own shape; nothing is stored."""
    _, second = await repeated(alerting)
    before = await alerting.house.database.pool.fetchrow(_COUNTS)
    rows: dict[str, dict[str, Any]] = {}
    for infno in ("3101", "3102"):
        visit = second["data"]["mdtrt_id"]
        told = await alerting.ask(
            infno, asking(patient_dtos=[patient(visit)]) | {"charge": second}
        )
        assert told.infcode == 0, told.message
        rows = {row["rule_id"]: row for row in told.output["result"]}
        row = rows["exact-repeat"]
        assert row["rule_name"] == "同一账单重复结算"
        assert row["sev_deg"] == "1"
        assert (row["patn_id"], row["mdtrt_id"]) == ("P1", visit)
        assert row["vola_amt"] == Decimal("90.00")
        [detail] = row["judge_result_detail_dtos"]
        assert detail["vola_item_type"] == "1"
        assert detail["patn_id"] == "P1"
        for name, most in _ROW.items():
            assert len(row[name]) <= most, name
        assert len({each["jr_id"] for each in rows.values()}) == len(rows)
    assert await alerting.house.database.pool.fetchrow(_COUNTS) == before
    settled = await alerting.ask("2207", second)
    alerts = settled.output["medaid"]["alerts"]
    assert {each["code"] for each in alerts} == set(rows)
    assert {each["text"]["zh"] for each in alerts} == {
        each["vola_cont"] for each in rows.values()
    }


async def test_of_a_visit_the_answers_alerts_are_told(alerting: HisRoom) -> None:
    """Of this hospital alone, and until the settlement is undone."""
    first, second = await repeated(alerting)
    settled = await alerting.ask("2207", second)
    visit = second["data"]["mdtrt_id"]
    patients = [patient(first["data"]["mdtrt_id"], "P0"), patient(visit), {}]
    told = await alerting.ask("3101", asking("7", patient_dtos=patients))
    assert told.infcode == 0, told.message
    assert {row["patn_id"] for row in told.output["result"]} == {"P1"}
    row = told.output["result"][0]
    assert row["task_id"] == settled.setlinfo["setl_id"]
    assert row["mdtrt_id"] == visit
    elsewhere = await alerting.ask(
        "3101", asking(patient_dtos=patients), fixmedins_code="H99010000002"
    )
    assert (elsewhere.infcode, elsewhere.output["result"]) == (0, [])
    undo = {
        "setl_id": settled.setlinfo["setl_id"],
        "mdtrt_id": visit,
        "psn_no": second["data"]["psn_no"],
    }
    assert (await alerting.ask("2208", {"data": undo})).infcode == 0
    again = await alerting.ask("3102", asking(patient_dtos=patient(visit)))
    assert (again.infcode, again.output["result"]) == (0, [])


async def test_rules_and_scenes_narrow(alerting: HisRoom) -> None:
    """Only the rules asked for; of other scenes than settling we know nothing."""
    _, second = await repeated(alerting)
    for rules, scene, expected in (
        (["exact-repeat"], "6", {"exact-repeat"}),
        ("exact-repeat, nothing", 7, {"exact-repeat"}),
        (["nothing"], "6", set()),
        (None, "2", set()),
        ("", "9", set()),
    ):
        given = asking(rule_ids=rules, trig_scen=scene) | {"charge": second}
        told = await alerting.ask("3101", given)
        assert told.infcode == 0, told.message
        assert {row["rule_id"] for row in told.output["result"]} == expected


async def test_another_hospitals_claims_show_no_more_than_the_alert_says(
    alerting: HisRoom,
) -> None:
    """Neither its name nor its visit, its number or its amounts."""
    first = charge()
    elsewhere = {"fixmedins_code": "H99010000002"}
    settled = await alerting.ask("2207", first, **elsewhere)
    assert settled.infcode == 0, settled.message
    told = await alerting.ask("3101", asking() | {"charge": charge()})
    assert told.output["result"]
    text = f"{told.body}"
    for secret in (
        first["data"]["mdtrt_id"],
        settled.setlinfo["setl_id"],
        settled.setlinfo["medins_setl_id"],
        "H002",
    ):
        assert secret not in text


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"data": {}}, "input.data.trig_scen"),
        (asking(rule_ids={"a": 1}), "input.data.rule_ids"),
        (asking(patient_dtos=["x"]), "input.data.patient_dtos[0]"),
        (asking(patient_dtos=[{"patn_id": "x" * 51}]), "input.data.patient_dtos[0]"),
        (asking() | {"charge": {"data": {}}}, "input.charge."),
        (asking() | {"charge": "x"}, "input.charge."),
    ],
)
async def test_what_is_malformed_is_named(
    room: HisRoom, given: dict[str, Any], field: str
) -> None:
    """By the path at which the sender wrote it."""
    told = await room.ask("3101", given, msgid=new_msgid())
    assert told.infcode == -2
    assert field in told.message


async def test_without_rules_there_are_no_alerts(room: HisRoom) -> None:
    """An empty list, which a HIS lets pass."""
    await room.house.enrol("C00000001")
    told = await room.ask("3102", asking() | {"charge": charge()})
    assert (told.infcode, told.output) == (0, {"result": []})
