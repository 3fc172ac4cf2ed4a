"""Charges of a run: small, made up, and each of a visit that nobody else has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.his.money import yuan_of
from gateway.his_simulator.messages import NoEnvelope, fen

#: Of every charge: not covered, paid first, and what insurance pays.
_OWN_FEN, _PRE_FEN, _BASIC_FEN = 1_000, 800, 16_000
_TOTAL_FEN, _STEP_FEN = 25_000, 137
_AID_FEN = 1_000
_CARD, _RESIDENT = "03", "02"
_RESIDENTS, _OUTPATIENTS, _BY_ITEM = "390", "11", "01"
#: Fund types of medical aid, and steps that stand for it.
AID = "6101"
#: What a bill's funds pay, by the national names; some provinces add more.
FUNDS = (
    "hifp_pay", "cvlserv_pay", "hifes_pay", "hifmi_pay", "hifob_pay", "hifdm_pay",
    "maf_pay", "oth_pay", "hosp_part_amt",
)  # fmt: skip
#: What 2206, 2207 and 5203 must say alike of one charge.
SAME = (
    "medfee_sumamt", "maf_pay", "fund_pay_sumamt", "psn_part_amt", "acct_pay",
    "psn_cash_pay",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """What the test person shows at the window."""

    card: str = ""
    id_number: str = ""

    def data(self) -> dict[str, str]:
        """By card where there is one."""
        if self.card:
            return by_card(self.card)
        return by_id(self.id_number)


def by_card(card: str) -> dict[str, str]:
    """`data` of 1101 by social security card."""
    return {"mdtrt_cert_type": _CARD, "mdtrt_cert_no": card}


def by_id(number: str) -> dict[str, str]:
    """`data` of 1101 by resident identity number."""
    return {
        "mdtrt_cert_type": _RESIDENT, "mdtrt_cert_no": number, "certno": number,
        "psn_cert_type": "01",
    }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What numbers a charge."""

    mdtrt_id: str
    number: int
    """Within the run: no two charges come to the same."""
    psn_no: str
    office: str
    """clr_optins; the run's own, so that its statement holds nothing of others."""
    at: str
    """yyyy-MM-dd HH:mm:ss."""


def charge(shown: Shown, visit: Visit, *, aided: bool = False) -> dict[str, Any]:
    """`input` of 2206 and 2207; `aided`: aid was paid on it already."""
    total = _TOTAL_FEN + visit.number * _STEP_FEN
    aid = _AID_FEN if aided else 0
    costs = {
        "medfee_sumamt": total,
        "fulamt_ownpay_amt": _OWN_FEN,
        "overlmt_selfpay": 0,
        "preselfpay_amt": _PRE_FEN,
        "inscp_scp_amt": total - _OWN_FEN - _PRE_FEN,
    }
    left = total - _BASIC_FEN - aid
    paid = dict.fromkeys((*FUNDS, "acct_pay", "acct_mulaid_pay", "act_pay_dedc"), 0) | {
        "hifp_pay": _BASIC_FEN,
        "maf_pay": aid,
        "fund_pay_sumamt": _BASIC_FEN + aid,
        "psn_part_amt": left,
        "psn_cash_pay": left,
    }
    data = {
        "psn_no": visit.psn_no, **shown.data(), "med_type": _OUTPATIENTS,
        "psn_setlway": "01", "mdtrt_id": visit.mdtrt_id, "chrg_bchno": "1",
        "acct_used_flag": "0", "insutype": _RESIDENTS,
    }  # fmt: skip
    setlinfo = {
        "mdtrt_id": visit.mdtrt_id, "setl_id": f"N{visit.mdtrt_id}"[:30],
        "psn_no": visit.psn_no, "insutype": _RESIDENTS, "setl_time": visit.at,
        "clr_optins": visit.office, "clr_way": _BY_ITEM, "clr_type": _OUTPATIENTS,
    }  # fmt: skip
    return {
        "data": data | _yuan(costs),
        "setlinfo": setlinfo | _yuan(costs | paid),
        "setldetail": [_fund("390100", _BASIC_FEN), *_aid_rows(aid)],
    }


def _aid_rows(aid: int) -> list[dict[str, Any]]:
    return [_fund("610100", aid, "610101")] if aid else []


def _fund(kind: str, paid: int, step: str = "") -> dict[str, Any]:
    return {
        "fund_pay_type": kind, "inscp_scp_amt": "0.00", "crt_payb_lmt_amt": "0.00",
        "fund_payamt": yuan_of(paid), "setl_proc_info": step,
    }  # fmt: skip


def _yuan(amounts: dict[str, int]) -> dict[str, str]:
    return {name: yuan_of(each) for name, each in amounts.items()}


def fen_at(node: dict[str, Any], name: str) -> int:
    """An amount in fen; left out is 0. Raises `NoEnvelope` for what is none."""
    value = node.get(name)
    return 0 if value in (None, "") else fen(value)


def sums_up(info: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """What does not add up, in words of the national fields; empty where all does."""
    try:
        part, account = fen_at(info, "psn_part_amt"), fen_at(info, "acct_pay")
        cash, shared = fen_at(info, "psn_cash_pay"), fen_at(info, "acct_mulaid_pay")
        funds = sum(fen_at(info, name) for name in FUNDS)
        listed = sum(fen_at(row, "fund_payamt") for row in rows if is_aid(row))
        total, aid = fen_at(info, "medfee_sumamt"), fen_at(info, "maf_pay")
    except NoEnvelope:
        return "an amount that is no amount"
    if funds + part != total:
        return f"medfee_sumamt {yuan_of(total)} ≠ {yuan_of(funds)} + psn_part_amt"
    if part - cash not in (account, account + shared):
        return "psn_part_amt ≠ acct_pay + psn_cash_pay"
    if listed != aid:
        return f"maf_pay {yuan_of(aid)} ≠ setldetail {AID}** {yuan_of(listed)}"
    return ""


def is_aid(row: dict[str, Any]) -> bool:
    """Whether a row of setldetail is medical aid."""
    kind, step = f"{row.get('fund_pay_type')}", f"{row.get('setl_proc_info')}"
    return kind.startswith(AID) or step.startswith(AID)


def differing(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Names of the amounts that two answers tell differently."""
    try:
        return ", ".join(n for n in SAME if fen_at(one, n) != fen_at(other, n))
    except NoEnvelope:
        return "an amount that is no amount"
