"""5203 tells what became of a settlement: by its id, by a message, or by the visit.

By the message is how a HIS ends its doubt after a lost answer: what is not found has
not settled yet, what was declined is told as 2207 told it, and a message that a 2601
has stopped settles no more.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from gateway.his.answers import FINAL, Reply, decided, message
from gateway.his.json_body import encoded
from gateway.his.money import amount
from gateway.his.numbers import (
    MOST_CHARS,
    key_of,
    msgid_of,
    setl_id_of,
    settlement_id_of,
)
from gateway.his.setlinfo import aid_rows, local_time, warning_of
from gateway.his.stored import stored_bill, stored_national
from settlement.domain.bill import BillFault, CareType
from settlement.domain.errors import RequestRefused
from settlement.service.request import psn_digest_of
from settlement.store.find import id_of_key, tombstone
from settlement.store.his import StoredCharge, stored_charge, stored_under
from settlement.store.his_lookups import charges_of_visit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.his.asked import Asked

_NOT_FOUND, _ANOTHERS, _STOPPED = "MA-4101", "MA-4104", "MA-2205"
_DISAGREES, _NOTHING_NAMED = "MA-1233", "MA-1234"
_SETTLED_BEFORE = "MA-2202"
_UNDONE = "reversed"
_STANDS, _REVERSAL = "1", "2"
_APPROVED = "approved"


async def settlement(asked: Asked) -> Reply:
    """5203: the settlement as it stands now."""
    data = asked.envelope.node("data")
    psn_no = data.text("psn_no", 30)
    setl_id = data.text("setl_id", MOST_CHARS, required=False)
    msgid = data.text("medins_setl_id", MOST_CHARS, required=False)
    visit_no = data.text("mdtrt_id", 30, required=False)
    if not (setl_id or msgid or visit_no):
        data.refuse("setl_id", _NOTHING_NAMED)
    asked.envelope.check()
    if setl_id:
        stored = await _by_id(asked, setl_id)
    elif msgid:
        found = await _by_message(asked, msgid)
        if isinstance(found, Reply):
            return found
        stored = found
    else:
        stored = await _by_visit(asked, visit_no, psn_no)
    _must_be_of(asked, stored, psn_no)
    if visit_no and stored.visit_no != visit_no:
        raise _refused_at("input.data.mdtrt_id")
    # State and reversal from one look: version 1 shows the same.
    made = await asked.gateway.settlement_by_id(asked.caller, stored.id.hex())
    decision = orjson.loads(made.body)
    if decision["decision"] != _APPROVED:
        return decided(decision, b'{"medaid":' + made.body + b"}")
    return Reply(
        _output(stored, decision, made.body, psn_no), warn_msg=warning_of(decision)
    )


async def _by_id(asked: Asked, setl_id: str) -> StoredCharge:
    settlement_id = settlement_id_of(setl_id)
    if settlement_id is None:
        raise RequestRefused(_NOT_FOUND)
    return await _stored(asked, bytes.fromhex(settlement_id))


async def _stored(asked: Asked, identity: bytes) -> StoredCharge:
    stored = await stored_charge(
        asked.gateway.database, asked.caller.party_id, identity
    )
    if stored is None:
        raise RequestRefused(_NOT_FOUND)
    return stored


async def _by_message(asked: Asked, msgid: str) -> StoredCharge | Reply:
    """What the message has settled; of one that repeated another, that one's."""
    key = key_of(msgid)
    if key is None:
        raise RequestRefused(_NOT_FOUND)
    database, facility = asked.gateway.database, asked.caller.party_id
    stored = await stored_under(database, facility, key)
    if stored is None:
        identity = await id_of_key(database, facility, key)
        if identity and await tombstone(database, facility, identity):
            return Reply(infcode=FINAL, err_msg=message(_STOPPED))
        raise RequestRefused(_NOT_FOUND)
    if stored.reason == _SETTLED_BEFORE:
        first = orjson.loads(stored.answer)["duplicate_of"]["settlement_id"]
        return await _stored(asked, bytes.fromhex(first))
    return stored


async def _by_visit(asked: Asked, visit_no: str, psn_no: str) -> StoredCharge:
    """The visit's newest settlement of this person; approved ones before declines."""
    charges = await charges_of_visit(
        asked.gateway.database, asked.caller.party_id, visit_no
    )
    if not charges:
        raise RequestRefused(_NOT_FOUND)
    for charge in charges:
        if _is_of(asked, charge.request, psn_no):
            return await _stored(asked, charge.id)
    raise _refused_at("input.data.psn_no")


def _is_of(asked: Asked, request: bytes, psn_no: str) -> bool:
    digest = psn_digest_of(request)
    given = asked.gateway.identities.digest_of(psn_no)
    return digest is not None and hmac.compare_digest(digest.hex(), given)


def _must_be_of(asked: Asked, stored: StoredCharge, psn_no: str) -> None:
    if not _is_of(asked, stored.request, psn_no):
        raise _refused_at("input.data.psn_no")


def _refused_at(path: str) -> RequestRefused:
    return RequestRefused(_ANOTHERS, faults=(BillFault(path, _DISAGREES),))


def _output(
    stored: StoredCharge, decision: Mapping[str, Any], body: bytes, psn_no: str
) -> bytes:
    bill = stored_bill(stored)
    output: dict[str, Any] = {
        "setlinfo": _setlinfo(stored, bill, decision, psn_no),
        # Insurance's own rows are insurance's to tell, and are not kept.
        "setldetail": aid_rows(CareType(bill["care_type"]), decision),
        "medaid": orjson.Fragment(body),
    }
    reversal = decision.get("reversal")
    if reversal is not None:
        output["reversal"] = {
            "setl_id": setl_id_of(reversal["reversal_id"]),
            "init_setl_id": setl_id_of(decision["settlement_id"]),
            "setl_type": _REVERSAL,
            "maf_pay": amount(-reversal["aid_fen"]),
        }
    return encoded(output)


def _setlinfo(
    stored: StoredCharge,
    bill: Mapping[str, Any],
    decision: Mapping[str, Any],
    psn_no: str,
) -> dict[str, Any]:
    """The fields of 5203, and beside them those of 2207 that are called otherwise."""
    facts, aid = stored_national(dict(bill)), decision["aid_fen"]
    is_undone = decision["state"] == _UNDONE
    part, cash = amount(decision["patient_pays_fen"]), amount(decision["cash_fen"])
    deductible = bill["deductible_fen"]
    return {
        "setl_id": setl_id_of(decision["settlement_id"]),
        "mdtrt_id": stored.visit_no,
        "psn_no": psn_no,
        "setl_type": _REVERSAL if is_undone else _STANDS,
        "refd_setl_flag": "1" if is_undone else "0",
        "setl_time": local_time(datetime.fromisoformat(decision["settled_at"])),
        "insutype": facts.insutype,
        "med_type": bill["med_type"] or "",
        "begndate": bill["service_start"],
        "enddate": bill["service_end"],
        "year": bill["service_end"][:4],
        "medfee_sumamt": amount(bill["total_fen"]),
        "fulamt_ownpay_amt": amount(bill["self_funded_fen"]),
        "overlmt_selfpay": amount(bill["over_limit_fen"]),
        "preselfpay_amt": amount(bill["pre_selfpay_fen"]),
        "inscp_scp_amt": amount(bill["in_policy_fen"]),
        "act_pay_dedc": None if deductible is None else amount(deductible),
        "hifp_pay": amount(bill["basic_insurance_fen"]),
        "hifmi_pay": amount(bill["serious_illness_fen"]),
        "oth_pay": amount(bill["other_funds_fen"]),
        "maf_pay": amount(bill["medical_aid_fen"] + aid),
        "fund_pay_sumamt": amount(facts.fund_pay_fen + aid),
        "psn_pay": part,
        "psn_part_amt": part,
        "acct_pay": amount(facts.acct_pay_fen),
        "cash_payamt": cash,
        "psn_cash_pay": cash,
        "clr_optins": facts.clr_optins,
        "clr_type": facts.clr_type,
        "medins_setl_id": msgid_of(stored.key) or "",
    }
