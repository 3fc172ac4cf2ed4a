"""Each settlement in force, looked up once more: what the gateway holds of it."""

from __future__ import annotations

from datetime import datetime

from gateway.his_simulator.books import Entry
from gateway.his_simulator.desk import Desk
from gateway.his_simulator.messages import NoEnvelope, fen
from gateway.his_simulator.statement import REFUNDED


async def aid_at_gateway(desk: Desk, at: datetime) -> int:
    """5203 by `setl_id` for every entry: the aid in fen that the gateway tells.

    A settlement that it does not know, has undone or tells otherwise is a finding.
    """
    return sum([await _aid(desk, entry, at) for entry in desk.books.entries()])


async def _aid(desk: Desk, entry: Entry, at: datetime) -> int:
    data = {
        "psn_no": entry.psn_no, "setl_id": entry.setl_id, "mdtrt_id": entry.mdtrt_id,
    }  # fmt: skip
    answer = await desk.read("5203", {"data": data}, at, entry.mdtrt_id)
    if answer is None or not answer.is_done:
        said = "nothing" if answer is None else answer.err_msg
        desk.found(f"5203 of a settlement was answered: {said}", entry.mdtrt_id)
        return 0
    info = answer.node("setlinfo")
    if info.get("refd_setl_flag") == REFUNDED:
        desk.found("the gateway has undone a settlement in force", entry.mdtrt_id)
        return 0
    names = ("medfee_sumamt", "fund_pay_sumamt", "acct_pay", "psn_cash_pay")
    own = (entry.medfee_fen, entry.fund_fen, entry.acct_fen, entry.cash_fen)
    try:
        told = tuple(fen(info.get(name)) for name in names)
        aid = fen(info.get("maf_pay")) - entry.other_aid_fen
    except NoEnvelope as fault:
        desk.found(f"5203: {fault}", entry.mdtrt_id)
        return 0
    if told != own:
        desk.found("5203 tells other amounts than 2207 did", entry.mdtrt_id)
    return aid
