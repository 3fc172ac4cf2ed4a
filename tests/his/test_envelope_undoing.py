"""2208 and 2601: undone once, whichever message is named, and never by a slip."""

from __future__ import annotations

from typing import Any

from tests.his.desk import HisRoom, Told, charge, envelope, new_msgid
from tests.settlement.house import assert_books_clean

CARD = "C00000001"


def _reversal(
    given: dict[str, Any], omsgid: str, oinfno: str = "2207"
) -> dict[str, Any]:
    data = {"psn_no": given["data"]["psn_no"], "omsgid": omsgid, "oinfno": oinfno}
    return {"data": data}


def _cancel(given: dict[str, Any], settled: Told, **changes: str) -> dict[str, Any]:
    data = {
        "setl_id": settled.setlinfo["setl_id"],
        "mdtrt_id": given["data"]["mdtrt_id"],
        "psn_no": given["data"]["psn_no"],
    }
    return {"data": data | changes}


async def test_reversed_by_its_message(room: HisRoom) -> None:
    """2601 gives the aid back; a second one does nothing more."""
    token = await room.house.enrol(CARD)
    given, msgid = charge(CARD), new_msgid()
    await room.ask("2207", given, msgid=msgid)
    assert await room.house.used(token) == 5_760
    for _ in range(2):
        assert (await room.ask("2601", _reversal(given, msgid))).infcode == 0
        assert await room.house.used(token) == 0
    await assert_books_clean(room.house)


async def test_repeated_message_of_a_reversed_settlement_prints_no_slip(
    room: HisRoom,
) -> None:
    """The stored answer was true once; the money has been taken back since."""
    await room.house.enrol(CARD)
    given = charge(CARD)
    message = envelope("2207", given)
    await room.send(message)
    await room.ask("2601", _reversal(given, message["msgid"]))
    told = await room.send(message)
    assert (told.infcode, told.code) == (-2, "MA-4111")


async def test_second_message_of_a_charge_stands_for_it(room: HisRoom) -> None:
    """Answered with the first one's settlement, it is what 2601 undoes."""
    token = await room.house.enrol(CARD)
    given, first, second = charge(CARD), new_msgid(), new_msgid()
    await room.ask("2207", given, msgid=first)
    assert (await room.ask("2207", given, msgid=second)).infcode == 0
    refused = await room.ask("2601", _reversal(given, first))
    assert (refused.infcode, refused.code) == (-2, "MA-4110")
    assert await room.house.used(token) == 5_760
    assert (await room.ask("2601", _reversal(given, second))).infcode == 0
    assert await room.house.used(token) == 0
    await assert_books_clean(room.house)


async def test_charge_is_settled_again_after_it_was_undone(room: HisRoom) -> None:
    """The platform lets a charge batch be settled anew, and so do we."""
    token = await room.house.enrol(CARD)
    given = charge(CARD)
    settled = await room.ask("2207", given)
    await room.ask("2208", _cancel(given, settled))
    again = await room.ask("2207", given)
    assert again.infcode == 0, again.message
    assert again.setlinfo["setl_id"] != settled.setlinfo["setl_id"]
    assert await room.house.used(token) == 5_760


async def test_nobody_elses_settlement_is_undone(room: HisRoom) -> None:
    """Another hospital, visit, person or number: nothing happens."""
    token = await room.house.enrol(CARD)
    given, msgid = charge(CARD), new_msgid()
    settled = await room.ask("2207", given, msgid=msgid)
    right = _cancel(given, settled)
    other = await room.ask("2208", right, fixmedins_code="H99010000002")
    assert (other.infcode, other.code) == (-2, "MA-4101")
    for changes in ({"mdtrt_id": "MZ0"}, {"psn_no": "somebody"}):
        told = await room.ask("2208", _cancel(given, settled, **changes))
        assert (told.infcode, told.code) == (-2, "MA-4104"), changes
    for setl_id in ("A" * 26, "x", "1" * 30):
        told = await room.ask("2208", _cancel(given, settled, setl_id=setl_id))
        assert (told.infcode, told.code) == (-2, "MA-4101"), setl_id
    wrong = _reversal(given, msgid)
    wrong["data"]["psn_no"] = "somebody"
    told = await room.ask("2601", wrong)
    assert (told.infcode, told.code) == (-2, "MA-4104")
    assert await room.house.used(token) == 5_760


async def test_what_2601_does_not_undo(room: HisRoom) -> None:
    """A quote has done nothing; a cancellation cannot be taken back."""
    await room.house.enrol(CARD)
    given = charge(CARD)
    assert (await room.ask("2601", _reversal(given, new_msgid(), "2206"))).infcode == 0
    told = await room.ask("2601", _reversal(given, new_msgid(), "2208"))
    assert (told.infcode, told.code) == (-2, "MA-4112")
    async with room.house.database.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM reversal") == 0


async def test_same_message_with_another_content_is_refused(room: HisRoom) -> None:
    """A msgid that was drawn twice settles nothing the second time."""
    await room.house.enrol(CARD)
    msgid = new_msgid()
    await room.ask("2207", charge(CARD), msgid=msgid)
    told = await room.ask("2207", charge(CARD), msgid=msgid)
    assert (told.infcode, told.code) == (-2, "MA-4103")


async def test_person_number_is_nowhere_in_clear(room: HisRoom) -> None:
    """Neither in the tables nor in the record's clear part."""
    await room.house.enrol(CARD)
    given = charge(CARD, psn_no="99012345678901234567")
    msgid = new_msgid()
    await room.ask("2207", given, msgid=msgid)
    await room.ask("2601", _reversal(given, msgid))
    async with room.house.database.pool.acquire() as connection:
        for table in ("settlement", "reversal", "settle_key", "reversal_key", "visit"):
            rows = await connection.fetch(f"SELECT t::text AS row FROM {table} AS t")  # noqa: S608  # names above
            assert not any("99012345678901234567" in row["row"] for row in rows)
        for row in await connection.fetch("SELECT request, head, tail FROM answer"):
            assert not any(b"99012345678901234567" in each for each in row)
        for row in await connection.fetch("SELECT record FROM sealed_record"):
            assert b"99012345678901234567" not in row["record"]
