"""`medaid alerts outliers`: a month of each hospital beside that of the others."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from settlement import alert_rules
from settlement.domain.watch.rules import read_rules
from settlement.domain.watch.signal import Signal, Subject, SubjectKind
from settlement.service.watch.outliers import look_for_outliers, month_summaries
from settlement.service.watch.shelf import read_rules_shelf
from settlement.service.watch.storing import Found, store
from settlement.store.months import Months
from settlement.store.peers import peers_of_month
from settlement.store.watching import wait_for_cursor
from tests.alerts_cli.office import Office
from tests.settlement.house import NOW

_RULES = read_rules(alert_rules.read(alert_rules.DEFAULT))
#: Hospitals of a made-up town: the last one sees everybody twice.
PEERS = 6
_BURST = "operator-burst"


async def _town(office: Office, month: int = 202601) -> None:
    """Rows as settling leaves them: too many to settle one by one."""
    await Months(office.database).ensure({month})
    year, number = divmod(month, 100)
    await office.rows(
        "INSERT INTO party (code, role, name, level, created_at)"
        " SELECT 'P' || n, 'facility', 'P', 1, now() FROM generate_series(4, $1) AS n"
        " ON CONFLICT DO NOTHING",
        PEERS,
    )
    for facility in range(1, PEERS + 1):
        again = 60 if facility == PEERS else 3
        for visit in range(100 + again):
            person = visit if visit < 100 else visit - 100
            day = date(year, number, 1 + person % 20) + timedelta(days=visit // 100)
            await office.rows(
                "WITH made AS (INSERT INTO settlement (id, month, facility_id, key,"
                " state, person, visit_no, care_type, service_start, service_end,"
                " occurred_at, settled_at, operator, sandbox, subdistrict,"
                " roster_version, reason, total_fen, funds_fen, base_fen, aid_fen,"
                " tilt_fen, patient_pays_fen, log_index) VALUES ($1, $2, $3, $4, 's',"
                " $5, $4, 'outpatient', $6, $6, $7, $7, 'op-1', true, '', 1, 'MA-2000',"
                " 100, 0, 100, 0, 0, 100, $8) RETURNING id) INSERT INTO answer (id,"
                " month, request, head, tail, digest) SELECT id, $2, '', '', '',"
                " sha256(id) FROM made",
                month.to_bytes(4) + facility.to_bytes(4) + visit.to_bytes(8),
                month,
                facility,
                f"{month}-{facility}-{visit}",
                month.to_bytes(4) + facility.to_bytes(4) + person.to_bytes(8),
                day,
                NOW + timedelta(days=day.toordinal() - NOW.toordinal()),
                (month * 10 + facility) * 1_000 + visit,
            )


async def _outliers(office: Office) -> list[dict[str, Any]]:
    listed = await office.ask("list")
    return [each for each in listed if each["detector"].endswith("-outlier")]


async def test_a_hospital_far_outside_its_peers_is_raised_once(office: Office) -> None:
    """With the claims that show it; run again nothing changes."""
    await _town(office)
    first = await office.ask("outliers", "--month", "2026-01")

    found = {each["detector"]: each for each in await _outliers(office)}

    hospital = found["facility-outlier"]
    assert hospital["facility"] == "P6"
    assert hospital["facilities"] == ["P6"]
    assert len(hospital["settlement_ids"]) == 60
    assert found["operator-outlier"]["operator"] == "op-1"
    assert first == {"month": "2026-01", "changed": 2}
    assert hospital["case_id"] == found["operator-outlier"]["case_id"]
    before = await office.counts()
    again = await office.ask("outliers", "--month", "2026-01")
    assert again["changed"] == 0
    assert await office.counts() == before
    other = await office.ask("outliers", "--month", "2026-02")
    assert other["changed"] == 0
    assert await office.counts() == before


async def _told(office: Office, claims: frozenset[bytes], *, bursts: bool) -> int:
    """Let the watch say of P6's operator that these claims are a burst, or nothing."""
    subject = Subject(SubjectKind.OPERATOR, facility=PEERS, operator="op-1")
    ids = tuple(sorted(claims))
    facts = (("persons", 30), ("minutes", 10))
    signal = Signal(_BURST, subject, ids, ids[-1], 60, facts)
    found = Found(subject, [signal] if bursts else [], claims, claims, 1)
    async with office.database.pool.acquire() as session, session.transaction():
        await wait_for_cursor(session)
        return await store(session, [found], NOW)


async def test_the_watch_and_the_months_keep_out_of_each_others_alerts(
    office: Office,
) -> None:
    """An operator's burst stays when the month is added up, and the other way."""
    await _town(office)
    await office.ask("outliers", "--month", "2026-01")
    outliers = await _outliers(office)
    claims = frozenset(map(bytes.fromhex, outliers[0]["settlement_ids"]))
    assert await _told(office, claims, bursts=True) == 1
    bursts = await office.rows("SELECT state FROM alert WHERE detector = $1", _BURST)
    assert bursts == [("raised",)]

    assert (await office.ask("outliers", "--month", "2026-01"))["changed"] == 0
    assert bursts == await office.rows(
        "SELECT state FROM alert WHERE detector = $1", _BURST
    )
    assert await _told(office, claims, bursts=False) == 1
    assert await _outliers(office) == outliers


async def test_what_was_reversed_since_withdraws_the_alert(office: Office) -> None:
    """All of its repeats are gone: the next night ends it, in its month alone."""
    await _town(office)
    await _town(office, 202602)
    for month in ("2026-01", "2026-02"):
        await office.ask("outliers", "--month", month)
    assert len(await _outliers(office)) == 4

    await office.rows("UPDATE settlement SET state = 'r' WHERE month = $1", 202601)
    assert (await office.ask("outliers", "--month", "2026-01"))["changed"] == 2

    left = await _outliers(office)
    assert {each["detector"] for each in left} == {
        "facility-outlier",
        "operator-outlier",
    }


async def test_counts_are_those_of_the_claims(office: Office) -> None:
    """Visits, persons, repeats within days, and what a yearly cap cut off."""
    for day in (5, 8, 26):
        await office.repeat("C1", date(2026, 1, day), times=1)
    await office.repeat("C2", times=1)
    reversed_ = await office.settle("C3")
    await office.house.reverse(settlement_id=reversed_, reason="refund")
    caps = {
        "in_policy_fen": 3_000_000,
        "total_fen": 3_000_000,
        "self_funded_fen": 0,
        "pre_selfpay_fen": 0,
        "basic_insurance_fen": 0,
    }
    for day in range(6, 20):
        await office.repeat("C4", date(2026, 1, day), times=1, facility=2, **caps)
    async with office.database.pool.acquire() as session:
        one, two = await peers_of_month(
            session,
            SubjectKind.FACILITY,
            202601,
            repeat_days=7,
            counted_declines=_RULES.reading.counted_declines,
            most_listed=3,
        )
        desks = await month_summaries(session, _RULES, 202601)

    assert (one.facility, one.operator) == (1, None)
    assert (one.claims, one.persons, one.repeats, one.at_cap) == (4, 2, 1, 0)
    assert len(one.repeat_claims) == 1
    assert two.claims == 14
    aided = await office.rows(
        "SELECT encode(id, 'hex') FROM settlement WHERE facility_id = 2"
        " ORDER BY service_start DESC LIMIT 3"
    )
    assert [each.hex() for each in two.at_cap_claims] == [
        id_ for (id_,) in reversed(aided)
    ]
    full = await office.rows(
        "SELECT count(*) FROM settlement s WHERE facility_id = 2 AND (aid_fen = 0 OR"
        " (SELECT sum(p.amount_fen) FROM posting p WHERE p.person = s.person AND"
        " p.log_index <= s.log_index) >= (SELECT max(cap_fen) FROM posting p"
        " WHERE p.person = s.person))"
    )
    assert [(two.at_cap,)] == full
    assert {each.kind for each in desks} == {SubjectKind.FACILITY, SubjectKind.OPERATOR}
    assert {e.operator for e in desks if e.kind is SubjectKind.OPERATOR} == {"op-1"}


async def test_without_rules_nothing_is_compared(office: Office) -> None:
    """A month before any document was in force."""
    shelf = await read_rules_shelf(office.database)
    async with office.database.pool.acquire() as session, session.transaction():
        assert await look_for_outliers(session, shelf, 199901, NOW) == 0


@pytest.mark.parametrize("month", ["2026", "2026-13"])
async def test_a_month_that_is_none_is_one_sentence(office: Office, month: str) -> None:
    """As every command that takes a month."""
    assert "YYYY-MM" in await office.refused("outliers", "--month", month)
