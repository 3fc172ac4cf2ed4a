"""Every statement of a settlement, built once; SQLAlchemy compiles each once."""

from __future__ import annotations

from functools import cache

from sqlalchemy import (
    ARRAY,
    Insert,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Update,
    bindparam,
    delete,
    func,
    literal,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from loadtests.peers.tables import (
    accumulator,
    answer,
    diagnosis,
    log_head,
    log_leaf,
    log_node,
    party,
    posting,
    reversal,
    roster_head,
    sealed_record,
    settle_key,
    settlement,
    visit,
    watched_decline,
)

#: The UNIQUE index decides who is first. The roster's version comes along.
CLAIM_KEY = (
    insert(settle_key)
    .on_conflict_do_nothing()
    .returning(
        settle_key.c.id,
        select(roster_head.c.version).scalar_subquery().label("roster_version"),
    )
)

_WITH_ANSWER = (answer.c.request, answer.c.head, sealed_record.c.record, answer.c.tail)

STORED = (
    select(*_WITH_ANSWER)
    .select_from(settle_key)
    .join(
        answer,
        (answer.c.month == settle_key.c.month) & (answer.c.id == settle_key.c.id),
    )
    .join(settlement, settlement.c.id == settle_key.c.id)
    .outerjoin(
        sealed_record,
        (sealed_record.c.month == settlement.c.month)
        & (sealed_record.c.log_index == settlement.c.log_index),
    )
    .where(
        settle_key.c.facility_id == bindparam("facility_id_"),
        settle_key.c.key == bindparam("key_"),
    )
)

CLAIM_VISIT = insert(visit).on_conflict_do_nothing().returning(visit.c.ordinal)

#: Who holds a visit, lowest ordinal first, with the answer to show again.
HOLDERS = (
    select(
        visit.c.ordinal,
        settlement.c.id,
        settlement.c.aid_fen,
        settlement.c.patient_pays_fen,
        *_WITH_ANSWER,
    )
    .select_from(visit)
    .join(settlement, settlement.c.id == visit.c.id)
    .join(
        answer,
        (answer.c.month == settlement.c.month) & (answer.c.id == settlement.c.id),
    )
    .join(
        sealed_record,
        (sealed_record.c.month == settlement.c.month)
        & (sealed_record.c.log_index == settlement.c.log_index),
    )
    .where(visit.c.identity == bindparam("identity_"))
    .order_by(visit.c.ordinal)
)

RELEASE_VISIT = delete(visit).where(
    visit.c.identity == bindparam("identity_"), visit.c.id == bindparam("id_")
)


_wanted = (
    func.unnest(
        bindparam("years", type_=ARRAY(SmallInteger)),
        bindparam("pots", type_=ARRAY(Text)),
    )
    .table_valued("year", "pot", name="wanted")
    .render_derived()
)

#: Lock running totals of a person, opening those that do not exist, in one round trip
#: for what would be a SELECT, an INSERT and a SELECT: who finds a row locks it by
#: changing nothing. They come sorted.
LOCK_TOTALS = (
    insert(accumulator)
    .from_select(
        ["person", "year", "pot", "used_fen"],
        select(
            bindparam("person_", type_=LargeBinary),
            _wanted.c.year,
            _wanted.c.pot,
            literal_column("0"),
        ),
    )
    .on_conflict_do_update(
        index_elements=["person", "year", "pot"],
        set_={"used_fen": accumulator.c.used_fen},
    )
    .returning(accumulator.c.year, accumulator.c.pot, accumulator.c.used_fen)
)

#: The columns of `SeenClaim` in its order, and the diagnoses behind.
HISTORY = (
    select(
        settlement.c.id,
        settlement.c.person,
        settlement.c.facility_id,
        settlement.c.operator,
        settlement.c.care_type,
        settlement.c.service_start,
        settlement.c.service_end,
        settlement.c.occurred_at,
        settlement.c.total_fen,
        settlement.c.funds_fen,
        settlement.c.base_fen,
        settlement.c.aid_fen,
        settlement.c.reason,
        settlement.c.log_index.is_not(None).label("is_approved"),
        settlement.c.repeat_reason,
        reversal.c.reversed_at,
        reversal.c.reason.label("reversal_reason"),
        func.coalesce(party.c.subdistrict, literal("")).label("place"),
        null().label("household"),
        diagnosis.c.prescription_days,
        diagnosis.c.codes,
    )
    .select_from(settlement)
    .outerjoin(party, party.c.id == settlement.c.facility_id)
    .outerjoin(diagnosis, diagnosis.c.settlement_id == settlement.c.id)
    .outerjoin(reversal, reversal.c.settlement_id == settlement.c.id)
    .where(
        settlement.c.person == bindparam("person_"),
        settlement.c.service_start >= bindparam("since"),
        settlement.c.service_start <= bindparam("until"),
    )
    .order_by(settlement.c.service_start.desc())
    .limit(bindparam("most"))
)

#: Locked last and held to COMMIT: it orders all settlements.
LOCK_HEAD = select(log_head.c.size, log_head.c.root, log_head.c.edge).with_for_update()

PUT_SETTLEMENT = insert(settlement)
PUT_ANSWER = insert(answer)
PUT_DIAGNOSIS = insert(diagnosis)
WATCH_DECLINE = insert(watched_decline).values(id=bindparam("id"))


@cache
def post(*, postings: int, nodes: int, with_diagnoses: bool) -> Update:
    """Everything that an approved bill leaves, in one statement.

    So the log's head is held for one answer of the server and COMMIT. What is the same
    in several tables is one parameter; those of postings and nodes end in their number.
    All names end in `_`: one that is a column's would be taken for a change of it.
    """
    inserts = [_put(settlement), _put(answer), _put(sealed_record), _put(log_leaf)]
    if with_diagnoses:
        inserts.append(_put(diagnosis))
    inserts += [_put(log_node, number) for number in range(nodes)]
    inserts += [_put(posting, number) for number in range(postings)]
    changes = [*inserts, *(_add_to_total(number) for number in range(postings))]
    return _MOVE_HEAD.add_cte(
        *(change.cte(f"change_{number}") for number, change in enumerate(changes))
    )


#: The same in all rows of one settlement.
_SHARED = ("log_index", "person")


def _put(table: Table, number: int | None = None) -> Insert:
    return insert(table).values(
        {
            column: bindparam(
                f"{column}_"
                if number is None or column in _SHARED
                else f"{column}_{number}_"
            )
            for column in table.c.keys()  # noqa: SIM118  # names, not columns
        }
    )


def _add_to_total(number: int) -> Update:
    """What was posted is added, so that the CHECK sees the true sum."""
    return (
        update(accumulator)
        .where(
            accumulator.c.person == bindparam("person_"),
            accumulator.c.year == bindparam(f"year_{number}_"),
            accumulator.c.pot == bindparam(f"pot_{number}_"),
        )
        .values(
            used_fen=accumulator.c.used_fen + bindparam(f"amount_fen_{number}_"),
            cap_fen=bindparam(f"cap_fen_{number}_"),
        )
    )


_MOVE_HEAD = (
    update(log_head)
    .where(log_head.c.size == bindparam("old_size_"))
    .values(
        size=bindparam("new_size_"),
        root=bindparam("new_root_"),
        edge=bindparam("new_edge_"),
        checkpoint=bindparam("new_checkpoint_"),
    )
)
