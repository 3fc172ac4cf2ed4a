"""Request bodies for the edge's tests. Numbers are made up, check digits are right."""

import json
from typing import Any

#: 110101 is a real area code; nobody was born there with sequence 998 on that day.
RESIDENT_ID = "110101199001019984"
CARD = {"kind": "social_security_card", "number": "A12345678"}
BILL: dict[str, Any] = {
    "card": CARD,
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
}
#: The fields that API.md does not list under "may be left out".
REQUIRED = (
    "card", "visit_no", "care_type", "service_start", "service_end", "referred",
    "total_fen", "self_funded_fen", "over_limit_fen", "pre_selfpay_fen",
    "in_policy_fen", "basic_insurance_fen", "serious_illness_fen", "other_funds_fen",
    "personal_account_fen",
)  # fmt: skip


def bill(**changes: Any) -> bytes:
    """The bill of API.md with changes; `...` leaves a field out."""
    members = {**BILL, **changes}
    kept = {name: value for name, value in members.items() if value is not ...}
    return json.dumps(kept, ensure_ascii=False).encode()
