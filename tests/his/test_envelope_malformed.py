"""What is wrong with an envelope is told clearly, and nothing of it is stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from settlement.domain.reasons import REASONS
from tests.his.desk import HisRoom, charge, dumped, envelope

CARD = "C00000001"

Change = Callable[[dict[str, Any]], object]

_REQUIRED_HEADER = (
    "infno", "msgid", "mdtrtarea_admvs", "insuplc_admdvs", "opter", "fixmedins_code",
    "input",
)  # fmt: skip
_REQUIRED = (
    ("data", "psn_no"), ("data", "mdtrt_cert_type"), ("data", "mdtrt_cert_no"),
    ("data", "med_type"), ("data", "medfee_sumamt"), ("data", "mdtrt_id"),
    ("data", "chrg_bchno"), ("data", "insutype"),
    ("setlinfo", "medfee_sumamt"), ("setlinfo", "fulamt_ownpay_amt"),
    ("setlinfo", "overlmt_selfpay"), ("setlinfo", "preselfpay_amt"),
    ("setlinfo", "inscp_scp_amt"), ("setlinfo", "hifp_pay"), ("setlinfo", "maf_pay"),
    ("setlinfo", "fund_pay_sumamt"), ("setlinfo", "psn_part_amt"),
    ("setlinfo", "acct_pay"), ("setlinfo", "psn_cash_pay"),
)  # fmt: skip


def _drop(*path: str) -> Change:
    def change(body: dict[str, Any]) -> object:
        *above, name = path
        for step in above:
            body = body[step]
        return body.pop(name)

    return change


def _put(value: object, *path: str) -> Change:
    def change(body: dict[str, Any]) -> object:
        *above, name = path
        for step in above:
            body = body[step]
        body[name] = value
        return None

    return change


_MISSING = [
    *[(f"no {name}", _drop(name)) for name in _REQUIRED_HEADER],
    *[(f"no {node}.{name}", _drop("input", node, name)) for node, name in _REQUIRED],
    ("no data", _drop("input", "data")),
    ("no setlinfo", _drop("input", "setlinfo")),
]
_WRONG = [
    ("msgid too long", _put("1" * 31, "msgid")),
    ("msgid not printed", _put("消息一", "msgid")),
    ("opter too long", _put("x" * 31, "opter")),
    ("code too long", _put("H" * 31, "fixmedins_code")),
    ("infno of six", _put("220700", "infno")),
    ("infno unknown", _put("2304", "infno")),
    ("infno a list", _put(["2207"], "infno")),
    ("place of five", _put("99010", "mdtrtarea_admvs")),
    ("place of letters", _put("99010a", "insuplc_admdvs")),
    ("opter a boolean", _put(True, "opter")),
    ("input a text", _put("{}", "input")),
    ("input a list", _put([], "input")),
    ("data a list", _put([], "input", "data")),
    ("rows a text", _put("rows", "input", "setldetail")),
    ("rows of texts", _put(["row"], "input", "setldetail")),
    ("101 rows", _put([{}] * 101, "input", "setldetail")),
    ("a third of a fen", _put("250.003", "input", "data", "medfee_sumamt")),
    ("half a fen", _put(250.005, "input", "setlinfo", "medfee_sumamt")),
    ("an exponent", _put("2.5e2", "input", "setlinfo", "medfee_sumamt")),
    ("an amount with a unit", _put("250元", "input", "setlinfo", "medfee_sumamt")),
    ("an amount below zero", _put("-1.00", "input", "setlinfo", "hifp_pay")),
    ("a boolean amount", _put(True, "input", "setlinfo", "hifp_pay")),
    ("too large an amount", _put("99999999.99", "input", "setlinfo", "hifp_pay")),
    ("an amount in a list", _put([160], "input", "setlinfo", "hifp_pay")),
    ("a day that is none", _put("2026-02-30", "input", "data", "begntime")),
    ("a day written otherwise", _put("05/01/2026", "input", "data", "begntime")),
    ("another total", _put("249.00", "input", "data", "medfee_sumamt")),
    ("another person", _put("somebody", "input", "setlinfo", "psn_no")),
    ("another visit", _put("another", "input", "setlinfo", "mdtrt_id")),
    ("parts that are not the total", _put("9", "input", "setlinfo", "preselfpay_amt")),
    ("a part that is not the rest", _put("80", "input", "setlinfo", "psn_part_amt")),
    ("a part and cash that are not the rest", lambda body: (
        body["input"]["setlinfo"].update(psn_part_amt="80", psn_cash_pay="80"))),
    ("cash that is not the rest", _put("80", "input", "setlinfo", "psn_cash_pay")),
    ("an unknown med_type", _put("77", "input", "data", "med_type")),
    ("an unknown certificate", _put("09", "input", "data", "mdtrt_cert_type")),
    ("a wrong check digit", lambda body: body["input"]["data"].update(
        mdtrt_cert_type="02", mdtrt_cert_no="110101199003071234")),
    ("an e-voucher alone", _put("01", "input", "data", "mdtrt_cert_type")),
    ("the card as visit number", lambda body: (
        body["input"]["data"].update(mdtrt_id=f"X{CARD}"),
        body["input"]["setlinfo"].update(mdtrt_id=f"X{CARD}"))),
    ("an identity number as batch", _put(
        "11010519491231002X", "input", "data", "chrg_bchno")),
    ("the card within the msgid", _put(f"M{CARD}", "msgid")),
    ("our node with a slip", _put({"repeat_reson": "x"}, "input", "medaid")),
    ("our node with another value", _put({"place": "x"}, "input", "medaid")),
    ("aid that stands in the rows alone", _put(
        [{"fund_pay_type": "610100", "fund_payamt": "5.00"}], "input", "setldetail")),
]  # fmt: skip


async def _nothing_is_stored(room: HisRoom) -> None:
    async with room.house.database.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM settle_key") == 0


async def test_each_fault_is_told_and_stores_nothing(room: HisRoom) -> None:
    """-2, our code, the field by its national path, and what the cashier does."""
    await room.house.enrol(CARD)
    for name, change in [*_MISSING, *_WRONG]:
        body = json.loads(dumped(envelope("2207", charge(CARD))))
        change(body)
        told = await room.send(body)
        assert (told.status, told.infcode) == (200, -2), name
        assert told.code in REASONS, (name, told.message)
        assert told.message.endswith("。"), (name, told.message)
        assert len(told.message) <= 200, name
        assert CARD not in told.message, name
    await _nothing_is_stored(room)


async def test_missing_field_is_named_as_the_sender_wrote_it(room: HisRoom) -> None:
    """The path of the national interface, not ours."""
    body = envelope("2207", charge(CARD))
    del body["input"]["setlinfo"]["hifp_pay"]
    told = await room.send(body)
    assert "input.setlinfo.hifp_pay" in told.message


@pytest.mark.parametrize("wrong", ["mdtrtarea_admdvs", "insuplc_admvs"])
async def test_spelling_of_the_places_is_told(room: HisRoom, wrong: str) -> None:
    """The national text spells one without `d` and one with."""
    right = {"mdtrtarea_admdvs": "mdtrtarea_admvs", "insuplc_admvs": "insuplc_admdvs"}
    body = envelope("2207", charge(CARD))
    body[wrong] = body.pop(right[wrong])
    told = await room.send(body)
    assert (told.infcode, told.code) == (-2, "MA-1211")


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"infno": NaN}', b"[" * 5000,
        b'{"a":' * 5000, b'{"infno":"2207","infno":"2206"}', b'{"a":1e999999999}',
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
async def test_what_is_no_envelope_is_answered_as_one(
    room: HisRoom, raw: bytes
) -> None:
    """A HIS shows `err_msg`, so there always is one."""
    told = await room.send(raw)
    assert (told.status, told.infcode) == (200, -2)
    assert told.code in {"MA-1101", "MA-1102"}


async def test_body_that_is_too_large_is_refused(room: HisRoom) -> None:
    """64 KB, as all bodies."""
    body = envelope("2207", charge(CARD)) | {"more": "x" * 70_000}
    told = await room.send(body)
    assert (told.infcode, told.code) == (-2, "MA-1105")


async def test_header_is_read_leniently(room: HisRoom) -> None:
    """Numbers for text, unknown fields, fields that nobody needs left out."""
    await room.house.enrol(CARD)
    body = envelope("2207A", charge(CARD))
    body |= {"serv_code": "x", "opter_type": 1, "mdtrtarea_admvs": 990100, "opter": 7}
    for name in ("recer_sys_code", "infver", "fixmedins_name", "signtype", "dev_no"):
        del body[name]
    assert (await room.send(body)).infcode == 0


async def test_address_that_says_another_number_is_refused(room: HisRoom) -> None:
    """The body decides, and the address must not contradict it."""
    told = await room.send(envelope("2207", charge(CARD)), "/his/2206")
    assert (told.infcode, told.code) == (-2, "MA-1202")
    await _nothing_is_stored(room)


@pytest.mark.parametrize(
    "path",
    [
        "/his", "/his/2206", "/his/2206A", "/his/x/2206",
        "/fsi/api/outpatientSettleService/preSettletment",
        "/mbs/fmi/fsi/api/callFsiService/callService",
    ],
)  # fmt: skip
async def test_three_habits_of_addresses(room: HisRoom, path: str) -> None:
    """One for all, one each, and the platform's own paths."""
    await room.house.enrol(CARD)
    told = await room.send(envelope("2206", charge(CARD)), path)
    assert told.infcode == 0, told.message
    assert "setl_id" not in told.setlinfo


async def test_gbk_is_read_and_written_where_it_is_declared(room: HisRoom) -> None:
    """The answer comes in the encoding of the request."""
    await room.house.enrol(CARD)
    raw = dumped(envelope("2206", charge(CARD))).encode("gbk")
    told = await room.send(raw, Content_Type="application/json; charset=GBK")
    assert told.setlinfo["psn_name"] == "张三"
    undeclared = await room.send(raw)
    assert (undeclared.infcode, undeclared.code) == (-2, "MA-1101")
    unknown = await room.send(raw, Content_Type="application/json; charset=big5")
    assert unknown.code == "MA-1106"


async def test_manner_of_the_hospital(room: HisRoom) -> None:
    """`output` as text and `infcode` as text, for those who read them so."""
    await room.house.enrol(CARD)
    manner = type(room.door.manner)
    room.door.manner = manner(output_as_text=True, infcode_as_text=True)
    told = await room.ask("2206", charge(CARD))
    assert told.body["infcode"] == "0"
    assert json.loads(told.output)["setlinfo"]["maf_pay"] == 57.6
