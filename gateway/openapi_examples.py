"""One request and its answer for the calls at the desk, as a sandbox gave them.

Long texts are cut; a test holds the examples to the schemas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Example:
    """What was sent, and what came back."""

    request: dict[str, Any]
    answer: dict[str, Any]


_SESSION = Example(
    request={"operator": "win-03"},
    answer={
        "token": "(43 characters)",
        "party": "H001",
        "expires_at": "2026-01-05T14:14:00.000Z",
    },
)

_ELIGIBILITY = Example(
    request={
        "card": {"kind": "social_security_card", "number": "A12345678"},
        "service_date": "2026-01-05",
    },
    answer={
        "status": "eligible",
        "reason": {
            "code": "MA-2100",
            "text": {
                "zh": "在救助对象名册中，就诊日期有效。",
                "en": "On the assistance roster on the date of service.",
            },
        },
        "next_step": {"zh": "无需其他操作。", "en": "Nothing else to do."},
        "category": "dibao",
        "category_text": {
            "zh": "最低生活保障对象",
            "en": "Minimum living allowance recipient (dibao)",
        },
        "household": "56ada2e12403b8846851b0d03cc5e50e",
        "valid_from": "2020-01-01",
        "valid_to": None,
        "quota": [
            {
                "pot": "outpatient",
                "year": 2026,
                "cap_fen": 600000,
                "used_fen": 0,
                "remaining_fen": 600000,
            }
        ],
        "quota_reason": None,
        "quota_as_of": "2026-01-05T02:14:07.635Z",
        "roster": {
            "version": 1,
            "as_of": "2026-01-05T02:14:04.000Z",
            "age_s": 63,
            "stale": False,
        },
    },
)

_SETTLE = Example(
    request={
        "card": {"kind": "social_security_card", "number": "A12345678"},
        "visit_no": "MZ20260105-0001",
        "bill_no": "1",
        "care_type": "outpatient",
        "service_start": "2026-01-05",
        "service_end": "2026-01-05",
        "occurred_at": "2026-01-05T02:14:09Z",
        "diagnoses": ["I10"],
        "referred": True,
        "total_fen": 25000,
        "self_funded_fen": 1000,
        "over_limit_fen": 0,
        "pre_selfpay_fen": 800,
        "in_policy_fen": 23200,
        "basic_insurance_fen": 16000,
        "serious_illness_fen": 0,
        "other_funds_fen": 0,
        "medical_aid_fen": 0,
        "personal_account_fen": 0,
    },
    answer={
        "decision": "approved",
        "reason": {
            "code": "MA-2000",
            "text": {
                "zh": "按救助政策给予救助。",
                "en": "Aid is given under the policy.",
            },
        },
        "next_step": {"zh": "无需其他操作。", "en": "Nothing else to do."},
        "retry": {"allowed": False, "same_key": False},
        "settlement_id": "265efc44827a19e7620952d04d3079a0",
        "settled_at": "2026-01-05T02:14:07.669Z",
        "aid_fen": 5760,
        "aid": [{"kind": "basic", "amount_fen": 5760}],
        "aidable_base_fen": 7200,
        "patient_pays_fen": 3240,
        "cash_fen": 3240,
        "account_return_fen": 0,
        "policy": {
            "id": "demo-district",
            "version": "2000.1",
            "sha256": "dfdef750d303eb99268bb14df1083ba7"
            "2fe85b1eb165cdb96256402f75818b89",
        },
        "category": "dibao",
        "category_text": {
            "zh": "最低生活保障对象",
            "en": "Minimum living allowance recipient (dibao)",
        },
        "explanation": [
            {
                "rule": "base",
                "text": {
                    "zh": "政策范围内费用 232.00 元，医保等已付 160.00 元，"
                    "可救助负担 72.00 元",
                    "en": "In-policy costs 232.00, insurers and others paid 160.00,"
                    " aidable burden 72.00 yuan",
                },
                "input_fen": 23200,
                "result_fen": 7200,
                "source": "示范医救〔2000〕1号（虚构） 第三条",
            },
            {
                "rule": "rate",
                "text": {
                    "zh": "低保门诊救助 80%：72.00 元 → 57.60 元",
                    "en": "Dibao outpatient aid 80 %: 72.00 -> 57.60 yuan",
                },
                "input_fen": 7200,
                "result_fen": 5760,
                "source": "示范医救〔2000〕1号（虚构） 第五条第二款",
            },
        ],
        "quota": [
            {
                "pot": "outpatient",
                "year": 2026,
                "cap_fen": 600000,
                "used_fen": 5760,
                "remaining_fen": 594240,
            }
        ],
        "roster": {
            "version": 1,
            "as_of": "2026-01-05T02:14:04.000Z",
            "age_s": 63,
            "stale": False,
        },
        "alerts": [],
        "duplicate_of": None,
        "receipt": {
            "record": "eyJhbGciOiJFZDI1NTE5Iiwi…",
            "origin": "medaid/sandbox/cs-5279451d0164a6f4",
            "index": 0,
            "tree_size": 1,
            "path": [],
            "checkpoint": "medaid/sandbox/cs-527945…",
        },
    },
)

_REVERSE = Example(
    request={"settlement_id": "265efc44827a19e7620952d04d3079a0", "reason": "refund"},
    answer={
        "reversal_id": "265e6e4381b280626b409f620a8de80f",
        "settlement_id": "265efc44827a19e7620952d04d3079a0",
        "aid_fen": 5760,
        "state": "reversed",
        "alerts": [],
        "already": False,
        "receipt": {
            "record": "eyJhbGciOiJFZDI1NTE5Iiwi…",
            "origin": "medaid/sandbox/cs-5279451d0164a6f4",
            "index": 1,
            "tree_size": 2,
            "path": ["bGSvqcYuXE1DWTgtrHj1v2E8kABwoQKW8nOx6b1UEC8="],
            "checkpoint": "medaid/sandbox/cs-527945…",
        },
    },
)

_MONTH_FIGURES = {
    "citizens": 2,
    "visits": 3,
    "settlements": 3,
    "aid_fen": 17280,
    "tilt_fen": 0,
    "total_fen": 75000,
    "funds_fen": 48000,
    "patient_pays_fen": 9720,
    "mean_aid_fen": 5760,
    "mean_total_fen": 25000,
    "mean_patient_pays_fen": 3240,
    "minutes_saved": 120,
    "trips_saved": 6,
}
_MONTH = {
    "month": "2026-01",
    **_MONTH_FIGURES,
    "growth_per_mille": {"citizens": 1000, "visits": 500, "aid": 488},
}

_STATISTICS = Example(
    request={
        "months": {"from": "2026-01", "to": "2026-01"},
        "by": "service",
        "dimension": "hospital",
    },
    answer={
        "months": {"from": "2026-01", "to": "2026-01"},
        "by": "service",
        "dimension": "hospital",
        "facility": "H001",
        "measure": {
            "minutes_per_visit": 40,
            "trips_per_visit": 2,
            "text": {
                "zh": "按试点口径估算：每一人次救助视为免去一次事后报销，"
                "节省工作人员 40 分钟、群众往返 2 趟。",
                "en": "Estimated by the pilot's measure: each aided visit is one refund"
                " that was not needed, which took 40 minutes of staff time and 2"
                " trips.",
            },
        },
        "total": _MONTH_FIGURES,
        "series": [_MONTH],
        "groups": [
            {
                "key": "H001",
                "name": "第一社区卫生服务中心",
                "total": _MONTH_FIGURES,
                "series": [_MONTH],
            }
        ],
    },
)

_OURS = {"count": 3, "total_fen": 75000, "aid_fen": 17280}
_UNDONE = {"count": 1, "total_fen": 25000, "aid_fen": 5760}
_NET = {"count": 2, "total_fen": 50000, "aid_fen": 11520}

_TOTALS = Example(
    request={
        "from": "2026-01-05",
        "to": "2026-01-05",
        "totals": [{"day": "2026-01-05", "care_type": "outpatient", **_OURS}],
    },
    answer={
        "flat": False,
        "stmt_rslt": "000103",
        "items": [
            {
                "day": "2026-01-05",
                "care_type": "outpatient",
                "flat": False,
                "hospital": _OURS,
                "gateway": {"settled": _OURS, "reversed": _UNDONE, "net": _NET},
            }
        ],
        "gateway_total": _NET,
        "hospital_total": _OURS,
    },
)

_CASE_ID = "5f0c2a9e7b1d4c3a8e6f0d1b2a394857"
_CLAIM_ID = "65e700000000000000000000000000a1"


def _worked(state: str, **more: Any) -> dict[str, Any]:
    """A case after a step."""
    closed_at = None if state == "assigned" else "2026-01-06T01:00:00Z"
    return {
        "case": {
            "case_id": _CASE_ID,
            "state": state,
            "score": 80,
            "assignee": "B001/officer-7",
            "person_token": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
            "household_token": None,
            "facility": None,
            "alerts": 1,
            "detectors": ["exact-repeat"],
            "opened_at": "2026-01-05T02:14:10Z",
            "closed_at": closed_at,
        },
        "recoveries": [],
        "muted": [],
    } | more


_ASSIGN = Example({"to": "B001/officer-7"}, _worked("assigned"))
_CONFIRM = Example(
    {"note": "同一账单两次结算", "recover": [_CLAIM_ID]},
    _worked("confirmed", recoveries=[{"settlement_id": _CLAIM_ID, "aid_fen": 5760}]),
)
_DISMISS = Example(
    {"note": "已核实，两次就诊"}, _worked("dismissed", muted=["exact-repeat"])
)

EXAMPLES: dict[str, Example] = {
    "open_session": _SESSION,
    "eligibility": _ELIGIBILITY,
    "quote": Example(
        _SETTLE.request,
        _SETTLE.answer | {"settlement_id": None, "settled_at": None, "receipt": None},
    ),
    "settle": _SETTLE,
    "reverse": _REVERSE,
    "statistics": _STATISTICS,
    "reconcile_totals": _TOTALS,
    "assign_case": _ASSIGN,
    "confirm_case": _CONFIRM,
    "dismiss_case": _DISMISS,
}
