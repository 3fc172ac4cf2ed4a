"""2206 and 2207: the aid of version 1 in the national fields, once."""

from decimal import Decimal

from tests.his.desk import HisRoom, charge, envelope, new_msgid
from tests.settlement.house import assert_books_clean

CARD = "C00000001"


async def test_settles_and_gives_the_settlement_back(room: HisRoom) -> None:
    """250 yuan, 72 in policy and unpaid: dibao pays 80 percent of it."""
    await room.house.enrol(CARD)
    given = charge(CARD)
    told = await room.ask("2207", given)
    assert told.infcode == 0, told.message
    assert told.setlinfo["maf_pay"] == Decimal("57.60")
    assert told.setlinfo["fund_pay_sumamt"] == Decimal("217.60")
    assert told.setlinfo["psn_part_amt"] == Decimal("32.40")
    assert told.setlinfo["psn_cash_pay"] == Decimal("32.40")
    assert told.setlinfo["psn_name"] == "张三"
    assert len(told.setlinfo["setl_id"]) == 26
    aid = told.output["setldetail"][-1]
    assert aid["fund_pay_type"] == "610100"
    assert aid["setl_proc_info"] == "610101"
    assert aid["fund_payamt"] == Decimal("57.60")
    assert told.output["medaid"]["receipt"] is not None
    await assert_books_clean(room.house)


async def test_the_same_message_again_is_answered_alike(room: HisRoom) -> None:
    """A HIS that lost the answer sends the message again."""
    await room.house.enrol(CARD)
    message = envelope("2207", charge(CARD))
    first = await room.send(message)
    second = await room.send(message)
    assert first.output == second.output


async def test_the_charge_under_another_msgid_is_settled_once(room: HisRoom) -> None:
    """A msgid cannot be relied on: the visit's charge is the second key."""
    await room.house.enrol(CARD)
    given = charge(CARD)
    first = await room.ask("2207", given)
    second = await room.ask("2207", given)
    assert second.infcode == 0, second.message
    assert second.setlinfo["setl_id"] == first.setlinfo["setl_id"]
    assert second.setlinfo["medins_setl_id"] == first.setlinfo["medins_setl_id"]
    await assert_books_clean(room.house)


async def test_cancelled_settlement_is_told_with_negative_amounts(
    room: HisRoom,
) -> None:
    """2208, twice: the second time nothing more is taken back."""
    token = await room.house.enrol(CARD)
    given = charge(CARD)
    settled = await room.ask("2207", given)
    data = {
        "setl_id": settled.setlinfo["setl_id"],
        "mdtrt_id": given["data"]["mdtrt_id"],
        "psn_no": given["data"]["psn_no"],
    }
    for _ in range(2):
        told = await room.ask("2208", {"data": data})
        assert told.infcode == 0, told.message
        assert told.setlinfo["maf_pay"] == Decimal("-57.60")
        assert told.setlinfo["pdn_cash_pay"] == Decimal("-32.40")
        assert told.setlinfo["setl_type"] == "2"
    assert await room.house.used(token) == 0
    await assert_books_clean(room.house)


async def test_reversal_that_comes_first_stops_the_original(room: HisRoom) -> None:
    """2601 of a message that never came: done, and remembered."""
    await room.house.enrol(CARD)
    msgid = new_msgid()
    given = charge(CARD)
    data = {"psn_no": given["data"]["psn_no"], "omsgid": msgid, "oinfno": "2207"}
    assert (await room.ask("2601", {"data": data})).infcode == 0
    late = await room.ask("2207", given, msgid=msgid)
    assert (late.infcode, late.code) == (-2, "MA-2205")
    await assert_books_clean(room.house)
