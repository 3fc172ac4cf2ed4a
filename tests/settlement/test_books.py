"""`check-books` finds every kind of damage, and nothing where there is none."""

import pytest

from settlement.service.books import check_books
from tests.settlement.house import House, assert_books_clean, bill, body


async def _a_small_day(house: House) -> None:
    for name in ("C1", "C2"):
        await house.enrol(name)
    for number in range(6):
        answer = await house.settle(bill(f"C{number % 2 + 1}"))
        if number == 0:
            await house.reverse(settlement_id=body(answer)["settlement_id"])
    await house.settle(bill("nobody"))


DAMAGE = {
    "a fen moved into aid": (
        """UPDATE settlement SET aid_fen = aid_fen + 1,
           patient_pays_fen = patient_pays_fen - 1 WHERE log_index = 3""",
        "log: record and tables disagree",
    ),
    "an accumulator raised": (
        "UPDATE accumulator SET used_fen = used_fen + 1",
        "caps: accumulator differs from the sum of its postings",
    ),
    "a posting lost": (
        "DELETE FROM posting WHERE log_index = 4",
        "caps: accumulator differs from the sum of its postings",
    ),
    "a bit of a record flipped": (
        """UPDATE sealed_record SET record =
           set_byte(record, 700, get_byte(record, 700) # 1) WHERE log_index = 2""",
        "log: entry is not the hash of its record",
    ),
    "a record and its entry replaced": (
        """WITH r AS (UPDATE sealed_record SET record =
           set_byte(record, 700, get_byte(record, 700) # 1) WHERE log_index = 2
           RETURNING record)
           UPDATE log_leaf SET entry = sha256(r.record) FROM r WHERE log_index = 2""",
        "log: stored root is not the root of the records",
    ),
    "a leaf deleted": (
        "DELETE FROM log_leaf WHERE log_index = 1",
        "log: head and leaves disagree",
    ),
    "an answer altered": (
        """UPDATE answer SET head = convert_to(replace(convert_from(head, 'UTF8'),
           '"aid_fen":5760', '"aid_fen":5761'), 'UTF8') WHERE octet_length(tail) > 0""",
        "once: answer and tables disagree",
    ),
    "an answer lost": ("DELETE FROM answer", "once: answer missing"),
    "a key lost": (
        "DELETE FROM settle_key WHERE id IN (SELECT id FROM settlement LIMIT 1)",
        "once: settlement without its key",
    ),
    "a visit lost": (
        """DELETE FROM visit WHERE id IN
           (SELECT id FROM settlement WHERE state = 's' LIMIT 1)""",
        "once: visit in force and settlement disagree",
    ),
    "a reversal taken back": (
        "UPDATE settlement SET state = 's' WHERE state = 'r'",
        "reversal: state and reversal disagree",
    ),
    "the head's checkpoint replaced": (
        "UPDATE log_head SET checkpoint = replace(checkpoint, E'\\n', E'\\n ')",
        "signature: checkpoint",
    ),
    "the head's edge altered": (
        "UPDATE log_head SET edge = set_byte(edge, 9, get_byte(edge, 9) # 1)",
        "log: stored edge is not the edge of the records",
    ),
}


async def test_books_of_a_small_day_are_clean(house: House) -> None:
    """Nothing is found where nothing is wrong."""
    await _a_small_day(house)
    report = await check_books(house.database, house.trust)
    assert report.violations == []
    assert (report.counts.settlements, report.counts.reversals) == (6, 1)
    assert (report.counts.declines, report.leaves) == (1, 7)
    assert report.counts.aid_fen == 5 * 5_760


@pytest.mark.parametrize("name", DAMAGE)
async def test_books_with_damage_name_it(house: House, name: str) -> None:
    """A superuser's edit of the past does not pass."""
    await _a_small_day(house)
    await assert_books_clean(house)
    statement, rule = DAMAGE[name]
    async with house.database.pool.acquire() as connection:
        assert not (await connection.execute(statement)).endswith(" 0")
    report = await check_books(house.database, house.trust)
    assert any(v.rule.startswith(rule) for v in report.violations), report.violations
