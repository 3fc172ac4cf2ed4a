"""The queue over HTTP: pages, cases, and working them off, for those who may."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.wire_alert_answers import (
    AlertsOut,
    CasesOut,
    CaseWorkedOut,
    OpenedCaseOut,
    RaisedAlertOut,
)
from settlement.store.database import Database
from tests.acceptance.desk import Answer, Desk
from tests.alerts_http.rooms import CLAIM, Room, open_room
from tests.alerts_http.streams import put_alerts, put_case


@pytest.fixture
async def room(database: Database) -> AsyncIterator[Room]:
    """An edge with alerts."""
    async with open_room(database) as room:
        yield room


async def work(desk: Desk, case: bytes, step: str, **body: Any) -> Answer:
    """One step of working a case off."""
    path = f"/v1/alert-cases/{case.hex()}/{step}"
    return await desk.ask("POST", path, body, at=None)


async def test_pages_have_each_alert_once(room: Room) -> None:
    """In the order of raising, until `next` is null, also while others are raised."""
    desk = room.desks["A001"]
    await put_alerts(room.database, CLAIM, 25)
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        answer = await desk.get(f"/v1/alerts?limit=10&after={after}")
        AlertsOut.model_validate_json(answer.body, strict=True)
        page = answer.json()
        seen += [each["no"] for each in page["items"]]
        after = page["next"]
        if len(seen) == 10:
            await put_alerts(room.database, CLAIM, 3)

    assert len(seen) == 28
    assert seen == sorted(set(seen))


async def test_what_narrows_the_queue(room: Room) -> None:
    """Detector, case, state; raised alerts alone where no state is named."""
    desk = room.desks["B001"]
    await put_alerts(room.database, CLAIM, 2)
    case = await put_case(room.database, CLAIM)
    await room.database.pool.execute(
        "UPDATE alert SET state = 'withdrawn' WHERE no = 1"
    )

    async def count(query: str) -> int:
        answer = await desk.get(f"/v1/alerts{query}")
        assert answer.status == 200, answer.body
        return len(answer.json()["items"])

    assert await count("") == await count("?state=raised") == 2
    assert await count("?state=all") == 3
    assert await count("?state=withdrawn") == 1
    assert await count(f"?case_id={case.hex()}") == 1
    assert await count("?detector=exact-repeat") == 2
    assert await count("?detector=too-soon") == 0


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/alerts?state=open", "state"),
        ("/v1/alerts?after=x", "after"),
        ("/v1/alerts?limit=0", "limit"),
        ("/v1/alerts?limit=1001", "limit"),
        ("/v1/alerts?limit=1&limit=2", "limit"),
        ("/v1/alerts?case_id=1", "case_id"),
        ("/v1/alerts?detector=EXACT", "detector"),
        ("/v1/alerts?person=1", "person"),
        ("/v1/alert-cases?state=open", "state"),
        ("/v1/alert-cases?after=1", "after"),
    ],
)
async def test_queries_that_mean_nothing(room: Room, path: str, field: str) -> None:
    """Refused at the field, never taken for something near."""
    answer = await room.desks["B001"].get(path)

    assert (answer.status, answer.code) == (422, "MA-1102")
    assert [each["path"] for each in answer.json()["fields"]] == [field]


async def test_one_alert_and_one_case(room: Room) -> None:
    """In the described shapes; what is not there is 404 under the code of its kind."""
    case = await put_case(room.database, CLAIM)
    for code in ("B001", "O001", "A001"):
        desk = room.desks[code]
        opened = await desk.get(f"/v1/alert-cases/{case.hex()}")
        OpenedCaseOut.model_validate_json(opened.body, strict=True)
        (listed,) = (await desk.get("/v1/alert-cases")).json()["items"]
        alert = await desk.get(
            f"/v1/alerts/{opened.json()['alert_list'][0]['alert_id']}"
        )
        RaisedAlertOut.model_validate_json(alert.body, strict=True)

        assert opened.json()["case_id"] == listed["case_id"] == case.hex()
        assert [each["settlement_id"] for each in opened.json()["claims"]] == [CLAIM]
    desk = room.desks["B001"]
    for wanted in ("0" * 32, "x", case.hex().upper(), "%00", case.hex()[:-1]):
        none = await desk.get(f"/v1/alert-cases/{wanted}")
        no_alert = await desk.get(f"/v1/alerts/{wanted}")
        assert (none.status, none.code) == (404, "MA-4108"), wanted
        assert (no_alert.status, no_alert.code) == (404, "MA-4101"), wanted


async def test_a_case_is_assigned_and_confirmed(room: Room) -> None:
    """By officer and bureau; the history says who by party and operator."""
    case = await put_case(room.database, CLAIM)
    officer, bureau = room.desks["O001"], room.desks["B001"]

    assigned = await work(officer, case, "assign", to="O001/win-7", note="mine")
    confirmed = await work(bureau, case, "confirm", note="两次结算", recover="all")
    late = await work(officer, case, "dismiss", note="no")

    for answer in (assigned, confirmed):
        assert answer.status == 200, answer.body
        CaseWorkedOut.model_validate_json(answer.body, strict=True)
    assert assigned.json()["case"]["state"] == "assigned"
    assert assigned.json()["case"]["assignee"] == "O001/win-7"
    assert confirmed.json()["case"]["state"] == "confirmed"
    assert confirmed.json()["recoveries"] == [
        {"settlement_id": CLAIM, "aid_fen": 1_000}
    ]
    assert (late.status, late.code) == (409, "MA-4109")
    history = (await bureau.get(f"/v1/alert-cases/{case.hex()}")).json()["history"]
    assert [(line["who"], line["action"]) for line in history] == [
        ("medaid", "opened"),
        ("O001/win-03", "assigned"),
        ("B001/win-03", "confirmed"),
        ("B001/win-03", "recovery ordered"),
    ]
    assert history[2]["note"] == "两次结算"


async def test_recoveries_are_of_the_case(room: Room) -> None:
    """Nothing is asked back that is not named, and nothing of another case at all."""
    case = await put_case(room.database, CLAIM)
    strange = await work(
        room.desks["O001"], case, "confirm", note="x", recover=[CLAIM, "f" * 32]
    )
    none = await work(room.desks["O001"], case, "confirm", note="x")

    assert (strange.status, strange.code) == (422, "MA-1102")
    assert [each["path"] for each in strange.json()["fields"]] == ["recover[1]"]
    assert none.status == 200
    assert none.json()["recoveries"] == []
    assert await room.database.pool.fetchval("SELECT count(*) FROM aid_recovery") == 0


async def test_a_case_is_dismissed(room: Room) -> None:
    """It says which detectors are silent from then on: after the second time."""
    first = await put_case(room.database, CLAIM)
    answer = await work(room.desks["O001"], first, "dismiss", note="two visits")

    assert answer.status == 200
    assert answer.json()["case"]["state"] == "dismissed"
    assert answer.json()["muted"] == []
    listed = await room.desks["O001"].get("/v1/alert-cases")
    CasesOut.model_validate_json(listed.body, strict=True)
    assert listed.json()["items"] == []
    closed = await room.desks["O001"].get("/v1/alert-cases?state=dismissed")
    assert [each["case_id"] for each in closed.json()["items"]] == [first.hex()]


async def test_an_auditor_changes_nothing(room: Room) -> None:
    """Reads all, moves none."""
    case = await put_case(room.database, CLAIM)
    for step, body in (
        ("assign", {"to": "A001/x"}),
        ("confirm", {"note": "x"}),
        ("dismiss", {"note": "x"}),
    ):
        answer = await work(room.desks["A001"], case, step, **body)
        assert (answer.status, answer.code) == (403, "MA-3104"), step
    opened = await room.desks["A001"].get(f"/v1/alert-cases/{case.hex()}")
    assert opened.json()["state"] == "new"


@pytest.mark.parametrize(
    ("step", "body", "code", "field"),
    [
        ("assign", {}, "MA-1102", "to"),
        ("assign", {"to": "a b"}, "MA-1102", "to"),
        ("assign", {"to": "11010519491231002X"}, "MA-1104", "to"),
        ("confirm", {"note": ""}, "MA-1102", "note"),
        ("confirm", {"note": "a\nb"}, "MA-1102", "note"),
        ("confirm", {"note": "of 11010519491231002X"}, "MA-1104", "note"),
        ("dismiss", {"note": "x" * 501}, "MA-1102", "note"),
        ("dismiss", {"note": "x", "to": "y"}, "MA-1102", "to"),
        ("dismiss", b'{"note":"x","note":"y"}', "MA-1102", "note"),
    ],
)
async def test_steps_that_cannot_be_taken(
    room: Room, step: str, body: Any, code: str, field: str
) -> None:
    """Malformed, or with a number of somebody's in it: nothing has happened."""
    case = await put_case(room.database, CLAIM)
    path = f"/v1/alert-cases/{case.hex()}/{step}"
    answer = await room.desks["O001"].ask("POST", path, body, at=None)

    assert (answer.status, answer.code) == (422, code), answer.body
    assert [each["path"] for each in answer.json()["fields"]] == [field]
    state = await room.database.pool.fetchval("SELECT state FROM alert_case")
    assert state == "new"


async def test_alerts_hold_tokens_alone(room: Room) -> None:
    """No answer has a member for a name, a card or a number of anybody."""
    case = await put_case(room.database, CLAIM)
    opened = await room.desks["O001"].get(f"/v1/alert-cases/{case.hex()}")
    names = set(json.loads(opened.body)["claims"][0]) | set(opened.json())

    assert not {name for name in names if "card" in name or "id_number" in name}
    assert "person_token" in names
