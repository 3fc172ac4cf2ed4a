"""Whatever bit of the books is flipped, `check-books` says so and names the table."""

from __future__ import annotations

import asyncio
import random

import pytest

from settlement.domain.bill import Card, CardKind, CareType, ConfirmReason, RepeatReason
from settlement.service.books import Means, Violation, check_books
from tests.settlement.house import House, bill, body
from tests.tampering.columns import (
    KINDS,
    Column,
    altered,
    columns,
    flipped,
    lay_open,
    values,
)

#: Tables in which `check-books` does not look for damage, and why.
OTHER_TABLES = {
    "party": "who may call, no money: a wrong code is found against records",
    "party_key": "who may call: a damaged key lets nobody in",
    "session": "ends within 12 hours; a damaged token lets nobody in",
    "nonce": "ends within minutes",
    "his_client": "who may call: a damaged one lets nobody in",
    "his_file": "gone in two days, and sealed: a damaged one is not opened",
    "access_version": "a counter that workers poll",
    "policy_approval": "every start, and every activation while running, verifies each"
    " signature again over the pack's stored bytes, and refuses a pack that lacks two",
    "roster_window": "changes by right; the bureau's signed files are its source, and"
    " `roster verify` compares every machine's cache with it",
    "roster_card": "as roster_window",
    "roster_forgotten": "who was erased when and by whom; no money",
    "token_epoch": "who renewed the tokens and when; no money",
    "roster_change": "the feed of what changed, for caches",
    "roster_version": "what was imported when; the signed files say the same",
    "roster_head": "the version in force; an import locks and moves it",
    "roster_delivery": "how a roster's delivery stands, for its sender; roster_version"
    " says what is in force",
    "opened_month": "tests/reconcile/test_month_books.py alters each column",
    "closed_month": "the same",
    "statement_signature": "the same",
    "hospital_list": "what a hospital sent; the statement that officers signed has its"
    " hash",
    "hospital_line": "as hospital_list",
    "difference": "work on a month; how it ended stands in the signed statement",
    "difference_event": "as difference, and a trigger refuses every change",
    "month_match": "as difference",
    "month_package": "signed; whoever holds the package verifies it without us",
    "alert_rules": "how detectors look; what they found can be found anew by any rules",
    "watched_decline": "what the watch looks at; what it means stands in settlement",
    "watch_skipped": "as watched_decline",
    "watch_cursor": "how far the watch has come; no money",
    "alert": "what detectors said; `alerts replay` says it again from the settlements",
    "alert_claim": "as alert",
    "clinical.alert_facts": "as alert",
    "alert_event": "as alert; what streams and webhooks carried",
    "alert_case": "staff's work on alerts",
    "alert_case_event": "as alert_case",
    "alert_mute": "as alert_case",
    "alert_webhook": "where alerts are told to; a damaged secret signs nothing right",
    "aid_recovery": "asks aid back; what was paid stands in settlement, and what was"
    " given back is a reversal",
    "schema_migration": "the program's own list; a start compares it with its files",
}

#: What nothing can tell, and why: (column, kind of row).
EXCEPTIONS = {
    ("settlement.operator", "declined"): "a decline has no record, and its answer does"
    " not say who asked",
    ("settlement.operator", "late original"): "the same",
    ("settlement.subdistrict", "declined"): "the same; no aid is counted by it",
    ("settlement.person", "late original"): "the same; whether the card was known did"
    " not matter, because the key was stopped",
    ("visit.ordinal", "further bill"): "above 0 they only have to differ",
    ("clinical.diagnosis.prescription_days", "any"): "none given passes, because rows"
    " made before the days stood there have none; another number is found",
    ("policy_pack.active", "any"): "only chooses what is applied from now on; what was"
    " decided stands by the pack's hash",
}

#: What only the bureau's key tells, because it is sealed: (column, kind of row).
NEEDS_BUREAU_KEY = {
    ("settlement.operator", "in force"),
    ("settlement.operator", "reversed"),
    ("settlement.subdistrict", "in force"),
    ("settlement.subdistrict", "reversed"),
    ("reversal.operator", "reversal"),
    ("reversal.operator", "tombstone"),
    ("reversal.reversed_at", "reversal"),
    ("reversal.reversed_at", "tombstone"),
    ("posting.cap_fen", "settlement"),
}


@pytest.fixture
async def full_house(house: House) -> House:
    """Give books in which every kind of row and every column occurs."""
    for name in ("C1", "C2", "C3"):
        await house.enrol(name)
    held = {"prescription_days": 28, "confirm_reason": ConfirmReason.ONGOING_TREATMENT}
    first = await house.settle(bill("C1", diagnoses=("I10", "E11"), **held))
    await house.settle(bill("C1", diagnoses=("I10",)))
    again = {"visit_no": "V", "total_fen": 40_000, "in_policy_fen": 38_200}
    await house.settle(bill("C2", visit_no="V"))
    await house.settle(bill("C2", repeat_reason=RepeatReason.SECOND_BILL, **again))
    await house.settle(bill("C2", diagnoses=("J45",), **again))
    for care in (CareType.INPATIENT, CareType.OUTPATIENT):
        await house.settle(bill("C3", care_type=care))
    await house.reverse(settlement_id=body(first)["settlement_id"])
    await house.reverse(settlement_id=body(first)["settlement_id"])
    card = Card(kind=CardKind.SOCIAL_SECURITY_CARD, number="C3")
    await house.reverse(original_key="late", card=card, reason="timeout")
    await house.settle(bill("C3", expected_aid_fen=1))
    await house.settle(bill("C3"), "late")
    await house.settle(bill("C1"))
    return house


async def _found(house: House, *, with_key: bool) -> list[Violation]:
    means = Means(
        bureau_key=house.opening if with_key else None, tokenizer=house.tokenizer
    )
    report = await check_books(house.database, house.trust, means=means)
    return report.violations


async def _alter_each(
    house: House, table: str, rng: random.Random
) -> dict[bool, set[tuple[str, str]]]:
    """What was altered and not found, with the bureau's key and without it."""
    unseen: dict[bool, set[tuple[str, str]]] = {True: set(), False: set()}
    async with house.database.pool.acquire() as connection:
        of_table = await columns(connection, table)
        await lay_open(connection, of_table)
        for column in of_table:
            occurs = False
            for kind in KINDS[table]:
                old = await values(connection, column, kind)
                occurs |= old is not None
                for value in _others(column, old, rng):
                    async with altered(connection, column, kind, value):
                        for with_key in (True, False):
                            found = await _found(house, with_key=with_key)
                            if not any(table in v.rule for v in found):
                                name = (f"{table}.{column.name}", kind)
                                unseen[with_key].add(name)
            assert occurs, f"{table}.{column.name} is empty in every row"
    return unseen


def _others(column: Column, old: str | None, rng: random.Random) -> list[str | None]:
    """Values to put in its place: one bit, and nothing where nothing is allowed."""
    if old is None:
        return []
    if (column.table, column.name) == ("policy_pack", "known_since"):
        return ["2030-01-01 00:00:00+00"]  # an earlier one contradicts nothing
    return [flipped(column, old, rng)] + [None] * column.is_nullable


@pytest.mark.parametrize("table", [table for table in KINDS if table != "log_node"])
async def test_no_alteration_of_a_column_stays_unseen(
    full_house: House, table: str
) -> None:
    """Each column of each kind of row, one after the other; the lists stay exact."""
    rng = random.Random(f"{table}")
    assert await _found(full_house, with_key=True) == []
    unseen = await _alter_each(full_house, table, rng)
    excepted = {name for name in EXCEPTIONS if name[0].startswith(f"{table}.")}
    sealed = {name for name in NEEDS_BUREAU_KEY if name[0].startswith(f"{table}.")}
    assert unseen[True] == excepted
    assert unseen[False] == excepted | sealed
    assert await _found(full_house, with_key=True) == [], "all was put back"


async def test_no_alteration_of_a_tile_stays_unseen(house: House) -> None:
    """The first full tile needs 256 leaves."""
    await house.enrol("C1", "tekun")
    await asyncio.gather(*(house.settle(bill("C1")) for _ in range(257)))
    unseen = await _alter_each(house, "log_node", random.Random(1))
    assert unseen == {True: set(), False: set()}


async def test_every_table_is_looked_at_or_has_a_reason(house: House) -> None:
    """A new table joins one of the two lists."""
    async with house.database.pool.acquire() as connection:
        found = await connection.fetch(
            "SELECT c.oid::regclass::text AS name FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname IN ('public', 'clinical') AND c.relkind IN ('r', 'p')"
            " AND NOT c.relispartition"
        )
    assert {row["name"] for row in found} == {*KINDS, *OTHER_TABLES}


async def test_violations_name_no_person(full_house: House) -> None:
    """Neither card numbers nor tokens stand in what is printed."""
    house = full_house
    async with house.database.pool.acquire() as connection:
        persons = await connection.fetch("SELECT person, card FROM roster_card")
        await connection.execute("UPDATE accumulator SET used_fen = used_fen + 1")
        await connection.execute("UPDATE posting SET person = sha256(person)")
        await connection.execute("DELETE FROM settle_key")
        await connection.execute("UPDATE visit SET ordinal = ordinal + 3")
    printed = repr(await _found(house, with_key=True))
    assert printed.count("Violation(") > 8
    for row in persons:
        assert row["person"].hex() not in printed
        assert row["card"].hex() not in printed
