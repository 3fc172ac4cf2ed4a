"""2206 quotes and 2207 settles what the national platform has left to the patient."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from gateway.his.answers import Reply, decided
from gateway.his.charge import Charge, read_charge
from gateway.his.numbers import msgid_of
from gateway.his.setlinfo import output_of, warning_of
from gateway.his.stored import stored_bill, stored_national
from settlement.domain.errors import RequestRefused
from settlement.store.his import StoredCharge, stored_charge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.his.asked import Asked
    from settlement.service.ports import Answer

_SETTLED_BEFORE = "MA-2202"
_UNDONE = "MA-4111"
_APPROVED = "approved"


async def quote(asked: Asked) -> Reply:
    """2206: what the bill would get; binds nobody, writes nothing."""
    charge = read_charge(asked.envelope, asked.today)
    made = await asked.gateway.quote(asked.caller, charge.bill, asked.when)
    decision = orjson.loads(made.body)
    return _told(charge, decision, made.body, msgid=asked.envelope.msgid)


async def settle(asked: Asked) -> Reply:
    """2207: settle the bill, once for the msgid and once for the visit's charge.

    The same charge under another msgid is answered with the settlement that stands,
    because a msgid cannot be relied on (his-interface.md, 3.3).
    """
    charge = read_charge(asked.envelope, asked.today)
    made = await asked.edge.finish(
        asked.gateway.settle(asked.caller, asked.envelope.key, charge.bill, asked.when)
    )
    decision = orjson.loads(made.body)
    if decision["reason"]["code"] == _SETTLED_BEFORE:
        return await _first(asked, charge, decision)
    if made.replayed and decision["decision"] == _APPROVED:
        await _still_stands(asked, decision["settlement_id"])
    return _settled(charge, decision, made, asked.envelope.msgid)


async def _first(asked: Asked, charge: Charge, decision: Mapping[str, Any]) -> Reply:
    """The settlement that holds the charge already, as if it had been asked now."""
    stored = await _still_stands(asked, decision["duplicate_of"]["settlement_id"])
    first = orjson.loads(stored.answer)
    return _told(
        _with_sums_of(charge, stored),
        first,
        stored.answer,
        msgid=msgid_of(stored.key) or "",
        settled_at=datetime.fromisoformat(first["settled_at"]),
    )


def _with_sums_of(charge: Charge, stored: StoredCharge) -> Charge:
    """The charge with the platform's sums and kinds as they were settled.

    They are no part of what makes two bills the same, and the hospital adds up what it
    is answered: 3201 counts the settlement that stands.
    """
    settled, facts = stored_national(stored_bill(stored)), charge.bill.national
    if facts is None or not settled.insutype:
        return charge
    facts = replace(
        facts,
        insutype=settled.insutype,
        clr_type=settled.clr_type,
        clr_optins=settled.clr_optins,
        fund_pay_fen=settled.fund_pay_fen,
        acct_pay_fen=settled.acct_pay_fen,
    )
    return replace(charge, bill=replace(charge.bill, national=facts))


async def _still_stands(asked: Asked, settlement_id: str) -> StoredCharge:
    """The stored settlement; raises MA-4111 where it was undone meanwhile.

    A hospital that repeats an old message must not print a slip for money that was
    taken back.
    """
    stored = await stored_charge(
        asked.gateway.database, asked.caller.party_id, bytes.fromhex(settlement_id)
    )
    if stored is None or not stored.is_in_force:
        raise RequestRefused(_UNDONE)
    return stored


def _settled(
    charge: Charge, decision: Mapping[str, Any], made: Answer, msgid: str
) -> Reply:
    return _told(
        charge,
        decision,
        made.body,
        msgid=msgid,
        settled_at=datetime.fromisoformat(decision["settled_at"]),
    )


def _told(
    charge: Charge,
    decision: Mapping[str, Any],
    decision_json: bytes,
    *,
    msgid: str,
    settled_at: datetime | None = None,
) -> Reply:
    if decision["decision"] != _APPROVED:
        return decided(decision, b'{"medaid":' + decision_json + b"}")
    output = output_of(
        charge, decision, decision_json, msgid=msgid, settled_at=settled_at
    )
    return Reply(output, warn_msg=warning_of(decision))
