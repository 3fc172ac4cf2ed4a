"""Who may speak the envelope: what each proof is worth, and what is refused."""

from __future__ import annotations

import asyncio
import logging
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from gateway.attempts import Attempts
from gateway.background import running_beside
from gateway.his.nonces import Nonces
from gateway.limits import Rate
from settlement.service.his_clients import NewHisClient, allow
from settlement.service.parties import PartyFault
from settlement.store.database import Database
from settlement.store.his_clients import HisClientStore
from tests.his.desk import dumped, envelope
from tests.his.doors import (
    INSTITUTION,
    PARTY,
    SEALING_KEY,
    GuardedRoom,
    open_guarded_room,
)
from tests.settlement.house import open_house

_DICTIONARY = {"data": {"type": "PSN_IDET_TYPE"}}


def asking(**header: Any) -> dict[str, Any]:
    """A message that stores nothing and needs nobody."""
    return envelope("1901", _DICTIONARY, **header)


async def test_published_vector_comes_in(guarded: GuardedRoom) -> None:
    """Signed as vendors sign, in either case."""
    paasid = await guarded.allowed()
    told = await guarded.send(asking(), guarded.tif(paasid))
    assert (told.status, told.infcode) == (200, 0)
    headers = guarded.tif(paasid)
    headers["x-tif-signature"] = headers["x-tif-signature"].upper()
    assert (await guarded.send(asking(), headers)).infcode == 0


async def test_signature_is_good_once(guarded: GuardedRoom) -> None:
    """Also of two that come at the same moment."""
    paasid = await guarded.allowed()
    headers = guarded.tif(paasid)
    told = await asyncio.gather(*(guarded.send(asking(), headers) for _ in range(5)))
    assert sorted(each.infcode for each in told) == [-1, -1, -1, -1, 0]
    assert sorted(each.status for each in told) == [200, 409, 409, 409, 409]
    assert {each.code for each in told} == {"", "MA-3109"}
    assert guarded.access.nonces.replays == 4


async def test_second_of_one_batch_is_the_second(
    database: Database, tmp_path: Path
) -> None:
    """Both are written at once, and PostgreSQL sees one nonce."""
    async with open_house(database, tmp_path / "var") as house:
        nonces = Nonces(HisClientStore(database), house.gateway.now)
        asked = [asyncio.create_task(nonces.take("acc", "once")) for _ in range(3)]
        await asyncio.sleep(0)
        async with running_beside(nonces.run(), name="nonces"):
            told = await asyncio.gather(*asked, return_exceptions=True)
    assert [getattr(each, "reason", each) for each in told] == [
        None, "MA-3109", "MA-3109",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"signature": "0" * 64}, "MA-3102"),
        ({"signature": "zz"}, "MA-3102"),
        ({"paasid": "nobody"}, "MA-3102"),
        ({"nonce": ""}, "MA-3102"),
        ({"nonce": "n" * 65}, "MA-3102"),
        ({"timestamp": "now"}, "MA-3102"),
    ],
)
async def test_what_is_not_signed_well_is_refused(
    guarded: GuardedRoom, change: dict[str, str], code: str
) -> None:
    """And final under this message."""
    paasid = await guarded.allowed()
    told = await guarded.send(asking(), guarded.tif(paasid, **change))
    assert (told.status, told.infcode, told.code) == (200, -2, code)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(-170, ""), (170, ""), (-190, "MA-3103"), (190, "MA-3103")],
)
async def test_window_is_180_seconds(
    guarded: GuardedRoom, seconds: int, code: str
) -> None:
    """Around the gateway's clock; sandbox time plays no part."""
    paasid = await guarded.allowed()
    headers = guarded.tif(paasid, timestamp=guarded.later(seconds))
    assert (await guarded.send(asking(), headers)).code == code


async def test_header_that_is_missing_or_doubled_is_refused(
    guarded: GuardedRoom,
) -> None:
    """Half of a proof is none."""
    paasid = await guarded.allowed()
    headers = guarded.tif(paasid)
    del headers["x-tif-nonce"]
    assert (await guarded.send(asking(), headers)).code == "MA-3102"


async def test_nothing_shown_is_nothing_allowed(guarded: GuardedRoom) -> None:
    """An institution's number alone opens no door."""
    assert (await guarded.send(asking())).code == "MA-3107"
    await guarded.allowed()
    assert (await guarded.send(asking())).code == "MA-3107"


async def test_another_institution_is_refused(guarded: GuardedRoom) -> None:
    """Who has signed speaks for itself alone."""
    paasid = await guarded.allowed()
    told = await guarded.send(
        asking(fixmedins_code="H99010000002"), guarded.tif(paasid)
    )
    assert told.code == "MA-1209"


async def test_operator_is_no_identity_number(guarded: GuardedRoom) -> None:
    """It stands in records and logs."""
    paasid = await guarded.allowed()
    told = await guarded.send(asking(opter="11010519491231002X"), guarded.tif(paasid))
    assert told.code == "MA-1104"


async def test_revoked_account_is_out(guarded: GuardedRoom) -> None:
    """From the moment that the worker hears of it."""
    paasid = await guarded.allowed()
    assert (await guarded.send(asking(), guarded.tif(paasid))).infcode == 0
    await guarded.revoked(paasid)
    assert (await guarded.send(asking(), guarded.tif(paasid))).code == "MA-3102"


async def test_worker_hears_of_a_new_client_by_itself(guarded: GuardedRoom) -> None:
    """By the database's own notification."""
    assert (await guarded.send(asking())).code == "MA-3107"
    paasid = await guarded.allowed(tells=False)
    while (await guarded.send(asking(), guarded.tif(paasid))).infcode:
        pass


async def test_request_comes_from_home(guarded: GuardedRoom) -> None:
    """Where the operator has said where that is."""
    there = await guarded.allowed(networks=(ip_network("10.0.0.0/8"),))
    assert (await guarded.send(asking(), guarded.tif(there))).code == "MA-3108"
    here = await guarded.allowed(networks=(ip_network("127.0.0.0/8"),))
    assert (await guarded.send(asking(), guarded.tif(here))).infcode == 0


async def test_manner_is_the_hospitals(guarded: GuardedRoom) -> None:
    """Output and infcode as strings, where its program reads them so."""
    paasid = await guarded.allowed(output_as_text=True, infcode_as_text=True)
    told = await guarded.send(asking(), guarded.tif(paasid))
    assert told.body["infcode"] == "0"
    assert isinstance(told.body["output"], str)


async def test_weak_profile_is_accepted_by_name_alone(
    guarded: GuardedRoom, caplog: pytest.LogCaptureFixture
) -> None:
    """Off unless the operator says so; then the log and the metrics say it."""
    new = NewHisClient(
        code=PARTY, fixmedins_code=INSTITUTION, profile="x-tif", key_id="weak",
        secrets={"secret": "s"},
    )  # fmt: skip
    with pytest.raises(PartyFault, match="--weak"):
        await allow(
            guarded.house.database, new, sealing_key=SEALING_KEY, random=bytes,
            now=guarded.house.gateway.now(),
        )  # fmt: skip
    with caplog.at_level(logging.WARNING):
        await guarded.allowed()
        await guarded.access.look()
        await guarded.access.look()
    said = [each for each in caplog.records if each.message == "his.weak_profile"]
    assert [(each.__dict__["party"], each.__dict__["profile"]) for each in said] == [
        (PARTY, "x-tif")
    ]
    counts = guarded.access.counts()
    assert counts["x-tif", "yes"] == 1
    assert counts["x-tif", "no"] == 0


async def test_settlement_is_signed_where_it_must_be(guarded: GuardedRoom) -> None:
    """On top of the headers, over every byte; what only asks needs none."""
    paasid = await guarded.allowed(must_sign=True, accepts_weak=False)
    assert (await guarded.send(asking(), guarded.tif(paasid))).infcode == 0
    undo = {"data": {"psn_no": "1", "omsgid": "never-came", "oinfno": "2207"}}
    bare = await guarded.send(envelope("2601", undo), guarded.tif(paasid))
    assert bare.code == "MA-3102"
    raw = dumped(envelope("2601", undo)).encode()
    headers = guarded.tif(paasid) | guarded.signed(raw)
    assert (await guarded.send(raw, headers)).infcode == 0
    again = guarded.tif(paasid) | {
        name: value for name, value in headers.items() if "tif" not in name
    }
    assert (await guarded.send(raw, again)).code == "MA-3109"
    other = dumped(envelope("2601", undo)).encode()
    assert (
        await guarded.send(other, guarded.tif(paasid) | guarded.signed(raw))
    ).code == "MA-3102"


def signing_in(**changes: Any) -> dict[str, Any]:
    """9001."""
    given = {"signIn": {"opter_no": "win-03", "mac": "", "ip": ""}}
    return envelope("9001", given, **changes)


async def test_session_carries_what_comes_after(guarded: GuardedRoom) -> None:
    """Opened by a signed 9001, shown as `sign_no`, ended by 9002 everywhere."""
    await guarded.allowed("sign-in", accepts_weak=False)
    raw = dumped(signing_in()).encode()
    told = await guarded.send(raw, guarded.signed(raw))
    assert told.infcode == 0, told.message
    number = told.output["signinoutb"]["sign_no"]
    assert len(number) == 30
    assert (await guarded.send(asking(sign_no=number))).infcode == 0
    assert (await guarded.send(asking(sign_no=number[::-1]))).code == "MA-3101"
    assert (await guarded.send(asking())).code == "MA-3101"
    out = envelope(
        "9002", {"signOut": {"sign_no": number, "opter_no": "win-03"}}, sign_no=number
    )
    assert (await guarded.send(out)).infcode == 0
    await guarded.ask_until("MA-3101", asking(sign_no=number))


async def test_9001_is_signed_by_the_hospital_itself(guarded: GuardedRoom) -> None:
    """Once, and over its own bytes."""
    await guarded.allowed("sign-in", accepts_weak=False)
    raw = dumped(signing_in()).encode()
    headers = guarded.signed(raw)
    assert (
        await guarded.send(dumped(signing_in()).encode(), headers)
    ).code == "MA-3102"
    assert (await guarded.send(raw)).code == "MA-3102"
    assert (await guarded.send(raw, headers)).infcode == 0
    assert (await guarded.send(raw, headers)).code == "MA-3103"


async def test_sign_in_beside_signed_headers_stands_for_nothing(
    guarded: GuardedRoom,
) -> None:
    """The number is the platform's habit; each message shows who it is."""
    paasid = await guarded.allowed()
    told = await guarded.send(signing_in(), guarded.tif(paasid))
    number = told.output["signinoutb"]["sign_no"]
    assert len(number) == 30
    assert (await guarded.send(asking(sign_no=number))).code == "MA-3107"
    # A number of the national platform's is no hindrance.
    foreign = asking(sign_no="202601050000000001")
    assert (await guarded.send(foreign, guarded.tif(paasid))).infcode == 0
    out = envelope("9002", {"signOut": {"sign_no": number, "opter_no": "w"}})
    assert (await guarded.send(out, guarded.tif(paasid))).infcode == 0


async def test_guessing_ends_and_who_signs_well_is_not_held_up(
    database: Database, tmp_path: Path
) -> None:
    """The limit is for failures alone."""
    attempts = Attempts(failed=Rate(1, 3), sessions=Rate(1, 9), clock=lambda: 0)
    async with (
        open_house(database, tmp_path / "var") as house,
        open_guarded_room(house, attempts) as room,
    ):
        paasid = await room.allowed()
        wrong = [await room.send(asking(), room.tif("nobody")) for _ in range(5)]
        assert [each.code for each in wrong[:3]] == ["MA-3102"] * 3
        assert {each.code for each in wrong[3:]} == {"MA-3105"}
        assert (await room.send(asking(), room.tif(paasid))).infcode == 0


async def test_database_away_is_an_unknown_outcome(guarded: GuardedRoom) -> None:
    """-1: the same message again, and not a refusal of the hospital."""
    paasid = await guarded.allowed()
    assert (await guarded.send(asking(), guarded.tif(paasid))).infcode == 0
    await guarded.house.database.pool.close()
    told = await guarded.send(asking(), guarded.tif(paasid))
    assert (told.infcode, told.code) == (-1, "MA-5105")
