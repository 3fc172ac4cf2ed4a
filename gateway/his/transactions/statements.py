"""3201 compares sums of some days, 3202 every settlement of them.

Both count what 2207 answered on the days, less what was undone on them: the same
entries that version 1 reconciles by and the bureau pays by.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.his.answers import Reply
from gateway.his.file_shelf import DIFFERENCES, UPLOADED, packed_rows
from gateway.his.json_body import encoded
from gateway.his.setlinfo import local_time
from gateway.his.statement_match import (
    DIFFERS,
    FLAT,
    GATEWAY_MORE,
    HOSPITAL_MORE,
    RESULT_TEXTS,
    Wanted,
    differences,
)
from gateway.his.statement_rows import MOST_ROWS, SentRow, read_rows
from gateway.in_time import in_time
from settlement.domain.errors import RequestRefused
from settlement.service.ids import ids_of_days
from settlement.service.reconcile.daily import MOST_DAYS
from settlement.service.request import BILL_FIELDS
from settlement.store.his_statements import (
    DaysCharge,
    KindTotals,
    charges_of_days,
    kind_totals,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import date

    from gateway.his.asked import Asked
    from gateway.his.node import Node

_T = TypeVar("_T")
_FACTS_AT = BILL_FIELDS.index("national")
_MOST_COUNT = 12
#: Some programs write every number with places.
_COUNT = re.compile(r"(-?[0-9]{1,10})(\.0*)?")
_TOO_MANY = "MA-6310"
_NOT_THE_FILES = "所报合计与明细文件的合计不符，已按明细文件逐笔核对。"


async def totals(asked: Asked) -> Reply:
    """3201: `stmt_rslt` of one insurance, one kind of clearing, one office."""
    data = asked.envelope.node("data")
    insutype, clr_type = data.text("insutype", 6), data.text("clr_type", 6)
    office = data.text("setl_optins", 6)
    days = data.days("stmt_begndate", "stmt_enddate", MOST_DAYS)
    stated = _stated(data)
    asked.envelope.check()
    ours = await _days(asked, days, kind_totals, (insutype, clr_type, office))
    result = _result(ours, stated)
    told = {
        "setl_optins": office,
        "stmt_rslt": result,
        "stmt_rslt_dscr": RESULT_TEXTS[result],
    }
    return Reply(encoded({"stmtinfo": told}))


async def details(asked: Asked) -> Reply:
    """3202: the file of differences of an uploaded file, for 9102."""
    data = asked.envelope.node("data")
    office = data.text("setl_optins", 6)
    clr_type = data.text("clr_type", 6, required=False)
    number = data.text("file_qury_no", 30)
    days = data.days("stmt_begndate", "stmt_enddate", MOST_DAYS)
    stated = _stated(data, with_acct=False)
    data.signed_fen("cash_payamt", required=False)
    asked.envelope.check()
    sent = await asked.files.get(asked.caller.party_id, number, UPLOADED)
    rows = await asyncio.to_thread(read_rows, sent.content)
    ours = await _days(asked, days, charges_of_days, MOST_ROWS + 1)
    if len(ours) > MOST_ROWS:
        raise RequestRefused(_TOO_MANY)
    # Thousands of digests: others are served meanwhile.
    content = await asyncio.to_thread(
        _file, ours, rows, Wanted(office, clr_type), asked
    )
    name = sent.filename.rpartition(".")[0] or sent.filename
    kept = await asked.files.put(
        asked.caller.party_id,
        f"3202:{asked.envelope.key}",
        kind=DIFFERENCES,
        filename=f"{name}_result.zip"[-200:],
        content=content,
        made_of=f"{number} {days} {office} {clr_type}".encode(),
    )
    told = {
        "file_qury_no": kept.number,
        "filename": kept.filename,
        "dld_endtime": local_time(kept.ends_at),
    }
    warning = "" if _same(stated, _sums(rows)) else _NOT_THE_FILES
    return Reply(encoded({"fileinfo": told}), warn_msg=warning)


def _file(
    ours: list[DaysCharge], rows: list[SentRow], wanted: Wanted, asked: Asked
) -> bytes:
    found = differences(ours, rows, wanted, asked.gateway.identities.digest_of)
    return packed_rows("result", (each.columns() for each in found))


async def _days(
    asked: Asked,
    days: tuple[date, date] | None,
    read: Callable[..., Coroutine[Any, Any, _T]],
    wanted: object,
) -> _T:
    """What the hospital's own days hold; a few such questions at once, and in time."""
    if days is None:
        raise ValueError("days that were checked are there")
    database, facility = asked.gateway.database, asked.caller.party_id
    reading = read(database, facility, ids_of_days(*days), _FACTS_AT, wanted)
    return await in_time(asked.gateway.reconciliation.in_turn(reading))


def _stated(data: Node, *, with_acct: bool = True) -> KindTotals:
    text = data.text("fixmedins_setl_cnt", _MOST_COUNT)
    count = _COUNT.fullmatch(text)
    if text and count is None:
        data.refuse("fixmedins_setl_cnt", "MA-1128")
    return KindTotals(
        int(count[1]) if count else 0,
        data.signed_fen("medfee_sumamt"),
        data.signed_fen("fund_pay_sumamt"),
        data.signed_fen("acct_pay", required=with_acct),
    )


def _result(ours: KindTotals, stated: KindTotals) -> str:
    """By the number of settlements first: who has more of them has more."""
    if ours == stated:
        return FLAT
    if ours.count == stated.count:
        return DIFFERS
    return GATEWAY_MORE if ours.count > stated.count else HOSPITAL_MORE


def _sums(rows: list[SentRow]) -> KindTotals:
    return KindTotals(
        sum(-1 if row.is_refund else 1 for row in rows),
        sum(row.medfee_fen for row in rows),
        sum(row.fund_fen for row in rows),
        sum(row.acct_fen for row in rows),
    )


def _same(stated: KindTotals, summed: KindTotals) -> bool:
    """3202 states no personal account."""
    return stated == replace(summed, acct_fen=stated.acct_fen)
