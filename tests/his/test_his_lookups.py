"""5203: what became of a settlement, however it is asked for."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.his.desk import HisRoom, Told, charge, envelope, new_msgid
from tests.settlement.house import bill, new_key

CARD = "C00000001"
PSN_NO = "99010000000000000000000001"


async def ask(room: HisRoom, psn_no: str = PSN_NO, **data: str) -> Told:
    """Look a settlement up."""
    return await room.ask("5203", {"data": {"psn_no": psn_no} | data})


async def test_a_settlement_is_found_by_id_message_and_visit(room: HisRoom) -> None:
    """And told as 2207 told it, to the fen."""
    await room.house.enrol(CARD)
    given, msgid = charge(CARD), new_msgid()
    settled = await room.ask("2207", given, msgid=msgid)
    assert settled.infcode == 0, settled.message
    visit = given["data"]["mdtrt_id"]
    for data in (
        {"setl_id": settled.setlinfo["setl_id"]},
        {"setl_id": settled.setlinfo["setl_id"], "mdtrt_id": visit},
        {"medins_setl_id": msgid},
        {"mdtrt_id": visit},
    ):
        told = await ask(room, **data)
        assert told.infcode == 0, told.message
        for name in (
            "setl_id", "mdtrt_id", "psn_no", "medins_setl_id", "setl_time", "insutype",
            "medfee_sumamt", "fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt",
            "inscp_scp_amt", "hifp_pay", "hifmi_pay", "oth_pay", "maf_pay",
            "fund_pay_sumamt", "psn_part_amt", "acct_pay", "psn_cash_pay", "clr_type",
            "clr_optins",
        ):  # fmt: skip
            stated = settled.setlinfo[name]
            is_amount = isinstance(told.setlinfo[name], Decimal)
            assert told.setlinfo[name] == (Decimal(stated) if is_amount else stated)
        assert told.setlinfo["cash_payamt"] == Decimal("32.40")
        assert told.setlinfo["psn_pay"] == Decimal("32.40")
        assert told.setlinfo["med_type"] == "11"
        assert (told.setlinfo["setl_type"], told.setlinfo["refd_setl_flag"]) == (
            "1",
            "0",
        )
        assert told.output["setldetail"] == settled.output["setldetail"][1:]
        assert told.output["medaid"]["state"] == "settled"
        assert "reversal" not in told.output


async def test_an_undone_settlement_says_so(room: HisRoom) -> None:
    """With the reversal beside it; amounts stay those of the settlement."""
    await room.house.enrol(CARD)
    given, msgid = charge(CARD), new_msgid()
    settled = await room.ask("2207", given, msgid=msgid)
    data = {
        "setl_id": settled.setlinfo["setl_id"],
        "mdtrt_id": given["data"]["mdtrt_id"],
        "psn_no": PSN_NO,
    }
    undone = await room.ask("2208", {"data": data})
    told = await ask(room, medins_setl_id=msgid)
    assert told.infcode == 0, told.message
    assert (told.setlinfo["setl_type"], told.setlinfo["refd_setl_flag"]) == ("2", "1")
    assert told.setlinfo["maf_pay"] == Decimal("57.60")
    assert told.output["reversal"] == {
        "setl_id": undone.setlinfo["setl_id"],
        "init_setl_id": settled.setlinfo["setl_id"],
        "setl_type": "2",
        "maf_pay": Decimal("-57.60"),
    }


async def test_a_message_without_a_settlement_has_not_settled_yet(
    room: HisRoom,
) -> None:
    """Send it again; one that was stopped never settles, and says so."""
    await room.house.enrol(CARD)
    told = await ask(room, medins_setl_id=new_msgid())
    assert (told.infcode, told.code) == (-2, "MA-4101")
    assert "尚未结算" in told.message
    stopped = new_msgid()
    data = {"psn_no": PSN_NO, "omsgid": stopped, "oinfno": "2207"}
    assert (await room.ask("2601", {"data": data})).infcode == 0
    told = await ask(room, medins_setl_id=stopped)
    assert (told.infcode, told.code) == (-2, "MA-2205")


async def test_a_decline_is_told_as_it_was(room: HisRoom) -> None:
    """By the message, and by a visit that has nothing better."""
    await room.house.enrol("C99999")
    given, msgid = charge(CARD), new_msgid()
    declined = await room.ask("2207", given, msgid=msgid)
    assert declined.infcode == -2
    visit = given["data"]["mdtrt_id"]
    for data in ({"medins_setl_id": msgid}, {"mdtrt_id": visit}):
        told = await ask(room, **data)
        assert (told.infcode, told.message) == (-2, declined.message)
    await room.house.enrol(CARD)
    assert (await room.ask("2207", given)).infcode == 0
    assert (await ask(room, mdtrt_id=visit)).infcode == 0


async def test_a_message_that_repeated_another_shows_what_it_was_told(
    room: HisRoom,
) -> None:
    """It was answered with the first one's settlement; so is the look-up."""
    await room.house.enrol(CARD)
    given, second = charge(CARD), new_msgid()
    first = await room.ask("2207", given)
    again = envelope("2207", given, msgid=second)
    later = await room.send(again, Medaid_Sandbox_Time="2026-01-05T03:00:00Z")
    assert later.infcode == 0, later.message
    for named in (
        {"medins_setl_id": second},
        {"mdtrt_id": given["data"]["mdtrt_id"]},
    ):
        told = await ask(room, **named)
        assert told.infcode == 0, told.message
        assert told.setlinfo["setl_id"] == first.setlinfo["setl_id"]
        assert told.setlinfo["medins_setl_id"] == first.setlinfo["medins_setl_id"]


async def test_of_a_visit_the_newest_is_told(room: HisRoom) -> None:
    """Two charges of a visit; of a number given twice, the person's own."""
    await room.house.enrol(CARD)
    await room.house.enrol("C22222")
    given = charge(CARD)
    assert (await room.ask("2207", given)).infcode == 0
    visit = given["data"]["mdtrt_id"]
    more = charge(CARD, mdtrt_id=visit, chrg_bchno="2", hifp_pay=170,
                  fund_pay_sumamt="170.00", psn_part_amt="80.00",
                  psn_cash_pay="80.00")  # fmt: skip
    later = await room.ask("2207", more)
    assert later.infcode == 0, later.message
    told = await ask(room, mdtrt_id=visit)
    assert told.setlinfo["setl_id"] == later.setlinfo["setl_id"]
    other = charge("C22222", mdtrt_id=visit, chrg_bchno="3", psn_no="OTHER")
    assert (await room.ask("2207", other)).infcode == 0
    told = await ask(room, mdtrt_id=visit)
    assert told.setlinfo["setl_id"] == later.setlinfo["setl_id"]
    assert (await ask(room, "OTHER", mdtrt_id=visit)).infcode == 0


@pytest.mark.parametrize("how", ["setl_id", "medins_setl_id", "mdtrt_id"])
async def test_only_the_person_and_the_hospital_of_it_learn_of_it(
    room: HisRoom, how: str
) -> None:
    """Another psn_no is refused, another hospital finds nothing."""
    await room.house.enrol(CARD)
    given, msgid = charge(CARD), new_msgid()
    settled = await room.ask("2207", given, msgid=msgid)
    names = {
        "setl_id": settled.setlinfo["setl_id"],
        "medins_setl_id": msgid,
        "mdtrt_id": given["data"]["mdtrt_id"],
    }
    told = await ask(room, "99010000000000000000000002", **{how: names[how]})
    assert (told.infcode, told.code) == (-2, "MA-4104")
    assert told.output == {}
    data = {"data": {"psn_no": PSN_NO, how: names[how]}}
    told = await room.ask("5203", data, fixmedins_code="H99010000002")
    assert (told.infcode, told.code) == (-2, "MA-4101")
    wrong_visit = await ask(room, setl_id=names["setl_id"], mdtrt_id="ANOTHER")
    assert (wrong_visit.infcode, wrong_visit.code) == (-2, "MA-4104")


async def test_what_names_nothing_finds_nothing(room: HisRoom) -> None:
    """Numbers that are none of ours, no number at all, and bills of version 1."""
    await room.house.enrol(CARD)
    plain = bill(CARD)
    made = await room.house.settle(plain, new_key())
    assert made.status == 201
    for data, code in (
        ({"setl_id": "N000000001"}, "MA-4101"),
        ({"setl_id": "A" * 26}, "MA-4101"),
        ({"medins_setl_id": "报文"}, "MA-4101"),
        ({"mdtrt_id": "NOWHERE"}, "MA-4101"),
        ({"mdtrt_id": plain.visit_no}, "MA-4104"),
        ({}, "MA-1102"),
        ({"setl_id": "A" * 31}, "MA-1102"),
    ):
        told = await ask(room, **data)
        assert (told.infcode, told.code) == (-2, code), data
    told = await room.ask("5203", {"data": {"setl_id": "A" * 26}})
    assert (told.infcode, told.code) == (-2, "MA-1102")
    assert "psn_no" in told.message
