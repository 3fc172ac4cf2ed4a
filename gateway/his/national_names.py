"""What a field of version 1 is called in the national interface, for messages."""

from __future__ import annotations

_NAMES = {
    "card.number": "input.data.mdtrt_cert_no",
    "visit_no": "input.data.mdtrt_id",
    "bill_no": "input.data.chrg_bchno",
    "service_start": "input.data.begntime",
    "service_end": "input.data.endtime",
    "service_date": "input.data.begntime",
    "total_fen": "input.setlinfo.medfee_sumamt",
    "self_funded_fen": "input.setlinfo.fulamt_ownpay_amt",
    "over_limit_fen": "input.setlinfo.overlmt_selfpay",
    "pre_selfpay_fen": "input.setlinfo.preselfpay_amt",
    "in_policy_fen": "input.setlinfo.inscp_scp_amt",
    "basic_insurance_fen": "input.setlinfo.hifp_pay",
    "serious_illness_fen": "input.setlinfo.hifmi_pay",
    "other_funds_fen": "input.setlinfo.oth_pay",
    "medical_aid_fen": "input.setlinfo.maf_pay",
    "personal_account_fen": "input.setlinfo.acct_pay",
    "deductible_fen": "input.setlinfo.act_pay_dedc",
    "commercial_fen": "input.medaid.commercial",
    "charity_fen": "input.medaid.charity",
    "expected_aid_fen": "input.medaid.expected_aid",
    "prescription_days": "input.medaid.prescription_days",
    "diagnoses": "input.data.dise_codg",
    "Idempotency-Key": "msgid",
    "national": "input",
    "occurred_at": "inf_time",
}


def national_path(path: str) -> str:
    """The path as the sender wrote it; one that is national already stays."""
    return _NAMES.get(path, path)
