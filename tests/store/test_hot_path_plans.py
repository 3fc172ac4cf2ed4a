"""No statement of the hot path reads a table whole that grows with settlements."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import settlement.store
from settlement.service.logbook import Logbook
from settlement.store.database import Database
from settlement.store.head import ensure_head
from settlement.store.rows import LogHead
from tests.bench.explain import Plan, plans, shape_of, whole_tables
from tests.bench.hot_statements import GROUPS, TOMBSTONES
from tests.bench.stored_database import vacuum, write_chunk
from tests.bench.stored_rows import District, Sizes, make
from tests.conftest import PROJECT
from tests.crypto.fixed import CHECKPOINTS

if TYPE_CHECKING:
    from settlement.store.database import Session

_ARCHITECTURE = PROJECT / "docs" / "architecture.md"
_STORE = Path(settlement.store.__file__).parent
_PERSONS = 20_000
_LEAVES = 10_000
_ROSTER = """
INSERT INTO roster_window
SELECT person, 'tekun', '2020-01-01', NULL, '990101001',
       substr(sha256((n / 3)::text::bytea), 1, 16), 1
FROM unnest($1::bytea[]) WITH ORDINALITY AS made(person, n);
"""
_CARDS = """
INSERT INTO roster_card
SELECT substr(sha256(person), 1, 16), person FROM unnest($1::bytea[]) AS person;
"""
_FEED = """
INSERT INTO roster_change
SELECT row_number() OVER (), person, 1 FROM unnest($1::bytea[]) AS person
"""
_DISTRICT = District(
    hospitals=range(1, 9),
    persons=[(n.to_bytes(16, "big"), "tekun", "990101001") for n in range(_PERSONS)],
    first_day=date(2026, 1, 5),
    per_day=_LEAVES // 100,
    policy_no=1,
    sizes=Sizes(record=200, request=50, head=50, tail=50),
    reversed_percent=20,
)


async def _fill(session: Session) -> None:
    """Some ten thousand settlements over four months, a fifth of them reversed."""
    persons = [person for person, _, _ in _DISTRICT.persons]
    for statement in (_ROSTER, _CARDS, _FEED):
        await session.execute(statement, persons)
    await session.execute(
        "INSERT INTO watched_decline (id) SELECT unnest($1::bytea[])", persons
    )
    chunk = make(0, _LEAVES, _DISTRICT)
    logbook = Logbook(CHECKPOINTS)
    empty = logbook.empty()
    page = logbook.extend(LogHead(0, empty.root, empty.edge), chunk.records)
    async with session.transaction():
        await write_chunk(session, chunk, page)
    await session.execute("SELECT ensure_month(202605)")


@asynccontextmanager
async def _filled(database: Database) -> AsyncIterator[Session]:
    await ensure_head(database, Logbook(CHECKPOINTS).empty())
    async with database.pool.acquire() as session:
        await _fill(session)
        await vacuum(session)
        yield session


async def _plans(session: Session) -> list[Plan]:
    return list(await plans(session))


async def test_no_hot_statement_reads_a_table_whole(database: Database) -> None:
    """Neither with values nor with the plan that a connection keeps."""
    async with _filled(database) as session:
        found = await _plans(session)
    assert len(found) == sum(map(len, GROUPS.values()))
    assert not {
        plan.hot.name: f"{plan.shape}\n\n{plan.kept}"
        for plan in found
        if plan.read_whole
    }


async def test_index_that_is_gone_is_noticed_in_the_plans(database: Database) -> None:
    """So that the test above can fail: one index after the other."""
    async with _filled(database) as session:
        await session.execute("DROP INDEX settlement_person")
        await session.execute("ALTER TABLE visit DROP CONSTRAINT visit_pkey")
        whole = {plan.hot.name: plan.read_whole for plan in await _plans(session)}
    assert "settlement" in whole["watch_persons"]
    assert "visit" in whole["visits_in_force"]
    assert not whole["lock_accumulators"]


async def test_usual_way_needs_no_statistics_to_find_its_indexes(
    database: Database,
) -> None:
    """A new installation settles for a minute before PostgreSQL knows its tables.

    What is let through are ways that few claims take.
    """
    await ensure_head(database, Logbook(CHECKPOINTS).empty())
    async with database.pool.acquire() as session:
        await _fill(session)
        found = await _plans(session)
    whole = {plan.hot.name for plan in found if plan.read_whole}
    assert whole <= {"roster_of_cards", "visits_in_force", "promote_visits"}


async def test_every_index_is_explained_in_the_architecture(
    database: Database,
) -> None:
    """Each by its name, the partitions' by their table's; and none that is gone."""
    await database.pool.execute("SELECT ensure_month(202601)")
    found = await database.pool.fetch(
        "SELECT indexname FROM pg_indexes WHERE schemaname IN ('public', 'clinical')"
    )
    names = {re.sub(r"(_\d{6})?_pkey$", "_pkey", row["indexname"]) for row in found}
    text = _ARCHITECTURE.read_text(encoding="utf-8").replace("_…_pkey", "_pkey")
    table = text.partition("| index | columns |")[2].partition("\n\n")[0]
    explained = {
        name
        for row in table.splitlines()[2:]
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert explained == names


def test_every_statement_of_a_batch_is_among_the_explained() -> None:
    """A new one is seen by the tests above, or this is red."""
    explained = {hot.name for group in GROUPS.values() for hot in group}
    source = (_STORE / "ledger.py").read_text(encoding="utf-8")
    asked = set(re.findall(r'statement\("(\w+)"\)', source))
    assert asked
    assert asked <= explained
    plain = re.sub(r'"\s+"', "", source)
    assert TOMBSTONES in plain


def test_shape_of_a_plan_shows_months_once_and_no_values() -> None:
    """And tables that are read whole are found in it."""
    never = " (never executed)"
    lines = [
        "Append (actual rows=3.00 loops=1)",
        "  Buffers: shared hit=12 read=1",
        f"  ->  Index Scan using answer_202601_pkey on answer_202601 a_1{never}",
        "        Index Cond: (id = '\\x26'::bytea)",
        f"  ->  Index Scan using answer_202602_pkey on answer_202602 a_2{never}",
        "        Index Cond: (id = '\\x26'::bytea)",
        "  ->  Seq Scan on answer_202603 a_3",
        "Planning Time: 1 ms",
    ]
    shape = shape_of(lines)
    assert shape.splitlines() == [
        "Append",
        "  ->  Index Scan using answer_MONTH_pkey on answer_MONTH a_1",
        "        Index Cond: (id = …)",
        "  ->  Seq Scan on answer_MONTH a_3",
    ]
    assert whole_tables(shape) == {"answer"}
    assert whole_tables("->  Parallel Seq Scan on settlement s") == {"settlement"}
    assert not whole_tables("->  Seq Scan on party p\n->  Seq Scan on log_head")
