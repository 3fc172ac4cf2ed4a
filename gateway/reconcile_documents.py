"""Reconciliation as JSON values, for the calls and for `medaid reconcile --json`."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from gateway.hospital_lists import HospitalList
from settlement.domain.calendar import month_name, rfc3339
from settlement.domain.matching import KINDS, REPAIRS, STATEMENT_FLAT, Kind, Repair
from settlement.domain.reasons import reason
from settlement.service.reconcile.daily import DailyTotals, DayOfCare, Sums
from settlement.service.reconcile.matching import Named, amounts_of
from settlement.service.reconcile.statements import ClosedStatement
from settlement.service.reconcile.working import HospitalState, MonthState, Told

#: National convention, `stmt_rslt`: the data differ.
STATEMENT_DIFFERS = "000103"


def statement_result(*, flat: bool) -> str:
    """The national code for a comparison as a whole."""
    return STATEMENT_FLAT if flat else STATEMENT_DIFFERS


def totals_document(found: DailyTotals) -> dict[str, Any]:
    """Both sides' totals, day by day."""
    return {
        "flat": found.is_flat,
        "stmt_rslt": statement_result(flat=found.is_flat),
        "items": [_day(each) for each in found.items],
        "gateway_total": _sums(found.gateway),
        "hospital_total": _sums(found.hospital),
    }


def _day(each: DayOfCare) -> dict[str, Any]:
    return {
        "day": each.day.isoformat(),
        "care_type": each.care_type,
        "flat": each.is_flat,
        "hospital": None if each.hospital is None else _sums(each.hospital),
        "gateway": {
            "settled": _sums(each.settled),
            "reversed": _sums(each.reversed),
            "net": _sums(each.net),
        },
    }


def _sums(sums: Sums) -> dict[str, int]:
    return {
        "count": sums.count,
        "total_fen": sums.total_fen,
        "aid_fen": sums.aid_fen,
    }


def list_document(listed: HospitalList) -> dict[str, Any]:
    """How a list was read, and which of its lines were left out and why."""
    facts = listed.facts
    return {
        "form": facts.form.value,
        "layout": facts.layout.value,
        "encoding": facts.encoding or None,
        "rows": facts.rows,
        "total_fen": facts.total_fen,
        "aid_fen": facts.aid_fen,
        "refused": [
            {
                "line": each.line,
                "column": each.column or None,
                "code": each.reason,
                "text": asdict(reason(each.reason).text),
            }
            for each in listed.refused
        ],
    }


def state_document(state: MonthState) -> dict[str, Any]:
    """How a month stands, hospital by hospital."""
    cut = state.cut
    return {
        "month": month_name(cut.month),
        "first_index": cut.first_index,
        "tree_size": cut.tree_size,
        "opened_at": cut.opened_at.isoformat(),
        "opened_by": cut.opened_by,
        "closed": state.is_closed,
        "hospitals": [_hospital_document(each) for each in state.hospitals],
    }


def _hospital_document(hospital: HospitalState) -> dict[str, Any]:
    matched = hospital.matched
    return {
        "facility": hospital.facility.code,
        "name": hospital.facility.name,
        "state": hospital.state,
        "net": hospital.net.document(),
        "differences": hospital.differences,
        "carried_in": hospital.carried_in,
        "has_list": hospital.has_list,
        "matched_at": matched.matched_at.isoformat() if matched else None,
        "with_bureau": matched.with_bureau if matched else None,
        "officers": list(hospital.officers),
    }


def difference_document(told: Told) -> dict[str, Any]:
    """A kept difference with its history."""
    row = told.row
    return {
        "id": row.id.hex(),
        "month": month_name(row.month),
        "facility": row.facility,
        **_of_kind(Kind(row.kind)),
        **_named(row.settlement_id, row.reversal_id, row.listed_id),
        "visit_no": row.visit_no or None,
        "idempotency_key": row.key or None,
        "lines": row.lines,
        "amounts": row.amounts,
        "actual_day": row.actual_day.isoformat() if row.actual_day else None,
        "repair": _repair(Repair(row.repair)),
        "state": row.state,
        "history": [
            {
                "at": event.at.isoformat(),
                "who": event.who,
                "action": event.action,
                "note": event.note,
            }
            for event in told.events
        ],
    }


def passing_document(named: Named, month: str, facility: str) -> dict[str, Any]:
    """A difference of a list that is not kept: the same, without state and history."""
    found = named.difference
    return {
        "id": named.id.hex(),
        "month": month,
        "facility": facility,
        **_of_kind(found.kind),
        **_named(found.settlement_id, found.reversal_id, found.listed_id),
        "visit_no": found.visit_no or None,
        "idempotency_key": found.key or None,
        "lines": list(found.lines),
        "amounts": amounts_of(found),
        "actual_day": found.actual_day.isoformat() if found.actual_day else None,
        "repair": _repair(found.repair),
        "state": None,
        "history": [],
    }


def _of_kind(kind: Kind) -> dict[str, Any]:
    facts = KINDS[kind]
    return {
        "kind": kind.value,
        "text": asdict(facts.text),
        "owner": facts.owner.value,
        "stmt_rslt": facts.stmt_rslt,
    }


def _named(
    settlement_id: bytes | None, reversal_id: bytes | None, listed_id: str
) -> dict[str, Any]:
    return {
        "settlement_id": settlement_id.hex() if settlement_id else None,
        "reversal_id": reversal_id.hex() if reversal_id else None,
        "listed_id": listed_id or None,
    }


def _repair(repair: Repair) -> dict[str, str]:
    text = REPAIRS[repair]
    return {"action": repair.value, "zh": text.zh, "en": text.en}


def page_document(month: int, told: Iterable[Told], limit: int) -> dict[str, Any]:
    """Some of a month's differences, and behind which one the next begin.

    `told` has one more than `limit` where there are more.
    """
    rows = list(told)
    shown = rows[:limit]
    return {
        "month": month_name(month),
        "differences": [difference_document(each) for each in shown],
        "next": shown[-1].row.id.hex() if len(rows) > limit else None,
    }


def statement_document(month: int, found: ClosedStatement) -> dict[str, Any]:
    """A closed statement, as a string because its very bytes were signed."""
    closed = found.closed
    return {
        "month": month_name(month),
        "facility": closed.facility,
        "name": closed.name,
        "statement": closed.statement.decode(),
        "sha256": closed.sha256,
        "closed_at": rfc3339(closed.closed_at),
        "signatures": [
            {
                "officer": each.officer,
                "key_id": each.key_id,
                "signature": base64.b64encode(each.signature).decode(),
                "signed_at": rfc3339(each.signed_at),
            }
            for each in found.signatures
        ],
    }
