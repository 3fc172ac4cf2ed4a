"""`check-books` works every closed month out again: whatever is altered is found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from settlement.service.books import check_books
from settlement.store.database import Database
from tests.reconcile.months import FEBRUARY, FIRST, LAST, Months, lines_of, open_months


@pytest.fixture
async def closed(database: Database, tmp_path: Path) -> AsyncIterator[Months]:
    """Give two closed months of one hospital."""
    async with open_months(database, tmp_path / "var") as months:
        january, february = await months.settle(LAST), await months.settle(FIRST)
        await months.open()
        await months.open(FEBRUARY)
        await months.match(lines_of(january))
        await months.close()
        await months.match(lines_of(february), month=FEBRUARY)
        await months.close(month=FEBRUARY)
        yield months


async def _rules(months: Months) -> list[str]:
    report = await check_books(months.database, months.house.trust)
    return [violation.rule for violation in report.violations]


async def _alter(months: Months, table: str, change: str) -> None:
    async with months.database.pool.acquire() as session:
        await session.execute(
            f"ALTER TABLE {table} DISABLE TRIGGER ALL;"  # noqa: S608  # the test's own
            f" UPDATE {table} SET {change}"
        )


async def test_closed_months_are_sound(closed: Months) -> None:
    """Otherwise a red check would say nothing."""
    assert await _rules(closed) == []


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("opened_month", "month = month + 1 WHERE month = 202602"),
        ("opened_month", "month = 202513 WHERE month = 202601"),
        ("opened_month", "first_index = first_index + 1 WHERE month = 202601"),
        ("opened_month", "first_index = first_index - 1 WHERE month = 202602"),
        ("opened_month", "tree_size = tree_size + 1 WHERE month = 202602"),
        ("opened_month", "checkpoint = replace(checkpoint, '\n2\n', '\n1\n')"),
        ("closed_month", "month = 202602 - (month - 202601)"),
        ("closed_month", "facility_id = facility_id + 1 WHERE month = 202601"),
        ("closed_month", "statement = statement || ' '::bytea WHERE month = 202601"),
        ("closed_month", "sha256 = repeat('0', 64) WHERE month = 202601"),
        ("statement_signature", "party_id = 1 WHERE month = 202601"),
        ("statement_signature", "signature = sha512(signature) WHERE month = 202601"),
        ("statement_signature", "sha256 = repeat('0', 64) WHERE month = 202601"),
        ("statement_signature", "month = 202512 WHERE month = 202601"),
        ("statement_signature", "facility_id = 2 WHERE month = 202601"),
    ],
)
async def test_what_is_altered_of_a_month_is_found(
    closed: Months, table: str, change: str
) -> None:
    """Cuts, statements and signatures, column by column."""
    async with closed.database.pool.acquire() as session:
        rows = await session.fetch(
            "SELECT conrelid::regclass::text AS name, conname FROM pg_constraint"
            " WHERE conrelid::regclass::text IN"
            " ('opened_month', 'closed_month', 'statement_signature', 'month_package')"
            " AND contype IN ('c', 'p', 'u', 'f') ORDER BY contype = 'p'"
        )
        for row in rows:
            await session.execute(
                f'ALTER TABLE {row["name"]} DROP CONSTRAINT "{row["conname"]}" CASCADE'
            )
    await _alter(closed, table, change)

    rules = await _rules(closed)

    assert any(table in rule for rule in rules), rules


async def test_a_ledger_that_changed_under_a_closed_month_is_found(
    closed: Months,
) -> None:
    """The statement says what was signed, whatever the tables say today."""
    await _alter(
        closed,
        "settlement",
        "aid_fen = aid_fen - 1, patient_pays_fen = patient_pays_fen + 1",
    )

    rules = await _rules(closed)

    assert any("other sums than the ledger" in rule for rule in rules)


async def test_a_cut_that_the_log_does_not_extend_is_found(closed: Months) -> None:
    """A month's checkpoint is held against the log as if a stranger had kept it."""
    async with closed.database.pool.acquire() as session:
        await session.execute(
            "UPDATE sealed_record SET record = record || ' '::bytea"
            " WHERE log_index = 0; UPDATE log_leaf SET entry = sha256((SELECT record"
            " FROM sealed_record WHERE log_index = 0)) WHERE log_index = 0"
        )

    rules = await _rules(closed)

    assert "past: the log does not extend a checkpoint that is held" in rules
