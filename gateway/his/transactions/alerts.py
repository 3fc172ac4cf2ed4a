"""3101 and 3102 show alerts on the screen that a HIS has for rule violations.

Of a charge that is not settled yet, what the detectors would say of it; else what the
answers to this hospital's own settlements of a visit have said. Nothing that is told
here was not told to this hospital, or would not be when it settles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from gateway.his.answers import Reply
from gateway.his.charge import read_charge
from gateway.his.json_body import encoded
from gateway.his.money import amount
from gateway.his.numbers import setl_id_of
from gateway.wire_faults import Faults
from settlement.domain.errors import RequestRefused
from settlement.domain.watch.detectors import DETECTORS

if TYPE_CHECKING:
    from gateway.his.asked import Asked
    from gateway.his.node import Node

#: 门诊结算 and 门诊预结算: the moments of which this gateway knows anything.
_OURS = frozenset({"6", "7"})
_DENIED, _HELD = "MA-2208", "MA-2209"
#: `sev_deg`: tells, asks to be confirmed, denies (dictionary SEV_DEG).
_SEVERITY = {_HELD: "2", _DENIED: "3"}
_TELLS = "1"
_REVERSED = "reversed"
_VIOLATING = "1"
_MOST_PATIENTS = 100
_MOST_RULES = 100
_LINE, _LONG = 200, 500


@dataclass(frozen=True, slots=True)
class _Patient:
    """As the HIS names them, to be named back."""

    patn_id: str = ""
    visit_no: str = ""


async def alerts(asked: Asked) -> Reply:
    """3101 before and 3102 during: the same answer, because nothing is stored."""
    data = asked.envelope.node("data")
    scene = data.text("trig_scen", 6)
    rules = _rules(data)
    patients = [
        _Patient(
            row.text("patn_id", 50, required=False),
            row.text("curr_mdtrt_id", 50, required=False)
            or row.text("mdtrt_id", 50, required=False),
        )
        for row in data.rows("patient_dtos", _MOST_PATIENTS)
    ]
    asked.envelope.check()
    found: list[dict[str, Any]] = []
    if scene in _OURS:
        if asked.envelope.has("charge"):
            found = await _of_charge(asked, patients)
        else:
            found = await _of_visits(asked, patients)
    wanted = [each for each in found if not rules or each["rule_id"] in rules]
    return Reply(encoded({"result": wanted}))


def _rules(data: Node) -> frozenset[str]:
    """`rule_ids`, an array or a text with commas; empty asks for all."""
    given = data.raw("rule_ids")
    if given is None or isinstance(given, str):
        given = (given or "").split(",")
    if not isinstance(given, list) or len(given) > _MOST_RULES:
        data.refuse("rule_ids", "MA-1128")
        return frozenset()
    return frozenset(name for each in given if (name := str(each).strip()))


async def _of_charge(asked: Asked, patients: list[_Patient]) -> list[dict[str, Any]]:
    """What settling the charge now would tell the cashier."""
    given = asked.envelope.input["charge"]
    within = replace(
        asked.envelope,
        input=given if isinstance(given, Mapping) else {},
        faults=Faults(),
    )
    try:
        bill = read_charge(within, asked.today).bill
    except RequestRefused as refused:
        raise _inside("charge", refused) from None
    made = await asked.gateway.quote(asked.caller, bill, asked.when)
    patient = patients[0] if patients else _Patient()
    named = replace(patient, visit_no=patient.visit_no or bill.visit_no)
    decision = orjson.loads(made.body)
    return _rows(asked.envelope.msgid, decision, named)


def _inside(node: str, refused: RequestRefused) -> RequestRefused:
    """The same refusal, its fields where the sender has put them."""
    faults = tuple(
        replace(fault, path=fault.path.replace("input.", f"input.{node}.", 1))
        for fault in refused.faults
    )
    return RequestRefused(
        refused.reason, faults=faults, retry_after_s=refused.retry_after_s
    )


async def _of_visits(asked: Asked, patients: list[_Patient]) -> list[dict[str, Any]]:
    """The alerts of the visits' settlements and declines that were not undone."""
    rows: list[dict[str, Any]] = []
    for patient in patients:
        if not patient.visit_no:
            continue
        made = await asked.gateway.settlements_by_visit(asked.caller, patient.visit_no)
        for decision in orjson.loads(made.body)["items"]:
            if decision["state"] != _REVERSED:
                task = setl_id_of(decision["settlement_id"])
                rows += _rows(task, decision, patient)
    return rows


def _rows(
    task: str, decision: Mapping[str, Any], patient: _Patient
) -> list[dict[str, Any]]:
    """Each alert as a HIS shows a violation; the amount is what insurance has left."""
    at_stake_fen = decision["aid_fen"] + decision["patient_pays_fen"]
    severity = _SEVERITY.get(decision["reason"]["code"], _TELLS)
    rows = []
    for number, alert in enumerate(decision["alerts"], start=1):
        code, told = alert["code"], alert["text"]["zh"]
        known = DETECTORS.get(code)
        rows.append(
            {
                "jr_id": f"{task}-{number}",
                "rule_id": code,
                "rule_name": (told if known is None else known.title.zh)[:_LINE],
                "vola_cont": told[:_LONG],
                "patn_id": patient.patn_id,
                "mdtrt_id": patient.visit_no,
                "vola_amt": amount(at_stake_fen),
                "vola_amt_stas": "",
                "sev_deg": severity,
                "vola_evid": decision["next_step"]["zh"][:_LONG],
                "vola_bhvr_type": "",
                "task_id": task,
                "judge_result_detail_dtos": [
                    {
                        "jrd_id": f"{task}-{number}-1",
                        "patn_id": patient.patn_id,
                        "mdtrt_id": patient.visit_no,
                        "rx_id": "",
                        "vola_item_type": _VIOLATING,
                        "vola_amt": amount(at_stake_fen),
                    }
                ],
            }
        )
    return rows
