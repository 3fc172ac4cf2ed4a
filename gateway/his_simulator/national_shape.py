"""What the simulated national platform answers, field by field (appendix A)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from gateway.his.money import amount
from gateway.his_simulator.people import AREA, EMPLOYEES, Person

if TYPE_CHECKING:
    from gateway.his_simulator.national_books import Charged

_FUND = {"310": ("310100", "职工基本医疗保险统筹基金"), "": ("390100", "居民统筹基金")}
_SERIOUS = ("390200", "居民大病保险基金", "390201")
_AID = ("610100", "医疗救助基金", "610101")
_NO_LIMIT = 0
_NEVER_PAID = (
    "cvlserv_pay", "hifes_pay", "hifob_pay", "oth_pay", "hosp_part_amt",
    "acct_mulaid_pay",
)  # fmt: skip
#: Shares have four places.
_WHOLE = 10_000


def stated(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A node of `input`; empty where it is none, so that its fields are missing."""
    node = given.get(name)
    return node if isinstance(node, Mapping) else {}


def baseinfo(person: Person, today: date) -> dict[str, Any]:
    """Who it is."""
    return {
        "psn_no": person.psn_no,
        "psn_cert_type": "01",
        "certno": person.id_number,
        "psn_name": person.name,
        "gend": "1" if int(person.id_number[16]) % 2 else "2",
        "naty": "01",
        "brdy": person.birth_on.isoformat(),
        "age": (today - person.birth_on).days // 365,
    }


def insuinfo(person: Person, balance_fen: int) -> dict[str, Any]:
    """How they are insured."""
    is_employee = person.insutype == EMPLOYEES
    return {
        "balc": amount(balance_fen),
        "insutype": person.insutype,
        "psn_type": "1101" if is_employee else "1560",
        "psn_insu_stas": "1",
        "psn_insu_date": "2000-01-01",
        "paus_insu_date": None,
        "cvlserv_flag": "0",
        "insuplc_admdvs": AREA,
        "emp_name": "",
    }


def setlinfo(charged: Charged, balance_fen: int, sign: int = 1) -> dict[str, Any]:
    """Output of 2206, 2207 and, with `sign` -1, of 2208."""
    data = charged.data
    own = {"setl_id": charged.setl_id} if charged.setl_id else {}
    return own | {
        "mdtrt_id": data["mdtrt_id"],
        **baseinfo(charged.person, charged.at.date()),
        "insutype": charged.insutype,
        "psn_type": "1101" if charged.insutype == EMPLOYEES else "1560",
        "cvlserv_flag": "0",
        "setl_time": f"{charged.at:%Y-%m-%d %H:%M:%S}",
        "mdtrt_cert_type": data.get("mdtrt_cert_type"),
        "med_type": data["med_type"],
        **_amounts(charged, sign),
        "balc": amount(balance_fen),
        "medins_setl_id": charged.msgid,
        "clr_optins": AREA,
        "clr_way": "01",
        "clr_type": charged.clr_type,
    }


def _amounts(charged: Charged, sign: int) -> dict[str, Any]:
    """What the charge comes to and who pays; all that this platform never pays is 0."""
    cost, shares = charged.cost, charged.shares
    share = shares.basic_fen * _WHOLE // max(1, cost.in_policy_fen)
    paid = {
        "medfee_sumamt": cost.total_fen,
        "fulamt_ownpay_amt": cost.self_funded_fen,
        "overlmt_selfpay": cost.over_limit_fen,
        "preselfpay_amt": cost.pre_selfpay_fen,
        "inscp_scp_amt": cost.in_policy_fen,
        "act_pay_dedc": shares.deductible_fen,
        "hifp_pay": shares.basic_fen,
        "hifmi_pay": shares.serious_fen,
        "maf_pay": shares.aid_fen,
        "fund_pay_sumamt": shares.funds_fen,
        "psn_part_amt": shares.account_fen + shares.cash_fen,
        "acct_pay": shares.account_fen,
        "psn_cash_pay": shares.cash_fen,
    } | dict.fromkeys(_NEVER_PAID, 0)
    return {name: amount(sign * fen) for name, fen in paid.items()} | {
        "pool_prop_selfpay": f"{share // _WHOLE}.{share % _WHOLE:04d}"
    }


def setldetail(charged: Charged, sign: int = 1) -> list[dict[str, Any]]:
    """A row for each fund that pays."""
    fund, name = _FUND.get(charged.insutype, _FUND[""])
    rows = [
        (fund, name, "", charged.shares.basic_fen),
        (*_SERIOUS, charged.shares.serious_fen),
        (*_AID, charged.shares.aid_fen),
    ]
    return [
        {
            "fund_pay_type": kind,
            "inscp_scp_amt": amount(sign * charged.cost.in_policy_fen),
            "crt_payb_lmt_amt": amount(_NO_LIMIT),
            "fund_payamt": amount(sign * paid),
            "fund_pay_type_name": title,
            "setl_proc_info": step,
        }
        for kind, title, step, paid in rows
        if paid
    ]
