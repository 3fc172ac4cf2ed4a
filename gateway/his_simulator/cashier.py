"""One visit at a window: who it is, the platform's settlement, ours, perhaps undone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.his.money import yuan_of
from gateway.his_simulator.books import Outcome, entry_of
from gateway.his_simulator.desk import Desk
from gateway.his_simulator.messages import Answer, NoEnvelope, fen
from gateway.his_simulator.plan import Visit
from gateway.his_simulator.settling import DECISION, GAVE_UP, OPEN, Settling, undo


async def serve(desk: Desk, visit: Visit, window: str) -> None:
    """Play the visit to its end, whatever the line does."""
    is_aided = await _has_identity(desk, visit)
    national = await _national(desk, visit)
    if national is None:
        return
    if not is_aided and not visit.asks_anyway:
        desk.books.end(visit.mdtrt_id, Outcome.NOT_ASKED)
        return
    given = {
        "data": charge_data(visit),
        "setlinfo": national.node("setlinfo"),
        "setldetail": national.output.get("setldetail"),
    }
    quoted = await desk.read("2206", given, visit.at, visit.mdtrt_id)
    settling = Settling(desk, visit, given, window)
    answer = await settling.run()
    if isinstance(answer, Answer):
        _enter(desk, visit, given, answer, quoted)
    else:
        ends = {GAVE_UP: Outcome.REVERSED, OPEN: Outcome.OPEN}
        desk.books.end(visit.mdtrt_id, ends[answer])
    if visit.cancels and desk.books.entry(visit.mdtrt_id) is not None:
        await cancel(desk, visit, f"{national.node('setlinfo').get('setl_id')}")


def charge_data(visit: Visit) -> dict[str, Any]:
    """`data` of 2206 and 2207, for both platforms alike."""
    cost = visit.cost
    return {
        "psn_no": visit.person.psn_no,
        "mdtrt_cert_type": visit.cert_type,
        "mdtrt_cert_no": visit.cert_no,
        "med_type": visit.med_type,
        "medfee_sumamt": yuan_of(cost.total_fen),
        "psn_setlway": "01",
        "mdtrt_id": visit.mdtrt_id,
        "chrg_bchno": "1",
        "acct_used_flag": "1" if visit.uses_account else "0",
        "insutype": visit.person.insutype,
        "fulamt_ownpay_amt": yuan_of(cost.self_funded_fen),
        "overlmt_selfpay": yuan_of(cost.over_limit_fen),
        "preselfpay_amt": yuan_of(cost.pre_selfpay_fen),
        "inscp_scp_amt": yuan_of(cost.in_policy_fen),
        "maf_psn_flag": "1" if visit.is_aided_elsewhere else "0",
    }


async def _has_identity(desk: Desk, visit: Visit) -> bool:
    """1101 at the gateway; an e-voucher is asked for by identity number (1.8)."""
    by_number = visit.cert_type == "01"
    data = {
        "mdtrt_cert_type": "02" if by_number else visit.cert_type,
        "mdtrt_cert_no": visit.person.id_number if by_number else visit.cert_no,
        "card_sn": "0" * 8,
        "psn_cert_type": "01",
        "certno": visit.person.id_number,
        "psn_name": visit.person.name,
    }
    answer = await desk.read("1101", {"data": data}, visit.at, visit.mdtrt_id)
    if answer is None or not answer.is_done:
        # Not known is not "no": then the settlement itself decides.
        return True
    has_identity = bool(answer.rows("idetinfo"))
    if has_identity != bool(visit.person.category):
        desk.found("1101 names other identities than the roster", visit.mdtrt_id)
    return has_identity


async def _national(desk: Desk, visit: Visit) -> Answer | None:
    given = {"data": charge_data(visit)}
    quoted = await desk.ask_platform("2206", given, visit.at)
    settled = await desk.ask_platform("2207", given, visit.at)
    return settled if quoted.is_done and settled.is_done else None


def _enter(
    desk: Desk,
    visit: Visit,
    given: Mapping[str, Any],
    answer: Answer,
    quoted: Answer | None,
) -> None:
    if not answer.is_done:
        desk.books.end(visit.mdtrt_id, Outcome.DECLINED)
        if not answer.code.startswith(DECISION):
            desk.found(f"2207 was refused: {answer.err_msg}", visit.mdtrt_id)
        return
    try:
        entry = entry_of(visit, given["setlinfo"], answer.node("setlinfo"))
    except NoEnvelope as fault:
        desk.found(f"2207: {fault}", visit.mdtrt_id)
        desk.books.end(visit.mdtrt_id, Outcome.OPEN)
        return
    desk.books.settle(entry)
    listed = sum(
        fen(row.get("fund_payamt"))
        for row in answer.rows("setldetail")
        if f"{row.get('fund_pay_type')}".startswith("6101")
    )
    own = fen(given["setlinfo"]["maf_pay"])
    # 5203 lists our own aid alone.
    if listed not in (entry.aid_fen, entry.aid_fen + own):
        desk.found("2207: setldetail lists other aid than maf_pay", visit.mdtrt_id)
    if quoted is not None and quoted.is_done:
        told = fen(quoted.node("setlinfo").get("maf_pay"))
        if told != entry.aid_fen + own:
            desk.found("2206 has quoted another aid than 2207", visit.mdtrt_id)


async def cancel(desk: Desk, visit: Visit, national_setl_id: str) -> None:
    """2208 at the gateway until it is known, then at the national platform."""
    entry = desk.books.entry(visit.mdtrt_id)
    if entry is None:
        return
    answer = await undo(desk, visit, entry.setl_id)
    if answer is None:
        return
    taken = fen(answer.node("setlinfo").get("medfee_sumamt"))
    if taken != -entry.medfee_fen:
        desk.found("2208 does not take back the whole amount", visit.mdtrt_id)
    desk.books.cancel(visit.mdtrt_id)
    data = {
        "setl_id": national_setl_id, "mdtrt_id": visit.mdtrt_id,
        "psn_no": visit.person.psn_no,
    }  # fmt: skip
    await desk.ask_platform("2208", {"data": data}, visit.at)
