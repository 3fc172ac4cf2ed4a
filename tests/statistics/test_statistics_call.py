"""`POST /v1/statistics`: who sees what, what is refused, and what it may cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest

from gateway.render import JsonRenderer
from gateway.wire import parse_statistics
from gateway.wire_answers import StatisticsOut
from settlement.domain.errors import RequestRefused
from settlement.service import ask_statistics
from settlement.service.aid_statistics import Bounds
from settlement.service.ask_statistics import AskStatistics
from settlement.service.ports import Answer
from settlement.store.database import Database
from tests.gateway.desk import ControlledUseCases, RunningEdge, register, running_edge
from tests.statistics.ledger import Posted, post

MONTHS = {"from": "2026-01", "to": "2026-02"}
OVERSEERS = ("bureau", "officer", "auditor")


class Asking(ControlledUseCases):
    """The real use case behind the real edge."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.ask = AskStatistics(database, JsonRenderer())

    async def statistics(self, *call: Any) -> Answer:
        """Use case."""
        return await self.ask(*call)


@dataclass
class District:
    """Two hospitals with an aided visit each, and somebody of each other role."""

    edge: RunningEdge
    database: Database
    bearers: dict[str, str]

    async def ask(self, who: str, **body: Any) -> tuple[int, Any]:
        """Status and document of a call."""
        status, document, _ = await self.edge.ask(
            "POST",
            "/v1/statistics",
            orjson.dumps({"months": MONTHS} | body),
            Authorization=self.bearers[who],
        )
        return status, document


@pytest.fixture
async def district(database: Database) -> AsyncIterator[District]:
    """Parties that have signed in, and what they may count."""
    async with running_edge(database, Asking(database)) as edge:
        bearers = {}
        for code in ("H001", "H002"):
            bearers[code] = await edge.bearer(await register(database, code))
        for role in OVERSEERS:
            bearers[role] = await edge.bearer(await register(database, role, role))
        numbers = {
            row["code"]: row["id"]
            for row in await database.pool.fetch("SELECT id, code FROM party")
        }
        one = Posted(facility=numbers["H001"], aid_fen=1_000)
        other = replace(one, facility=numbers["H002"], aid_fen=250, person=2)
        await post(database, [one, other])
        yield District(edge, database, bearers)


@pytest.mark.parametrize("role", OVERSEERS)
async def test_overseers_count_every_hospital(district: District, role: str) -> None:
    """All of them, one of them, or each beside the others."""
    status, whole = await district.ask(role, dimension="hospital")
    _, second = await district.ask(role, facility="H002")

    assert status == 200
    assert (whole["total"]["citizens"], whole["total"]["aid_fen"]) == (2, 1_250)
    assert [(g["key"], g["total"]["aid_fen"]) for g in whole["groups"]] == [
        ("H001", 1_000),
        ("H002", 250),
    ]
    assert (second["facility"], second["total"]["aid_fen"]) == ("H002", 250)


async def test_a_hospital_counts_itself_alone(district: District) -> None:
    """Whether it names itself or nobody, and whatever it divides by."""
    for body in ({}, {"facility": "H002"}):
        status, own = await district.ask("H002", dimension="hospital", **body)

        assert status == 200
        assert own["facility"] == "H002"
        assert (own["total"]["citizens"], own["total"]["aid_fen"]) == (1, 250)
        assert [group["key"] for group in own["groups"]] == ["H002"]


async def test_another_hospital_is_as_unknown_as_one_that_never_was(
    district: District,
) -> None:
    """Nobody learns here which hospitals there are."""
    theirs = await district.ask("H002", facility="H001")
    nobody = await district.ask("H002", facility="H999")
    of_role = await district.ask("H002", facility="bureau")

    assert theirs[0] == 404
    assert theirs[1]["code"] == "MA-4101"
    assert theirs == nobody == of_role
    assert await district.ask("auditor", facility="H999") == nobody
    assert await district.ask("auditor", facility="officer") == nobody


async def test_answer_holds_what_is_described(district: District) -> None:
    """Every member of `/openapi.json`, integers where amounts are, no person."""
    _, whole = await district.ask("bureau")
    _, document = await district.ask("bureau", dimension="care_type", by="settled")
    for answered in (whole, document):
        StatisticsOut.model_validate_json(json.dumps(answered), strict=True)
        assert "." not in json.dumps([answered["total"], answered["series"]])

    assert document["groups"][0]["key"] == "outpatient"
    assert document["measure"]["minutes_per_visit"] == 40
    assert document["series"][0]["minutes_saved"] == 80
    for person in (1, 2):
        assert person.to_bytes(16).hex() not in json.dumps(document)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"months": {"from": "2026-13", "to": "2026-13"}}, ("months.from", "MA-1132")),
        ({"months": {"from": "2026-01", "to": "01/2026"}}, ("months.to", "MA-1132")),
        ({"months": {"from": "2026-02", "to": "2026-01"}}, ("months", "MA-1133")),
        ({"months": {"from": "2016-01", "to": "2026-01"}}, ("months", "MA-1134")),
        ({"months": {"from": "2026-01"}}, ("months.to", "MA-1120")),
        ({"months": MONTHS | {"step": 1}}, ("months.step", "MA-1121")),
        ({"months": "2026-01"}, ("months", "MA-1128")),
        ({}, ("months", "MA-1120")),
        ({"months": MONTHS, "by": "month"}, ("by", "MA-1123")),
        ({"months": MONTHS, "dimension": "person"}, ("dimension", "MA-1123")),
        ({"months": MONTHS, "facility": "H 1"}, ("facility", "MA-1126")),
        ({"months": MONTHS, "person": "x"}, ("person", "MA-1121")),
    ],
)  # fmt: skip
def test_malformed_question_is_named(
    body: dict[str, Any], fault: tuple[str, str]
) -> None:
    """Each fault has its path; nobody can divide by person."""
    with pytest.raises(RequestRefused) as caught:
        parse_statistics(orjson.dumps(body))

    assert caught.value.reason == "MA-1102"
    assert (caught.value.faults[0].path, caught.value.faults[0].reason) == fault


def test_months_twice_are_refused() -> None:
    """Two readers of one body might count two stretches."""
    raw = b'{"months":{"from":"2026-01","to":"2026-01","to":"2026-02"}}'

    with pytest.raises(RequestRefused) as caught:
        parse_statistics(raw)

    assert [fault.path for fault in caught.value.faults] == ["months.to"]


async def test_large_answer_is_refused(
    district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound holds for months times groups, and the fault says what to do."""
    bounds = Bounds(within_ms=5_000, most_rows=3)
    monkeypatch.setattr(ask_statistics, "BOUNDS", bounds)

    status, document = await district.ask("bureau", dimension="hospital")

    assert (status, document["code"]) == (422, "MA-1102")
    assert [each["code"] for each in document["fields"]] == ["MA-1135"]
    assert (await district.ask("bureau"))[0] == 200


async def test_slow_count_is_ended_by_the_server(
    district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller is told to come back; the pool's connection is free again."""
    bounds = Bounds(within_ms=50, most_rows=100)
    monkeypatch.setattr(ask_statistics, "BOUNDS", bounds)
    await make_slow(district.database)

    status, document = await district.ask("bureau")

    assert (status, document["code"]) == (503, "MA-5101")
    assert district.database.pool_state().in_use == 0


async def test_one_count_at_a_time_takes_one_connection(
    district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many ask, seven of the pool's eight connections stay with the desk."""
    monkeypatch.setattr(ask_statistics, "BOUNDS", Bounds(within_ms=300, most_rows=100))
    await make_slow(district.database)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            count = await observer.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'WITH leaf%'"
                " AND state = 'active'"
            )
            most = max(most, count)
            await asyncio.sleep(0.01)

    observer = await district.database.connect()
    watching = asyncio.create_task(watch())
    answers = await asyncio.gather(*(district.ask("bureau") for _ in range(6)))
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await observer.close()

    assert most == 1
    assert {document["code"] for _, document in answers} == {"MA-5101"}


async def test_database_that_is_away_is_told(district: District) -> None:
    """The same words as of a look-up, nothing of the database's own."""
    await district.database.pool.execute("ALTER TABLE settlement RENAME TO gone")

    status, document = await district.ask("bureau")

    assert (status, document["code"]) == (503, "MA-5105")


async def make_slow(database: Database) -> None:
    """Let whoever reads the settlements wait for longer than anybody would."""
    await database.pool.execute("ALTER TABLE settlement RENAME TO settlement_table")
    await database.pool.execute(
        "CREATE VIEW settlement AS SELECT * FROM settlement_table"
        " WHERE (SELECT pg_sleep(30)) IS NOT NULL"
    )
