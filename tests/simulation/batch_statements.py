"""The statements of one batch over the tables in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import asyncpg

from settlement.store import rows as r
from settlement.store.statements import statement
from tests.simulation.faults import POISON
from tests.simulation.registry import Row, does
from tests.simulation.transactions import GONE, Transaction, violated

if TYPE_CHECKING:
    from tests.simulation.server import Backend

_TOMBSTONES = (
    "SELECT count(*) FROM reversal WHERE facility_id = $1"
    " AND settlement_id IS NULL AND reversed_at >= $2"
)


# -- keys ----------------------------------------------------------------------------


@does(statement("claim_settle_keys"), "claim_settle_keys")
async def _claim_settle_keys(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Row]:
    roster = backend.server.roster
    claimed = [
        row.id
        for row in args[0]
        if await tx.claim("settle_key", (row.facility_id, row.key), row)
    ]
    as_of = roster.as_of
    return [
        {"id": id_, "roster_version": roster.version, "roster_as_of": as_of}
        for id_ in claimed
    ]


@does(statement("claim_reversal_keys"), "claim_reversal_keys")
async def _claim_reversal_keys(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Row]:
    return [
        {"id": row.id}
        for row in args[0]
        if await tx.claim("reversal_key", (row.facility_id, row.key), row)
    ]


@does(statement("claim_late"), "claim_late")
async def _claim_late(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Row]:
    taken = []
    for late in args[0]:
        place = (late.facility_id, late.key)
        seen = tx.get("settle_key", place)
        if seen is None or not seen.tombstone or seen.late_id is not None:
            continue
        now = await tx.lock("settle_key", place)
        if now is None or not now.tombstone or now.late_id is not None:
            continue
        changed = now._replace(late_id=late.id, late_month=late.month)
        await tx.update("settle_key", place, changed)
        taken.append({"id": late.id})
    return taken


@does(statement("release_keys"), "release_keys")
async def _release_keys(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> str:
    for table, columns in (("settle_key", args[:3]), ("reversal_key", args[3:])):
        for facility_id, key, id_ in zip(*columns, strict=True):
            row = tx.get(table, (facility_id, key))
            if row is not None and row.id == id_:
                await tx.update(table, (facility_id, key), GONE)
    return "DELETE"


def _answer(tx: Transaction, month: int | None, id_: bytes) -> Row:
    row = tx.get("answer", (month, id_))
    if row is None:
        return {"request": None, "head": None, "tail": None}
    return {"request": row.request, "head": row.head, "tail": row.tail}


def _record(tx: Transaction, month: int, index: int | None) -> bytes | None:
    row = None if index is None else tx.get("sealed_record", (month, index))
    return None if row is None else bytes(row.record)


@does(statement("stored_settlements"), "stored_settlements")
async def _stored_settlements(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Row]:
    found = []
    for place in zip(*args, strict=True):
        key = tx.get("settle_key", place)
        if key is None:
            continue
        settled = tx.get("settlement", key.id)
        late = key.late_id is not None
        id_ = key.late_id if late else key.id
        record = _record(tx, settled.month, settled.log_index) if settled else None
        found.append(
            {
                "facility_id": place[0], "key": place[1], "key_id": key.id,
                "tombstone": key.tombstone, "has_late_original": late, "id": id_,
                **_answer(tx, key.late_month if late else key.month, id_),
                "record": record,
            }
        )  # fmt: skip
    return found


@does(statement("stored_reversals"), "stored_reversals")
async def _stored_reversals(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Row]:
    found = []
    for place in zip(*args, strict=True):
        key = tx.get("reversal_key", place)
        if key is None:
            continue
        made = tx.get("reversal", key.id)
        found.append(
            {
                "facility_id": place[0], "key": place[1], "id": key.id,
                "month": key.month, **_answer(tx, key.month, key.id),
                "record": _record(tx, made.month, made.log_index) if made else None,
            }
        )  # fmt: skip
    return found


# -- visits --------------------------------------------------------------------------


@does(statement("claim_visits"), "claim_visits")
async def _claim_visits(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Row]:
    taken = []
    for row in args[0]:
        backend.server.ordinals.setdefault(row.identity, set()).add(row.ordinal)
        if await tx.claim("visit", (row.identity, row.ordinal), row):
            taken.append({"id": row.id})
    return taken


def _visits_of(backend: Backend, tx: Transaction, identity: bytes) -> list[r.VisitRow]:
    seen = [
        tx.get("visit", (identity, ordinal))
        for ordinal in sorted(backend.server.ordinals.get(identity, ()))
    ]
    return [row for row in seen if row is not None]


@does(statement("visits_in_force"), "visits_in_force")
async def _visits_in_force(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Row]:
    found = []
    for identity in args[0]:
        for visit in _visits_of(backend, tx, identity):
            settled = tx.get("settlement", visit.id)
            row = {
                "identity": identity, "ordinal": visit.ordinal, "id": visit.id,
                "aid_fen": None, "patient_pays_fen": None, "request": None,
                "record": None, "tail": None,
            }  # fmt: skip
            if settled is not None:
                answer = _answer(tx, settled.month, settled.id)
                row |= {
                    "aid_fen": settled.aid_fen,
                    "patient_pays_fen": settled.patient_pays_fen,
                    "request": answer["request"],
                    "record": _record(tx, settled.month, settled.log_index),
                    "tail": answer["tail"],
                }
            found.append(row)
    return found


@does(statement("release_visits"), "release_visits")
async def _release_visits(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> str:
    for identity, id_ in zip(*args, strict=True):
        for visit in _visits_of(backend, tx, identity):
            if visit.id == id_:
                place = (identity, visit.ordinal)
                if await tx.lock("visit", place) is not None:
                    await tx.update("visit", place, GONE)
    return "DELETE"


@does(statement("promote_visits"), "promote_visits")
async def _promote_visits(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> str:
    for identity in args[0]:
        visits = _visits_of(backend, tx, identity)
        if not visits or visits[0].ordinal == 0:
            continue
        place = (identity, visits[0].ordinal)
        now = await tx.lock("visit", place)
        if now is None:
            continue
        await tx.update("visit", place, GONE)
        await tx.insert("visit", (identity, 0), now._replace(ordinal=0))
    return "UPDATE"


# -- originals and accumulators ------------------------------------------------------


@does(statement("lock_originals"), "lock_originals")
async def _lock_originals(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Row]:
    seen = [id_ for id_ in args[0] if tx.get("settlement", id_) is not None]
    found = []
    pack = backend.server.pack
    for id_ in seen:
        row = await tx.lock("settlement", id_)
        found.append(
            {
                **{name: getattr(row, name) for name in (
                    "id", "month", "facility_id", "key", "state", "person",
                    "visit_identity", "total_fen", "funds_fen", "aid_fen",
                    "patient_pays_fen", "log_index", "roster_version",
                )},
                "policy_id": pack.id, "policy_version": pack.version,
                "policy_sha256": pack.sha256,
                "request": _answer(tx, row.month, row.id)["request"],
            }
        )  # fmt: skip
    return found


@does(statement("reversals_of"), "reversals_of")
async def _reversals_of(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Row]:
    ids = [tx.get("reversal_of", settled) for settled in args[0]] + list(args[1])
    found = []
    for id_ in dict.fromkeys(id_ for id_ in ids if id_ is not None):
        made = tx.get("reversal", id_)
        if made is not None:
            found.append(
                {
                    "facility_id": made.facility_id,
                    "settlement_id": made.settlement_id,
                    **_answer(tx, made.month, made.id),
                    "record": _record(tx, made.month, made.log_index),
                }
            )
    return found


@does(statement("postings_of"), "postings_of")
async def _postings_of(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Row]:
    return [
        {
            "log_index": row.log_index, "person": row.person, "year": row.year,
            "pot": row.pot, "amount_fen": row.amount_fen,
        }
        for index in args[0]
        for row in tx.get("posting", index) or ()
    ]  # fmt: skip


@does(statement("lock_accumulators"), "lock_accumulators")
async def _lock_accumulators(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> list[Row]:
    wanted = list(zip(*args, strict=True))
    seen = [place for place in wanted if tx.get("accumulator", place)]
    found = [await tx.lock("accumulator", place) for place in seen]
    for person, year, pot in sorted(set(wanted) - set(seen)):
        place = (person, year, pot)
        opened = r.AccumulatorRow(person, year, pot, 0, None)
        if not await tx.claim("accumulator", place, opened):
            opened = await tx.lock("accumulator", place)
        found.append(opened)
    return [row._asdict() for row in found]


@does(_TOMBSTONES, "tombstones")
async def _tombstones(backend: Backend, tx: Transaction, args: tuple[Any, ...]) -> int:
    facility_id, since = args
    return sum(
        row.facility_id == facility_id
        and row.settlement_id is None
        and row.reversed_at >= since
        for row in backend.server.tables.rows["reversal"].values()
    )


# -- the head and everything posted --------------------------------------------------


@does(statement("lock_head"), "lock_head")
async def _lock_head(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> Row | None:
    if tx.get("log_head", True) is None:
        return None
    head = await tx.lock("log_head", True)
    return {"size": head.size, "root": head.root, "edge": head.edge}


def _check_settlement(row: r.SettlementRow) -> None:
    """The CHECK constraints of the table."""
    sound = (
        row.total_fen == row.funds_fen + row.aid_fen + row.patient_pays_fen
        and 0 <= row.aid_fen <= row.base_fen
        and 0 <= row.tilt_fen <= row.aid_fen
        and (row.state == b"d") == (row.log_index is None)
        and (row.state != b"d" or row.aid_fen == 0)
    )
    if not sound:
        raise violated(asyncpg.CheckViolationError, "settlement_check")


def _check_accumulator(row: r.AccumulatorRow) -> None:
    """The CHECK constraints of the table: never negative, never above the cap."""
    if row.used_fen < 0:
        raise violated(asyncpg.CheckViolationError, "accumulator_not_negative")
    if row.cap_fen is not None and row.used_fen > row.cap_fen:
        raise violated(asyncpg.CheckViolationError, "accumulator_cap")


@does(statement("post_ledger"), "post_ledger")
async def _post_ledger(backend: Backend, tx: Transaction, args: tuple[Any, ...]) -> str:
    settlements, answers, records, leaves, nodes, postings, diagnoses, totals = args[:8]
    for row in settlements:
        _check_settlement(row)
        if row.visit_no.startswith(POISON) and backend.server.plan.is_on:
            raise asyncpg.DataError("the server does not take this row")
        await tx.insert("settlement", row.id, row)
    # What stands behind the five columns of an answer is a digest over them.
    await _insert_by_month(tx, "answer", [r.AnswerRow(*row[:5]) for row in answers])
    await _insert_by_month(tx, "sealed_record", records)
    for row in leaves:
        await tx.insert("log_leaf", row.log_index, row)
    for row in nodes:
        await tx.insert("log_node", (row.level, row.node_index), row)
    await _insert_postings(tx, postings)
    for row in diagnoses:
        await tx.insert("diagnosis", row.settlement_id, row)
    for row in totals:
        _check_accumulator(row)
        await tx.update("accumulator", (row.person, row.year, row.pot), row)
    return await _swap_head(tx, *args[8:])


async def _insert_by_month(
    tx: Transaction, table: str, added: Iterable[tuple[Any, ...]]
) -> None:
    for row in added:
        if tx.get("month", row[0]) is None:
            raise violated(asyncpg.CheckViolationError, f"{table} has no partition")
        await tx.insert(table, (row[0], row[1]), row)


async def _insert_postings(tx: Transaction, postings: list[r.PostingRow]) -> None:
    by_leaf: dict[int, dict[tuple[int, str], r.PostingRow]] = {}
    for row in postings:
        of_leaf = by_leaf.setdefault(row.log_index, {})
        if (row.year, row.pot) in of_leaf:
            raise violated(asyncpg.UniqueViolationError, "posting_pkey")
        of_leaf[row.year, row.pot] = row
    for index, of_leaf in by_leaf.items():
        await tx.insert("posting", index, tuple(of_leaf.values()))


async def _swap_head(  # the statement's own parameters
    tx: Transaction, size: int, root: bytes, edge: bytes, checkpoint: str, old: int
) -> str:
    head = await tx.lock("log_head", True)
    if head is None or head.size != old:
        return "UPDATE 0"
    await tx.update("log_head", True, r.NewHead(size, root, edge, checkpoint, old))
    return "UPDATE 1"


@does(statement("post_reversals"), "post_reversals")
async def _post_reversals(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> int:
    added, undone = args
    marked = 0
    for id_ in undone:
        row = await tx.lock("settlement", id_)
        if row is not None and row.state == b"s":
            await tx.update("settlement", id_, row._replace(state=b"r"))
            marked += 1
    for row in added:
        await tx.insert("reversal", row.id, row)
        if row.settlement_id is not None:
            await tx.insert("reversal_of", row.settlement_id, row.id)
    return marked


@does(statement("post_watched_declines"), "post_watched_declines")
async def _post_watched_declines(
    backend: Backend, tx: Transaction, args: tuple[Any, ...]
) -> str:
    (ids,) = args
    for id_ in ids:
        await tx.insert("watched_decline", id_, id_)
    return f"INSERT 0 {len(ids)}"
