"""How the watch reads: by index, no more than it can use, and what cashiers read."""

from __future__ import annotations

import re
from datetime import date

import pytest

from settlement import alert_rules
from settlement.domain.watch.detector import Detector
from settlement.domain.watch.detectors import DETECTORS
from settlement.domain.watch.history import History
from settlement.domain.watch.rules import read_rules
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Subject
from settlement.domain.watch.wording import desk_text_of
from settlement.store import watching
from settlement.store.database import Database
from settlement.store.ledger import Ledger
from settlement.store.statements import statement
from tests.watching.watched import look, put, rules_document

_DAYS = (date(2025, 1, 1), date(2026, 12, 31))

_ONE_PERSON = """
INSERT INTO party (code, role, name, level, subdistrict, created_at)
VALUES ('H001', 'facility', 'H001', 2, '990101001', now());
INSERT INTO settlement
SELECT substr(sha256(n::text::bytea), 1, 16), 202603,
       (SELECT id FROM party WHERE code = 'H001'), 'k' || n, 's',
       substr(sha256(('p' || CASE WHEN n < 5000 THEN 0 ELSE n END)::bytea), 1, 16),
       'MZ-' || n, sha256(('v' || n)::bytea), 'outpatient',
       date '2026-03-02' - n % 400, date '2026-03-02' - n % 400,
       timestamptz '2026-03-02 09:01+08', timestamptz '2026-03-02 09:01+08',
       'op', true, 'dibao', '990101001', 1, 1, 'MA-2000', NULL,
       25000, 16000, 7200, 5760, 0, 3240, n
FROM generate_series(0, 9999) AS n;
INSERT INTO roster_window
SELECT substr(sha256(('p' || n)::bytea), 1, 16), 'dibao', '2020-01-01', NULL,
       '990101001', substr(sha256('h'::bytea), 1, 16), 1
FROM generate_series(0, 299) AS n;
INSERT INTO log_leaf SELECT log_index, sha256(id), id, month FROM settlement;
INSERT INTO log_head (size, root, edge, checkpoint) VALUES (10000, '', '', 'made');
"""


async def test_person_with_5000_claims_and_a_household_of_300_are_looked_at(
    database: Database,
) -> None:
    """Memory and statements do not grow with them."""
    await put(database, rules_document())
    await database.pool.execute(_ONE_PERSON)
    assert await look(database) == 10_000
    person = await database.pool.fetchval(
        "SELECT person FROM settlement GROUP BY person ORDER BY count(*) DESC LIMIT 1"
    )
    async with database.pool.acquire() as session:
        span = watching.PersonSpan(person, *_DAYS)
        found = await watching.claims_of_persons(session, [span])
        assert len(found[person]) == watching.MOST_CLAIMS
        latest = max(claim.service_start for claim in found[person])
        assert latest == date(2026, 3, 2)
    most = await database.pool.fetchval(
        "SELECT max(n) FROM (SELECT count(*) AS n FROM alert_claim GROUP BY alert_id)"
    )
    assert most <= 400


async def test_desk_reads_no_more_than_the_latest(database: Database) -> None:
    """A card that is used without end keeps nobody else waiting."""
    await database.pool.execute(_ONE_PERSON)
    person = await database.pool.fetchval(
        "SELECT person FROM settlement GROUP BY person ORDER BY count(*) DESC LIMIT 1"
    )
    session = await database.connect()
    span = watching.PersonSpan(person, *_DAYS)
    found = await Ledger(session).claims_of_persons([span])
    await session.close()
    assert len(found[person]) == watching.MOST_AT_DESK
    assert max(claim.service_start for claim in found[person]) == date(2026, 3, 2)


@pytest.mark.parametrize(
    ("name", "values", "tables"),
    [
        ("watch_persons", ([b"p"], [_DAYS[0]], [_DAYS[1]], 1_000),
         {"settlement", "diagnosis", "reversal"}),
        ("watch_members", ([b"h"], [_DAYS[0]], [_DAYS[1]], 200),
         {"settlement", "reversal"}),
        ("watch_leaves", (5_000, 500), {"log_leaf", "settlement", "reversal"}),
        ("subjects_of_alerts", ([b"s"],), {"alert"}),
        ("alerts_touched", ([b"s"], [b"c"]), {"alert_claim"}),
    ],
)  # fmt: skip
async def test_no_table_that_grows_is_read_whole(
    name: str, values: tuple[object, ...], tables: set[str], database: Database
) -> None:
    """Whatever the planner knows of them: here they hold ten thousand rows."""
    await database.pool.execute(_ONE_PERSON)
    await database.pool.execute("ANALYZE settlement; ANALYZE log_leaf")
    plan = await database.pool.fetch(f"EXPLAIN {statement(name)}", *values)
    text = "\n".join(row[0] for row in plan)
    whole = {
        table.rpartition(".")[2] for table in re.findall(r"Seq Scan on (\S+)", text)
    }
    large = {"settlement", "log_leaf"}
    assert not whole & large & tables, text
    assert "Hash" not in text or name == "alerts_touched", text


def test_cashier_reads_nothing_of_other_hospitals() -> None:
    """In no detector's sentence for the desk, over all worked cases."""
    rules = read_rules(alert_rules.read(alert_rules.DEFAULT))
    planted = 7_654_321
    spoken = 0
    for rule in rules.detectors.values():
        for case in rule.cases:
            claims = [_planted(claim, planted) for claim in case.claims]
            subject = Subject(rule.detector.kind)
            history = History.of(subject, claims, rules.reading)
            for signal in rule.detector.find(history):
                text = desk_text_of(signal)
                spoken += 1
                for words in (text.zh, text.en):
                    assert "H7654" not in words
                    assert str(planted)[:5] not in words
                    assert "990654" not in words
                    assert "op-other" not in words
    assert spoken >= len([d for d in DETECTORS.values() if _finds(d)])


def _finds(detector: type[Detector]) -> bool:
    return "outlier" not in detector.name


def _planted(claim: SeenClaim, number: int) -> SeenClaim:
    """The same at hospitals whose codes would be noticed."""
    return claim._replace(
        facility=number + claim.facility,
        place=f"990654{claim.facility:03d}" if claim.place else "",
        operator=f"op-other{claim.operator}",
    )
