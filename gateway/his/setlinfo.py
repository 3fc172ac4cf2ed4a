"""The platform's `setlinfo` and `setldetail` with the aid in them.

What came is given back as it came; amounts that aid changes are counted anew, and
the aid stands in all three places where systems look for it (his-interface.md, 0.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from gateway.his.json_body import encoded
from gateway.his.money import amount, yuan_of
from gateway.his.numbers import setl_id_of
from settlement.domain.bill import CareType
from settlement.domain.calendar import SHANGHAI

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gateway.his.charge import Charge

AID_FUND, TILT_FUND = "610100", "610102"
AID_STEP, TILT_STEP = "610101", "610102"
_FUND_NAMES = {AID_FUND: "医疗救助基金", TILT_FUND: "倾斜救助"}
_INPATIENT_POTS = frozenset({CareType.INPATIENT, CareType.OUTPATIENT_SPECIAL})


def local_time(instant: datetime) -> str:
    """yyyy-MM-dd HH:mm:ss on Shanghai's clock."""
    return instant.astimezone(SHANGHAI).isoformat(" ", "seconds")[:19]


def output_of(
    charge: Charge,
    decision: Mapping[str, Any],
    decision_json: bytes,
    *,
    msgid: str,
    settled_at: datetime | None,
) -> bytes:
    """`output` of 2206 (`settled_at` is `None`) and 2207; `medaid` is the DECISION."""
    return encoded(
        {
            "setlinfo": setlinfo_of(charge, decision, msgid, settled_at),
            "setldetail": setldetail_of(charge, decision),
            "medaid": orjson.Fragment(decision_json),
        }
    )


def setlinfo_of(
    charge: Charge, decision: Mapping[str, Any], msgid: str, settled_at: datetime | None
) -> dict[str, Any]:
    """The platform's fields, and ours over them."""
    bill, aid = charge.bill, decision["aid_fen"]
    facts = bill.national
    if facts is None:
        raise ValueError("a charge's bill has its national facts")
    fields = dict(charge.setlinfo.values())
    fields |= {
        "psn_no": facts.psn_no,
        "mdtrt_id": bill.visit_no,
        # What 3201 counts it under.
        "insutype": facts.insutype,
        "clr_type": facts.clr_type,
        "maf_pay": amount(bill.medical_aid_fen + aid),
        "fund_pay_sumamt": amount(facts.fund_pay_fen + aid),
        "psn_part_amt": amount(decision["patient_pays_fen"]),
        "psn_cash_pay": amount(decision["cash_fen"]),
        "acct_pay": amount(facts.acct_pay_fen),
        "medins_setl_id": msgid,
    }
    if settled_at is None:
        fields.pop("setl_id", None)
    else:
        fields["setl_id"] = setl_id_of(decision["settlement_id"])
        fields["setl_time"] = local_time(settled_at)
    return fields


def setldetail_of(charge: Charge, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The platform's rows, then aid, and tilt aid as a row of its own."""
    rows = [dict(row.values()) for row in charge.setldetail]
    return rows + aid_rows(charge.bill.care_type, decision)


def aid_rows(care_type: CareType, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of aid alone."""
    rows = []
    for part in decision["aid"]:
        is_tilt = part["kind"] == "tilt"
        fund = TILT_FUND if is_tilt else AID_FUND
        rows.append(
            {
                "fund_pay_type": fund,
                "inscp_scp_amt": amount(decision["aidable_base_fen"]),
                "crt_payb_lmt_amt": amount(_remaining(care_type, decision)),
                "fund_payamt": amount(part["amount_fen"]),
                "fund_pay_type_name": _FUND_NAMES[fund],
                "setl_proc_info": TILT_STEP if is_tilt else AID_STEP,
            }
        )
    return rows


def _remaining(care_type: CareType, decision: Mapping[str, Any]) -> int:
    """What the year still allows for this care; without a cap, this bill's base."""
    pot = "inpatient" if care_type in _INPATIENT_POTS else "outpatient"
    quota = decision["quota"]
    named = [each for each in quota if each["pot"] == pot] or quota
    left = [
        each["remaining_fen"] for each in named if each["remaining_fen"] is not None
    ]
    return min(left) if left else int(decision["aidable_base_fen"])


def warning_of(decision: Mapping[str, Any]) -> str:
    """What the cashier should see beside the amounts: alerts, and money to return."""
    told = [alert["text"]["zh"] for alert in decision["alerts"]]
    if decision["account_return_fen"]:
        told.append(
            f"个人账户多付 {yuan_of(decision['account_return_fen'])} 元，请退回账户。"
        )
    return "".join(told)[:200]
