"""One hospital's list, read and matched apart: `python -m gateway.list_process`.

A worker gives the order as one line of JSON on standard input and the file as an
inherited descriptor. One JSON document comes back on standard output: the answer, or
why there is none. Standard input stays open; its end means that the worker is gone,
and so is this process then, whatever it is doing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import threading
from dataclasses import asdict
from datetime import date
from typing import Any

import orjson

from gateway.crash_dumps import forbid_crash_dumps
from gateway.hospital_lists import HospitalList
from gateway.hospital_lists.raw_lines import form_of, raw_lines
from gateway.last_words import speak_without_traceback
from gateway.list_order import ListOrder
from gateway.reconcile_documents import (
    difference_document,
    list_document,
    passing_document,
    statement_result,
)
from gateway.wire_faults import MAX_FAULTS
from gateway.wire_reconciliation import MOST_DIFFERENCES, Period, parse_period
from settlement.domain.calendar import month_of
from settlement.domain.errors import FatalError, RequestRefused
from settlement.domain.hospital_list import ListRefusedError, RefusedLine
from settlement.service.reconcile.matching import NewList, match_days, match_month
from settlement.service.reconcile.working import list_differences
from settlement.store.database import Database
from settlement.store.differences import ids_found
from settlement.store.errors import StoreUnavailableError
from settlement.store.find import reading_faults
from settlement.store.periods import opened_month

_AWAY = "MA-5105"
_AWAY_FOR_S = 2
_GONE_STATUS = 1


def main() -> None:
    """Do one order and end."""
    forbid_crash_dumps()
    speak_without_traceback()
    order = ListOrder(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_worker, daemon=True).start()
    said = orjson.dumps(asyncio.run(outcome(order)))
    sys.stdout.buffer.write(said)
    sys.stdout.buffer.flush()


def _end_with_worker() -> None:
    """End this process where standard input ends; what was begun is rolled back."""
    sys.stdin.read()
    os._exit(_GONE_STATUS)


async def outcome(order: ListOrder) -> dict[str, Any]:
    """The answer, or what refuses the list."""
    try:
        return {"answer": await _matched(order)}
    except ListRefusedError as refused:
        return _refusal(refused.reason, list_faults(refused.refused))
    except RequestRefused as refused:
        return _refusal(refused.reason, retry_after_s=refused.retry_after_s)
    except (StoreUnavailableError, FatalError):
        return _refusal(_AWAY, retry_after_s=_AWAY_FOR_S)


def _refusal(
    code: str,
    faults: list[tuple[str, str]] | None = None,
    retry_after_s: int | None = None,
) -> dict[str, Any]:
    return {
        "refused": {
            "reason": code,
            "faults": faults or [],
            "retry_after_s": retry_after_s,
        }
    }


def list_faults(lines: tuple[RefusedLine, ...]) -> list[tuple[str, str]]:
    """Where the lines are at fault, and why; never what stands there."""
    return [
        (f"line[{each.line}]" + (f".{each.column}" if each.column else ""), each.reason)
        for each in lines[:MAX_FAULTS]
    ]


async def _matched(order: ListOrder) -> dict[str, Any]:
    today = date.fromisoformat(order.today)
    period = parse_period(order.period, today=today)
    database = await Database.open(order.dsn, max_size=2, gives_way=True)
    try:
        with reading_faults(), os.fdopen(order.fd, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            listed = HospitalList(file, today=today)
            if await _is_opened(database, period):
                found = await _month(database, order, period, listed, sha256)
            else:
                found = await _days(database, order, period, listed)
    finally:
        await database.close()
    is_flat = not found["kinds"]
    return {
        "period": period.name,
        "flat": is_flat,
        "stmt_rslt": statement_result(flat=is_flat),
        "list": list_document(listed),
        **found,
    }


async def _is_opened(database: Database, period: Period) -> bool:
    if period.month is None:
        return False
    async with database.pool.acquire() as session:
        return await opened_month(session, period.month) is not None


async def _month(
    database: Database,
    order: ListOrder,
    period: Period,
    listed: HospitalList,
    sha256: str,
) -> dict[str, Any]:
    """Keep the list and what differs; the list received last counts."""
    month = period.month or 0
    lines = raw_lines(listed, _no_progress)
    async with database.pool.acquire() as session, session.transaction():
        matched = await match_month(
            session,
            month,
            order.facility,
            by=f"{order.facility}/{order.operator}",
            new_list=NewList(sha256, lambda: form_of(listed), lines),
        )
        # Others stand in the books too: resolved ones, and the bureau's.
        ids = await ids_found(session, MOST_DIFFERENCES)
    told = await list_differences(database, month, matched.facility.id, ids=ids)
    return {
        "kept": True,
        "tally": asdict(matched.tally),
        "kinds": matched.kinds,
        "differences": [difference_document(each) for each in told],
        "more": matched.tally.differences > MOST_DIFFERENCES,
    }


async def _days(
    database: Database, order: ListOrder, period: Period, listed: HospitalList
) -> dict[str, Any]:
    """Compare and forget."""
    matched = await match_days(
        database,
        order.facility,
        period.first,
        period.last,
        raw_lines(listed, _no_progress),
    )
    month = month_of(period.first)
    return {
        "kept": False,
        "tally": asdict(matched.tally),
        "kinds": matched.kinds,
        "differences": [
            passing_document(each, month, order.facility)
            for each in matched.named[:MOST_DIFFERENCES]
        ],
        "more": matched.tally.differences > MOST_DIFFERENCES,
    }


def _no_progress(_more: int) -> None:
    """Nobody watches."""


if __name__ == "__main__":
    main()
