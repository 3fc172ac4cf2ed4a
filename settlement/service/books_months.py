"""Months against the log and the ledger: cuts, statements, officers' signatures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import orjson

from crypto.checkpoint import verify_checkpoint
from crypto.errors import CryptoError
from crypto.trust import Trust
from settlement.domain.calendar import days_of_month, month_name, next_month
from settlement.service.past import SeenCheckpoint
from settlement.service.reconcile.closing import (
    SIGNATURES_NEEDED,
    ledger_of,
    valid_officers,
)
from settlement.service.reconcile.months import span_of
from settlement.store import closing as store
from settlement.store.closing import ClosedRow
from settlement.store.periods import OpenedMonth, opened_months

if TYPE_CHECKING:
    from settlement.store.database import Session

Found = tuple[str, str]
"""A rule that does not hold, and where."""


async def check_cuts(
    session: Session, trust: Trust
) -> tuple[list[SeenCheckpoint], list[Found]]:
    """The months' cuts as checkpoints for the log to extend, and what is wrong."""
    cuts = await opened_months(session)
    found = list(_chain(cuts))
    seen = []
    for cut in cuts:
        try:
            checkpoint = verify_checkpoint(cut.checkpoint, trust)
        except CryptoError as error:
            found.append(
                (f"signature: a month's cut (opened_month: {error.code})", _place(cut))
            )
            continue
        if checkpoint.size != cut.tree_size:
            found.append(
                ("months: cut is not its checkpoint's size (opened_month)", _place(cut))
            )
        seen.append(SeenCheckpoint(checkpoint.size, checkpoint.root, _place(cut)))
    return seen, found


def _chain(cuts: Sequence[OpenedMonth]) -> Iterator[Found]:
    if cuts and cuts[0].first_index != 0:
        yield (
            "months: the first does not begin with the log (opened_month)",
            _place(cuts[0]),
        )
    for cut in cuts:
        if not _is_month(cut.month):
            yield "months: there is no such month (opened_month)", _place(cut)
    for before, cut in pairwise(cuts):
        if cut.first_index != before.tree_size:
            rule = "months: one does not begin where the other ends (opened_month)"
            yield rule, _place(cut)
        if _is_month(before.month) and cut.month != next_month(before.month):
            yield "months: there is a gap between two (opened_month)", _place(cut)


def _is_month(number: int) -> bool:
    try:
        days_of_month(number)
    except ValueError:
        return False
    return True


async def check_statements(session: Session) -> list[Found]:
    """Every closed month worked out again from the ledger, and who has signed it."""
    found: list[Found] = []
    for cut in filter(lambda cut: _is_month(cut.month), await opened_months(session)):
        for row in await store.closed_months(session, cut.month):
            found += [
                (
                    f"months: {what} (closed_month, statement_signature)",
                    _where(cut, row),
                )
                for what in await _differing(session, cut, row)
            ]
    orphans: int = await session.fetchval(
        "SELECT count(*) FROM closed_month c LEFT JOIN opened_month o USING (month)"
        " LEFT JOIN party p ON p.id = c.facility_id"
        " WHERE o.month IS NULL OR p.id IS NULL"
    )
    if orphans:
        found.append(
            ("months: closed without being opened (closed_month)", str(orphans))
        )
    return found


async def _differing(
    session: Session, cut: OpenedMonth, row: ClosedRow
) -> Sequence[str]:
    if hashlib.sha256(row.statement).hexdigest() != row.sha256:
        return ["statement is not of its hash"]
    signed = await store.signatures_of(session, cut.month, row.facility_id, row.sha256)
    wrong = []
    if len(list(valid_officers(row.statement, signed))) < SIGNATURES_NEEDED:
        wrong.append("fewer than two officers' signatures hold")
    statement = orjson.loads(row.statement)
    about = (statement["month"], statement["facility"], statement["tree_size"])
    if about != (month_name(cut.month), row.facility, cut.tree_size):
        wrong.append("statement is of another month or hospital")
    figures = await span_of(cut).figures(session, row.facility_id)
    if ledger_of(figures).document() != statement["ledger"]:
        wrong.append("statement has other sums than the ledger")
    return wrong


def _place(cut: OpenedMonth) -> str:
    return f"month {cut.month}"


def _where(cut: OpenedMonth, row: ClosedRow) -> str:
    return f"month {cut.month}, {row.facility}"
