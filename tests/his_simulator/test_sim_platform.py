"""The simulated national platform: what a vendor may rely on while developing."""

from __future__ import annotations

import itertools
import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.his.money import yuan_of
from gateway.his_simulator.insurance import Cost, shares_of
from gateway.his_simulator.messages import (
    Answer,
    Window,
    fen,
    read_answer,
    request_body,
)
from gateway.his_simulator.people import EMPLOYEES, Person, make_people
from gateway.his_simulator.platform import NationalPlatform
from gateway.identity import check_digit_holds
from settlement.domain.calendar import SHANGHAI

CODE = "H99010000001"
AT = datetime(2026, 1, 5, 10, 14, 9, tzinfo=SHANGHAI)
PEOPLE = make_people(7, 60)
_numbers = itertools.count(1)


class Vendor:
    """A program under development, at a platform of its own."""

    def __init__(self) -> None:
        self.platform = NationalPlatform(PEOPLE, lambda: AT)

    def ask(self, infno: str, given_: dict[str, Any], msgid: str = "") -> Answer:
        msgid = msgid or f"{CODE}20260105101409{next(_numbers):04d}"
        window = Window(CODE, "示范社区卫生服务中心", "win-01")
        body = request_body(window, infno, msgid, AT, given_)
        return read_answer(self.platform.answer(body), "utf-8")

    def data(self, infno: str, msgid: str = "", **data: Any) -> Answer:
        return self.ask(infno, {"data": data}, msgid)


@pytest.fixture
def vendor() -> Vendor:
    """With a platform that has settled nothing."""
    return Vendor()


def person(insutype: str = EMPLOYEES) -> Person:
    """Somebody insured so, with an account where the kind has one."""
    return next(
        each for each in PEOPLE
        if each.insutype == insutype and (each.balance_fen > 500 or insutype == "390")
    )  # fmt: skip


def charge(who: Person, **changes: Any) -> dict[str, Any]:
    """250 yuan, of which 232 are in scope."""
    return {
        "psn_no": who.psn_no, "mdtrt_cert_type": "03", "mdtrt_cert_no": who.card,
        "med_type": "11", "medfee_sumamt": "250.00", "psn_setlway": "01",
        "mdtrt_id": f"MZ{next(_numbers)}", "chrg_bchno": "1", "acct_used_flag": "1",
        "insutype": who.insutype, "fulamt_ownpay_amt": 10, "overlmt_selfpay": "0",
        "preselfpay_amt": 8.00, "inscp_scp_amt": "232.00",
    } | changes  # fmt: skip


def test_signs_in(vendor: Vendor) -> None:
    """9001 gives the number for the header."""
    signed = vendor.ask("9001", {"signIn": {"opter_no": "1", "mac": "", "ip": ""}})
    assert signed.is_done
    assert signed.node("signinoutb")["sign_no"]


@pytest.mark.parametrize("shown", ["card", "id_number", "token"])
def test_knows_a_person_by_whatever_is_shown(vendor: Vendor, shown: str) -> None:
    """Card, identity number or e-voucher; identities of aid it has none."""
    who = person()
    told = vendor.data("1101", mdtrt_cert_type="03", mdtrt_cert_no=getattr(who, shown))
    assert told.node("baseinfo")["psn_no"] == who.psn_no
    assert told.rows("insuinfo")[0]["insutype"] == who.insutype
    assert told.output["idetinfo"] == []


def test_nobody_is_a_real_person() -> None:
    """Region 99 is no province's, and the numbers are well formed and differ."""
    assert all(each.id_number.startswith("99") for each in PEOPLE)
    assert all(check_digit_holds(each.id_number) for each in PEOPLE)
    many = make_people(1, 5_000)
    assert len({each.id_number for each in many}) == 5_000
    assert len({each.card for each in many}) == 5_000


def test_settles_with_amounts_that_conserve(vendor: Vendor) -> None:
    """Funds, account and cash are the total, in setlinfo and in setldetail."""
    told = vendor.data("2207", **charge(person()))
    info = told.node("setlinfo")
    parts = [
        fen(info[name]) for name in ("fund_pay_sumamt", "acct_pay", "psn_cash_pay")
    ]
    assert sum(parts) == fen(info["medfee_sumamt"]) == 25_000
    assert parts[1] > 0
    listed = sum(fen(row["fund_payamt"]) for row in told.rows("setldetail"))
    assert listed == parts[0]


def test_quote_is_the_settlement_without_its_number(vendor: Vendor) -> None:
    """2206 has no effect, and says what 2207 will."""
    given_ = charge(person())
    quoted = vendor.data("2206", **given_).node("setlinfo")
    settled = vendor.data("2207", **given_).node("setlinfo")
    assert "setl_id" not in quoted
    for own in ("setl_id", "medins_setl_id", "balc"):
        quoted.pop(own, None)
        settled.pop(own)
    assert quoted == settled


def test_same_message_is_settled_once(vendor: Vendor) -> None:
    """And the same msgid for another charge is refused."""
    who = person()
    given_ = charge(who)
    first = vendor.data("2207", "M1", **given_)
    assert (
        vendor.data("2207", "M1", **given_).node("setlinfo")["setl_id"]
        == (first.node("setlinfo")["setl_id"])
    )
    assert vendor.data("2207", "M1", **charge(who)).infcode == -2
    assert vendor.platform.books.balance_fen(who) == who.balance_fen - fen(
        first.node("setlinfo")["acct_pay"]
    )


def test_cancelled_is_negative_and_once(vendor: Vendor) -> None:
    """2208 gives the account back, once, and prints the misprint too."""
    who = person()
    given_ = charge(who)
    info = vendor.data("2207", **given_).node("setlinfo")
    for _ in range(2):
        told = vendor.data(
            "2208", setl_id=info["setl_id"], mdtrt_id=given_["mdtrt_id"],
            psn_no=who.psn_no,
        ).node("setlinfo")  # fmt: skip
        assert fen(told["medfee_sumamt"]) == -25_000
        assert told["pdn_cash_pay"] == told["psn_cash_pay"]
    assert vendor.platform.books.balance_fen(who) == who.balance_fen
    found = vendor.data("5203", setl_id=info["setl_id"]).node("setlinfo")
    assert found["refd_setl_flag"] == "1"


def test_reversal_before_its_original_stops_it(vendor: Vendor) -> None:
    """2601 of a message that never came is remembered."""
    who = person()
    assert vendor.data("2601", psn_no=who.psn_no, omsgid="M9", oinfno="2207").is_done
    assert vendor.data("2207", "M9", **charge(who)).infcode == -2


def test_looked_up_by_message(vendor: Vendor) -> None:
    """5203 by medins_setl_id: the way out of an unknown outcome."""
    vendor.data("2207", "M3", **charge(person()))
    assert vendor.data("5203", medins_setl_id="M3").is_done
    assert vendor.data("5203", medins_setl_id="M4").infcode == -2


def test_totals_are_compared(vendor: Vendor) -> None:
    """3201 per kind: flat, the platform has more, the hospital has more, other sums."""
    info = vendor.data("2207", **charge(person("390"))).node("setlinfo")
    sums = {
        "insutype": "390", "clr_type": "11", "setl_optins": "990104",
        "stmt_begndate": "2026-01-05", "stmt_enddate": "2026-01-05",
        "medfee_sumamt": "250.00", "acct_pay": "0.00", "fixmedins_setl_cnt": "1",
        "fund_pay_sumamt": yuan_of(fen(info["fund_pay_sumamt"])),
    }  # fmt: skip

    def result(**changes: str) -> Any:
        return vendor.data("3201", **(sums | changes)).node("stmtinfo")["stmt_rslt"]

    assert result() == "000000"
    assert result(fixmedins_setl_cnt="0") == "000101"
    assert result(fixmedins_setl_cnt="2") == "000102"
    assert result(medfee_sumamt="250.01") == "000103"


def test_what_is_wrong_is_said(vendor: Vendor) -> None:
    """Unknown numbers, persons and sums are -2 with a sentence, never a crash."""
    who = person()
    refused = [
        vendor.data("2401"),
        vendor.data("1101", mdtrt_cert_no="NOBODY"),
        vendor.data("2207", **charge(who, medfee_sumamt="251.00")),
        vendor.data("2207", **charge(who, medfee_sumamt="much")),
        vendor.data("2207", **charge(who, psn_no="1")),
        vendor.data("2207", **charge(who, mdtrt_id="")),
        vendor.data("2208", setl_id="none"),
        vendor.data("3201"),
        vendor.data("3202"),
        vendor.ask("2207", {}),
        read_answer(vendor.platform.answer(b"[]"), "utf-8"),
        read_answer(vendor.platform.answer(b"\xff"), "utf-8"),
        read_answer(vendor.platform.answer(b'{"infno": "2207"}'), "utf-8"),
    ]
    assert [each.infcode for each in refused] == [-2] * len(refused)
    assert all(each.err_msg for each in refused)


@given(
    st.tuples(*[st.integers(0, 10**9)] * 4),
    st.sampled_from(["310", "390", "999"]),
    st.sampled_from(["11", "21"]),
    st.integers(0, 10**8),
    st.booleans(),
)
def test_amounts_always_conserve(
    parts: tuple[int, int, int, int],
    insutype: str,
    clr_type: str,
    balance: int,
    is_aided: bool,
) -> None:
    """To the fen, and nobody pays less than nothing."""
    cost = Cost(*parts)
    shares = shares_of(cost, insutype, clr_type, balance_fen=balance, is_aided=is_aided)
    assert shares.funds_fen + shares.account_fen + shares.cash_fen == cost.total_fen
    assert min(
        shares.basic_fen, shares.serious_fen, shares.aid_fen,
        shares.account_fen, shares.cash_fen,
    ) >= 0  # fmt: skip
    assert shares.account_fen <= balance


def test_answers_are_json_numbers_with_two_places(vendor: Vendor) -> None:
    """As real platforms write them."""
    window = Window(CODE, "示范社区卫生服务中心", "win-01")
    body = request_body(window, "2207", "M1", AT, {"data": charge(person())})
    raw = vendor.platform.answer(body)
    assert b'"medfee_sumamt":250.00' in raw
    assert json.loads(raw)["output"]["setlinfo"]["medfee_sumamt"] == 250
