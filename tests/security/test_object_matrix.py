"""Every call, every caller, every kind of id: who gets what, and who gets nothing.

The table is checked against `gateway/calls.py`, so that a call that is added there
without saying here who may use it turns this red.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from yarl import URL

from gateway.calls import CALLS, METRICS_CALL
from settlement.store.database import Database
from tests.acceptance.desk import AT, DAY, JSON, Answer, Desk, bill, card, new_name
from tests.gateway.desk import ControlledUseCases, register, running_edge
from tests.security.conftest import Callers, District

FACILITY, PUBLIC, ALL_ROLES, SIGNED = "facility", "public", "all roles", "signed"
OVERSEERS, STAFF, BUREAU = "overseers", "staff", "bureau"
#: Who may use each call.
WHO = {
    "open_session": SIGNED,
    "eligibility": FACILITY,
    "quote": FACILITY,
    "settle": FACILITY,
    "reverse": FACILITY,
    "find_settlements": ALL_ROLES,
    "search": ALL_ROLES,
    "settlement": ALL_ROLES,
    "record": ALL_ROLES,
    "proof": ALL_ROLES,
    "statistics": ALL_ROLES,
    "reconcile_totals": FACILITY,
    "reconcile_list": FACILITY,
    "reconcile_month": ALL_ROLES,
    "reconcile_differences": ALL_ROLES,
    "reconcile_statement": ALL_ROLES,
    "take_roster_file": BUREAU,
    "roster_file": OVERSEERS,
    "roster_refused": OVERSEERS,
    "alerts": OVERSEERS,
    "alert_stream": OVERSEERS,
    "alert": OVERSEERS,
    "alert_cases": OVERSEERS,
    "alert_case": OVERSEERS,
    "assign_case": STAFF,
    "confirm_case": STAFF,
    "dismiss_case": STAFF,
    "checkpoint": PUBLIC,
    "tile": PUBLIC,
    "keys": PUBLIC,
    "healthz": PUBLIC,
    "readyz": PUBLIC,
    "openapi": PUBLIC,
    "docs": PUBLIC,
    "metrics": PUBLIC,
}
#: Calls about a month that nobody has opened here: who may ask is told so.
OF_MONTHS = ("reconcile_month", "reconcile_differences", "reconcile_statement")
#: Calls about an alert or a case that is not there: who may ask is told so.
OF_NOTHING = {"alert": "MA-4101", "roster_refused": "MA-4101"} | dict.fromkeys(
    ("alert_case", "assign_case", "confirm_case", "dismiss_case"), "MA-4108"
)
#: Calls whose address holds the id of one party's object.
BY_ID = ("settlement", "record", "proof")
SEE_ALL = ("B101", "O101", "A101")
#: Of the roster in force, as its header says it; the same file again is 200.
MANIFEST: dict[str, str] = {}
_PATHS = {call.name: call for call in (*CALLS, METRICS_CALL)}


@pytest.fixture(autouse=True)
def manifest(district: District) -> None:
    """Read the manifest of the roster in force."""
    path = district.sandbox.data_dir.parent / "roster" / "manifest.json"
    MANIFEST["in force"] = base64.b64encode(path.read_bytes()).decode()


@dataclass(frozen=True, slots=True)
class Settled:
    """A settlement of one facility, and what it was called by."""

    person: int
    key: str
    visit_no: str
    id: str
    decision: dict[str, Any]


async def settled(desk: Desk, person: int, **changes: Any) -> Settled:
    """Settle a new bill."""
    key, asked = new_name(), bill(person, **changes)
    answer = await desk.settle(key, asked)
    assert (answer.status, answer.json()["decision"]) == (201, "approved"), answer.body
    found = answer.json()
    return Settled(person, key, asked["visit_no"], found["settlement_id"], found)


def request_of(name: str, own: Settled) -> tuple[str, str, bytes | None]:
    """A sound request of each call, about an object of the caller's facility."""
    call = _PATHS[name]
    path = call.path.replace("{id}", own.id).replace("{path}", "0/000.p/1")
    path = path.replace("{period}", DAY[:7])
    path = path.replace("{version}", "1")
    path = path.replace("{alert}", "0" * 32).replace("{case}", "0" * 32)
    bodies: dict[str, object] = {
        "open_session": {"operator": "win-01"},
        "eligibility": {"card": card(own.person), "service_date": DAY},
        "quote": bill(own.person),
        "settle": bill(own.person),
        "search": {"visit_no": own.visit_no},
        "reverse": {"settlement_id": own.id, "reason": "mistake"},
        "statistics": {"months": {"from": DAY[:7], "to": DAY[:7]}},
        "reconcile_totals": {"from": DAY, "to": DAY, "totals": []},
        "assign_case": {"to": "O101/win-01"},
        "confirm_case": {"note": "twice", "recover": "all"},
        "dismiss_case": {"note": "two visits"},
    }
    if name == "reconcile_statement":
        path += "?facility=H101"
    if name == "take_roster_file":
        return call.method, path, b"the same file again is not read"
    if name == "reconcile_list":
        return call.method, path, f"{own.id} {own.visit_no} null 250.00 172.80".encode()
    if name == "find_settlements":
        path += f"?visit_no={own.visit_no}"
    body = bodies.get(name)
    return call.method, path, None if body is None else orjson.dumps(body)


async def send(desk: Desk, name: str, own: Settled, token: str | None) -> Answer:
    """Send that request with a token, or without any."""
    method, path, body = request_of(name, own)
    headers = {"Idempotency-Key": new_name()}
    if WHO[name] != PUBLIC and name != "open_session":
        headers["Medaid-Sandbox-Time"] = AT
    if body is not None:
        is_list = name == "reconcile_list"
        headers["Content-Type"] = "text/plain" if is_list else JSON
    if name == "take_roster_file":
        headers["Content-Type"] = "text/csv"
        headers["Medaid-Roster-Manifest"] = MANIFEST["in force"]
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if name == "alert_stream":
        return await begun(desk, path, headers)
    return await desk.raw(method, path, body, headers)


async def begun(desk: Desk, path: str, headers: dict[str, str]) -> Answer:
    """The beginning of an answer that has no end."""
    async with desk.http.get(desk.url + path, headers=headers) as response:
        is_stream = response.status == 200
        body = b"" if is_stream else await response.read()
        return Answer(response.status, response.headers, body)


async def dead_tokens(
    district: District, desk: Desk, ended: Desk
) -> dict[str, str | None]:
    """What stands for nobody: nothing, never made, expired, cut, of a revoked key."""
    expired = await desk.sign_in()
    await district.expire(expired)
    del desk.tokens[desk.key.kid]
    revoked = await ended.token()
    await district.execute(
        "UPDATE party_key SET revoked_at = now() WHERE key_id = $1", ended.key.kid
    )
    return {
        "none": None,
        "never made": "A" * 43,
        "expired": expired,
        "of a revoked key": revoked,
        "too long": expired + "A",
        "cut": expired[:-1],
        "of other letters": expired.swapcase(),
    }


def test_every_call_stands_in_the_table() -> None:
    """A new call has to say who may use it before it is served."""
    assert set(WHO) == set(_PATHS)
    assert set(BY_ID) == {name for name, call in _PATHS.items() if "{id}" in call.path}


@pytest.mark.parametrize("name", sorted(WHO))
async def test_roles(name: str, district: District, callers: Callers) -> None:
    """Each role's status at each call; 401 without a token, 403 for another role."""
    own = await settled(callers["H101"], district.sandbox.tekun())
    may = {
        FACILITY: ("H101",),
        ALL_ROLES: ("H101", *SEE_ALL),
        OVERSEERS: SEE_ALL,
        STAFF: ("B101", "O101"),
        BUREAU: ("B101",),
    }.get(WHO[name], ())
    for code in ("H101", *SEE_ALL):
        desk = callers[code]
        if name == "open_session":
            assert (await desk.send(desk.signed_session())).status == 201
            continue
        answer = await send(desk, name, own, await desk.token())
        if WHO[name] == PUBLIC:
            assert answer.status == 200, (code, answer.body)
        elif name in OF_MONTHS:
            assert (answer.status, answer.code) == (404, "MA-4201"), code
        elif code in may and name in OF_NOTHING:
            assert (answer.status, answer.code) == (404, OF_NOTHING[name]), code
        elif code in may:
            assert answer.status in {200, 201}, (code, answer.body)
        else:
            assert (answer.status, answer.code) == (403, "MA-3104"), code


async def test_without_a_living_token(district: District, callers: Callers) -> None:
    """No token and each dead one get the same 401, and a public call the same 200."""
    desk = callers["H101"]
    own = await settled(desk, district.sandbox.tekun())
    dead = await dead_tokens(district, desk, callers["H105"])
    for name, who in WHO.items():
        bodies = set()
        for kind, token in dead.items():
            answer = await send(desk, name, own, token)
            expected = 200 if who == PUBLIC else 401
            assert answer.status == expected, (name, kind, answer.body)
            bodies.add(answer.body)
        assert who == PUBLIC or len(bodies) == 1, name


def not_ids(own: str) -> list[str]:
    """What stands in an address and is no id of an object that the caller may see."""
    guessed = own[:4] + os.urandom(14).hex()
    flipped = own[:-1] + format(int(own[-1], 16) ^ 1, "x")
    return [
        guessed, flipped, "0" * 32, "f" * 32, own[:-1], own + "0", own + own,
        own[:16], "x", "1", "-1", "null", "*", "'", "%27%20OR%201=1", own + "%00",
        "%00" + own, own + "%20", "%" + format(ord(own[0]), "x") + own[1:], own + "'--",
        "%2e%2e", own + "%2f..%2f" + own, "%E4%B8%AD", "%FF%FE", "%u0030", "0x" + own,
        "%EF%BC%91" * 32, "a" * 1_000,
    ]  # fmt: skip


async def get_exactly(desk: Desk, path: str) -> Answer:
    """Read an address whose percent signs no client has tidied."""
    headers = {"Authorization": f"Bearer {await desk.token()}"}
    address = URL(desk.url + path, encoded=True)
    async with desk.http.get(address, headers=headers) as response:
        return Answer(response.status, response.headers, await response.read())


@pytest.mark.parametrize("name", BY_ID)
async def test_ids_that_are_not_ones_own(
    name: str, district: District, callers: Callers
) -> None:
    """Another facility's id, a guessed one and nonsense have one 404, to the byte."""
    own = await settled(callers["H101"], district.sandbox.tekun())
    foreign = await settled(callers["H102"], district.sandbox.tekun())
    path = _PATHS[name].path

    async def ask(code: str, wanted: str) -> Answer:
        return await get_exactly(callers[code], path.replace("{id}", wanted))

    assert (await ask("H101", own.id)).status == 200
    unknown = await ask("H101", os.urandom(16).hex())
    assert (unknown.status, unknown.code) == (404, "MA-4101")
    for wanted in (foreign.id, own.id[:-1] + "A", *not_ids(own.id)):
        answer = await ask("H101", wanted)
        assert (answer.status, answer.body) == (404, unknown.body), wanted
    for code in SEE_ALL:
        assert (await ask(code, own.id)).status == 200
        assert (await ask(code, foreign.id)).status == 200
        assert (await ask(code, os.urandom(16).hex())).body == unknown.body


async def test_reversal_of_anothers_settlement(
    district: District, callers: Callers
) -> None:
    """The same 404 as for an unknown one, and the original stays as it was."""
    foreign = await settled(callers["H102"], district.sandbox.tekun())
    thief = callers["H101"]

    async def reverse(wanted: str) -> Answer:
        order = {"settlement_id": wanted, "reason": "refund"}
        return await thief.reverse(new_name(), order)

    unknown = await reverse(os.urandom(16).hex())
    theirs = await reverse(foreign.id)

    assert (unknown.status, unknown.code) == (404, "MA-4101")
    assert (theirs.status, theirs.body) == (404, unknown.body)
    kept = await callers["H102"].get(f"/v1/settlements/{foreign.id}")
    assert kept.json()["state"] == "settled"


async def test_ids_of_reversals_are_guarded_alike(
    district: District, callers: Callers
) -> None:
    """Record and proof of a reversal are its facility's and the overseers' alone."""
    desk = callers["H102"]
    foreign = await settled(desk, district.sandbox.tekun())
    order = {"settlement_id": foreign.id, "reason": "refund"}
    reversal = (await desk.reverse(new_name(), order)).json()["reversal_id"]
    for part in ("record", "proof"):
        path = f"/v1/settlements/{reversal}/{part}"
        unknown = f"/v1/settlements/{os.urandom(16).hex()}/{part}"
        refused = await callers["H101"].get(path)

        assert (await desk.get(path)).status == 200
        assert refused.status == 404
        assert refused.body == (await callers["H101"].get(unknown)).body
        assert (await callers["A101"].get(path)).status == 200


async def test_keys_of_two_facilities_never_meet(
    district: District, callers: Callers
) -> None:
    """The same key at two hospitals: two settlements, each found by its own alone."""
    key, people = new_name(), (district.sandbox.tekun(), district.sandbox.tekun())
    ids = {}
    for code, person in zip(("H101", "H102"), people, strict=True):
        answer = await callers[code].settle(key, bill(person))
        assert (answer.status, answer.replayed) == (201, False), answer.body
        ids[code] = answer.json()["settlement_id"]
    assert ids["H101"] != ids["H102"]
    for code, own in ids.items():
        found = await callers[code].get(f"/v1/settlements?idempotency_key={key}")
        assert found.json()["settlement_id"] == own
    for code in SEE_ALL:
        answer = await callers[code].get(f"/v1/settlements?idempotency_key={key}")
        assert (answer.status, answer.code) == (403, "MA-3104")


async def test_stopping_anothers_key_stops_nothing_of_theirs(
    district: District, callers: Callers
) -> None:
    """A reversal by key speaks of the caller's own keys: a tombstone of its own."""
    theirs = await settled(callers["H102"], district.sandbox.tekun())
    order = {
        "original_idempotency_key": theirs.key,
        "card": card(theirs.person),
        "reason": "timeout",
    }

    stopped = await callers["H101"].reverse(new_name(), order)

    assert (stopped.status, stopped.json()["state"]) == (201, "tombstone")
    kept = await callers["H102"].get(f"/v1/settlements?idempotency_key={theirs.key}")
    assert (kept.status, kept.json()["state"]) == (200, "settled")


async def test_lists_hold_only_ones_own(district: District, callers: Callers) -> None:
    """The same person and visit number at two hospitals: each sees its own row."""
    person, visit_no = district.sandbox.tekun(), new_name("MZ")
    ids = {
        code: (await settled(callers[code], person, visit_no=visit_no)).id
        for code in ("H101", "H102")
    }

    async def searched(code: str, query: dict[str, Any]) -> set[str]:
        answer = await callers[code].ask(
            "POST", "/v1/settlements/search", query, at=None
        )
        return {item["settlement_id"] for item in answer.json()["items"]}

    async def listed(code: str, _query: dict[str, Any]) -> set[str]:
        answer = await callers[code].get(f"/v1/settlements?visit_no={visit_no}")
        return {item["settlement_id"] for item in answer.json()["items"]}

    looks: list[Callable[[str, dict[str, Any]], Awaitable[set[str]]]]
    looks = [searched, listed]
    for look in looks:
        for query in ({"card": card(person)}, {"visit_no": visit_no}):
            for code, own in ids.items():
                assert await look(code, query) == {own}
            for code in SEE_ALL:
                assert await look(code, query) == set(ids.values())
    everything = await searched("H103", {})
    assert not everything & set(ids.values())


async def test_nobody_sees_whether_another_facility_knows_a_visit(
    callers: Callers, district: District
) -> None:
    """A visit or key of somebody else's looks like one that never was."""
    theirs = await settled(callers["H102"], district.sandbox.tekun())
    for query, never in (
        (f"visit_no={theirs.visit_no}", "visit_no=never-1"),
        (f"idempotency_key={theirs.key}", "idempotency_key=never-1"),
    ):
        seen = await callers["H101"].get(f"/v1/settlements?{query}")
        unseen = await callers["H101"].get(f"/v1/settlements?{never}")

        assert (seen.status, seen.body) == (unseen.status, unseen.body)


async def test_a_real_gateway_is_no_sandbox(database: Database) -> None:
    """Outside a sandbox nobody chooses the time, and /metrics is not on this port."""
    use_cases = ControlledUseCases(sandbox=False)
    async with running_edge(database, use_cases) as edge:
        bearer = await edge.bearer(await register(database, "H001"))
        for path, body in (
            ("/v1/settlements", bill(1)),
            ("/v1/reversals", {"settlement_id": "0" * 32, "reason": "refund"}),
            ("/v1/quotes", bill(1)),
            ("/v1/eligibility", {"card": card(1), "service_date": DAY}),
        ):
            status, problem, _ = await edge.ask(
                *("POST", path, orjson.dumps(body)),
                Authorization=bearer,
                Idempotency_Key="k-1",
                Medaid_Sandbox_Time=AT,
            )
            assert (status, problem["code"]) == (400, "MA-1108"), path
        status, problem, _ = await edge.ask("GET", "/metrics", Authorization=bearer)

    assert (status, problem["code"]) == (404, "MA-4105")
    assert use_cases.seen == []
