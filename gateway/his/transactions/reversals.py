"""2208 cancels by `setl_id`, 2601 reverses by the msgid of the original.

Both are one use case of version 1: the full amount, once, whoever asks how often.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from gateway.his.answers import Reply
from gateway.his.json_body import encoded
from gateway.his.money import amount
from gateway.his.numbers import (
    MOST_CHARS,
    key_of,
    msgid_of,
    setl_id_of,
    settlement_id_of,
)
from gateway.his.setlinfo import (
    AID_FUND,
    AID_STEP,
    TILT_FUND,
    TILT_STEP,
    local_time,
)
from gateway.his.stored import stored_bill, stored_national
from settlement.domain.errors import RequestRefused
from settlement.service.ports import ReversalRequest
from settlement.store.his import StoredCharge, confirmed_by, stored_charge, stored_under

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.his.asked import Asked
    from gateway.his.node import Node

_NOT_FOUND = "MA-4101"
_OTHER_VISIT = "MA-4104"
_CONFIRMED_LATER = "MA-4110"
_NO_UNDOING_OF_UNDOING = "MA-4112"
#: What 2601 undoes, and what there is nothing to undo of.
_SETTLES, _CANCELS = "2207", "2208"
#: `setl_type` of a reversal, as a real sample has it.
_REVERSED_TYPE = "2"
_DUPLICATE = b"MA-2202"


async def cancel(asked: Asked) -> Reply:
    """2208: undo a settlement; the answer is the settlement with negative amounts."""
    data = asked.envelope.node("data")
    setl_id = data.text("setl_id", MOST_CHARS)
    visit_no, psn_no = data.text("mdtrt_id", 30), data.text("psn_no", 30)
    asked.envelope.check()
    settlement_id = settlement_id_of(setl_id)
    stored = None
    if settlement_id is not None:
        stored = await stored_charge(
            asked.gateway.database, asked.caller.party_id, bytes.fromhex(settlement_id)
        )
    if stored is None:
        raise RequestRefused(_NOT_FOUND)
    if stored.visit_no != visit_no:
        raise RequestRefused(_OTHER_VISIT)
    order = ReversalRequest(reason="refund", settlement_id=settlement_id, psn_no=psn_no)
    made = await asked.edge.finish(
        asked.gateway.reverse(asked.caller, asked.envelope.key, order, asked.when)
    )
    return Reply(_undone(asked, stored, orjson.loads(made.body)))


async def reverse(asked: Asked) -> Reply:
    """2601: undo what a message has done, or keep it from doing it later."""
    data = asked.envelope.node("data")
    psn_no, oinfno = data.text("psn_no", 30), data.text("oinfno", 6)[:4]
    original_key = _key(data)
    asked.envelope.check()
    if oinfno == _CANCELS:
        raise RequestRefused(_NO_UNDOING_OF_UNDOING)
    if oinfno != _SETTLES or original_key is None:
        # Quotes and look-ups have done nothing.
        return Reply()
    database, facility = asked.gateway.database, asked.caller.party_id
    stored = await stored_under(database, facility, original_key)
    settlement_id = None
    if stored is not None and stored.reason == _DUPLICATE.decode():
        # This message was answered with the settlement that stood: that is meant.
        decision = orjson.loads(stored.answer)
        settlement_id = decision["duplicate_of"]["settlement_id"]
    elif stored is not None and await confirmed_by(database, facility, stored):
        raise RequestRefused(_CONFIRMED_LATER)
    order = ReversalRequest(
        reason="timeout",
        settlement_id=settlement_id,
        original_key=None if settlement_id else original_key,
        psn_no=psn_no,
    )
    await asked.edge.finish(
        asked.gateway.reverse(asked.caller, asked.envelope.key, order, asked.when)
    )
    return Reply()


def _key(data: Node) -> str | None:
    omsgid = data.text("omsgid", MOST_CHARS)
    key = key_of(omsgid)
    if omsgid and key is None:
        data.refuse("omsgid", "MA-1126")
    return key


def _undone(asked: Asked, stored: StoredCharge, reversal: Mapping[str, Any]) -> bytes:
    """`setlinfo` and `setldetail` of the reversal: every amount is taken back."""
    decision, bill = orjson.loads(stored.answer), stored_bill(stored)
    facts, aid = stored_national(bill), decision["aid_fen"]
    cash = amount(-decision["cash_fen"])
    setlinfo = {
        "mdtrt_id": stored.visit_no,
        "setl_id": setl_id_of(reversal["reversal_id"]),
        "init_setl_id": setl_id_of(decision["settlement_id"]),
        "setl_type": _REVERSED_TYPE,
        "psn_no": asked.envelope.node("data").text("psn_no", 30),
        "setl_time": local_time(asked.when.settled_at),
        "medfee_sumamt": amount(-bill["total_fen"]),
        "fulamt_ownpay_amt": amount(-bill["self_funded_fen"]),
        "overlmt_selfpay": amount(-bill["over_limit_fen"]),
        "preselfpay_amt": amount(-bill["pre_selfpay_fen"]),
        "inscp_scp_amt": amount(-bill["in_policy_fen"]),
        "hifp_pay": amount(-bill["basic_insurance_fen"]),
        "hifmi_pay": amount(-bill["serious_illness_fen"]),
        "oth_pay": amount(-bill["other_funds_fen"]),
        "maf_pay": amount(-(bill["medical_aid_fen"] + aid)),
        "fund_pay_sumamt": amount(-(facts.fund_pay_fen + aid)),
        "psn_part_amt": amount(-decision["patient_pays_fen"]),
        "acct_pay": amount(-facts.acct_pay_fen),
        "psn_cash_pay": cash,
        # A misprint of the national text that every client has copied.
        "pdn_cash_pay": cash,
        "clr_optins": facts.clr_optins,
        "clr_type": facts.clr_type,
        "insutype": facts.insutype,
        "medins_setl_id": msgid_of(stored.key) or "",
    }
    return encoded({"setlinfo": setlinfo, "setldetail": _rows(decision)})


def _rows(decision: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The aid that is taken back."""
    return [
        {
            "fund_pay_type": TILT_FUND if part["kind"] == "tilt" else AID_FUND,
            "inscp_scp_amt": amount(-decision["aidable_base_fen"]),
            "crt_payb_lmt_amt": amount(0),
            "fund_payamt": amount(-part["amount_fen"]),
            "setl_proc_info": TILT_STEP if part["kind"] == "tilt" else AID_STEP,
        }
        for part in decision["aid"]
    ]
