"""The judge of alerts is right itself: what it counts, and what it cannot be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.replay.persons import facility_code_of
from gateway.replay.visits import read_visits
from tests.bench.alerts_city import city
from tests.bench.alerts_judge import Alert, Part, Verdict, alerts_in, judge, missed
from tests.bench.alerts_kinds import FIRST, LATER, Planted
from tests.bench.alerts_plant import KINDS, Field, half, plant, with_clock
from tests.bench.alerts_visits import Visit, settled, write_visits

PERSONS = 1_200


@pytest.fixture(scope="module")
def honest() -> list[Visit]:
    """A small city without misuse."""
    return city(seed=7, persons=PERSONS)


@pytest.fixture(scope="module")
def field(honest: list[Visit]) -> Field:
    """The same with misuse of every kind."""
    return plant(honest, seed=7, share=0.01)


def verdict_on(field: Field, alerts: Sequence[Alert]) -> Verdict:
    """The judge's word where everything was settled."""
    return judge(alerts, field.planted, {visit.visit_id for visit in field.visits})


def test_who_finds_nothing_has_recall_nought(field: Field) -> None:
    """No alert, nothing found, of any kind; and nothing false either."""
    verdict = verdict_on(field, [])

    assert {part.some for part in verdict.recall.values()} == {0}
    assert verdict.recall_overall.share == 0
    assert verdict.precision_overall == Part(0, 0)


def test_who_flags_everything_has_low_precision(field: Field) -> None:
    """An alert on each visit finds all, and is nearly always false."""
    alerts = [Alert("each", frozenset({visit.visit_id})) for visit in field.visits]

    verdict = verdict_on(field, alerts)

    assert verdict.recall_overall.share == 1
    assert verdict.precision_overall.share < 0.2
    assert verdict.strict.share < 0.2


def test_one_alert_on_all_is_true_and_still_found_out(field: Field) -> None:
    """The plain precision can be bought by listing everything; the strict one not."""
    alerts = [Alert("all", frozenset(visit.visit_id for visit in field.visits))]

    verdict = verdict_on(field, alerts)

    assert verdict.precision_overall.share == 1
    assert verdict.strict.share < 0.3


def test_who_knows_the_labels_is_perfect(field: Field) -> None:
    """Alerts made of the labels: recall and precision of 1, by the own detector."""
    alerts = [
        Alert(piece.kind, frozenset({visit.visit_id for visit in piece.visits}))
        for piece in field.planted
    ]

    verdict = verdict_on(field, alerts)

    assert verdict.recall_overall.share == 1
    assert verdict.own == verdict.recall
    assert verdict.precision_overall.share == 1
    assert verdict.strict.share == 1


def test_honest_part_of_a_pattern_is_no_find(honest: list[Visit]) -> None:
    """To list the bill that was copied is right, but does not find the copy."""
    bill = replace(honest[0], visit_id="honest")
    copy = replace(bill, visit_id="copy")
    piece = Planted("exact-repeat", "same bill", (copy,), ("honest",))

    only = judge([Alert("a", frozenset({"honest"}))], [piece], {"honest", "copy"})
    both = judge([Alert("a", frozenset({"honest", "copy", "x"}))], [piece], {"copy"})

    assert only.recall["exact-repeat"] == Part(0, 1)
    assert only.precision["a"] == Part(0, 1)
    assert both.recall["exact-repeat"] == Part(1, 1)
    assert both.strict == Part(2, 3)


def test_what_was_not_settled_is_not_asked_for(field: Field) -> None:
    """Refused rows and persons on no roster count neither as found nor as missed."""
    verdict = judge([], field.planted, set())

    assert verdict.recall_overall == Part(0, 0)
    assert missed([], field.planted, set()) == []


def test_alerts_of_a_gateway_are_read(field: Field) -> None:
    """Visit numbers are found wherever an alert of `--json` holds them."""
    known = ["V1", "V2"]
    alert = {"detector": "x", "claims": [{"visit_no": "V1"}], "visits": ["V2", "V3"]}

    plain, wrapped = alerts_in([alert], known), alerts_in({"alerts": [alert]}, known)

    assert plain == wrapped == [Alert("x", frozenset(known))]


def test_missed_visits_are_named(field: Field) -> None:
    """Those that no alert lists, each once."""
    known = {visit.visit_id for visit in field.visits}
    planted = [visit.visit_id for piece in field.planted for visit in piece.visits]
    found = Alert("some", frozenset(planted[:10]))

    names = [visit for _, visit in missed([found], field.planted, known)]

    assert sorted(names) == sorted(planted[10:])


def test_every_kind_is_planted_in_its_share(honest: list[Visit], field: Field) -> None:
    """All kinds, each at least in its share of the honest visits, under own numbers."""
    counts = dict.fromkeys(KINDS, 0)
    for piece in field.planted:
        counts[piece.kind] += len(piece.visits)

    assert set(FIRST) | set(LATER) == set(KINDS)
    assert min(counts.values()) >= 0.01 * len(honest)
    assert field.visits[: len(honest)] == honest
    ids = [visit.visit_id for visit in field.visits]
    assert len(set(ids)) == len(ids)


def test_the_same_seed_plants_the_same(honest: list[Visit], field: Field) -> None:
    """Figures can be made again; another seed gives others."""
    assert plant(honest, seed=7, share=0.01) == field
    assert plant(honest, seed=8, share=0.01) != field


def test_the_city_is_as_published(honest: list[Visit]) -> None:
    """Most come 1 to 8 times, few above 150, 1.7 % of visits at two hospitals a day."""
    honest = city(seed=3, persons=6_000)
    by_person: dict[str, int] = {}
    by_day: dict[tuple[str, object], list[str]] = {}
    for visit in honest:
        by_person[visit.person] = by_person.get(visit.person, 0) + 1
        if visit.reversed_at is None:
            by_day.setdefault((visit.person, visit.day), []).append(visit.facility)

    few = sum(1 for count in by_person.values() if count <= 8)
    two = sum(len(places) for places in by_day.values() if len(set(places)) > 1)
    assert 0.75 <= few / len(by_person) <= 0.95
    assert 0.013 <= two / len(honest) <= 0.021
    assert sum(1 for count in by_person.values() if count >= 150) >= 5
    assert city(seed=3, persons=6_000) == honest


def test_claims_are_those_of_a_replay(field: Field, tmp_path: Path) -> None:
    """In memory as over HTTP: the days, amounts and instants that a replay sends."""
    path = tmp_path / "visits.csv"
    write_visits(path, field.visits)
    claims = settled(field.visits)

    rows = {row.visit_id: row for row in read_visits(path)}

    assert set(claims) == set(rows)
    for visit_id, claim in claims.items():
        bill = rows[visit_id].bill
        assert claim.total_fen == bill["total_fen"]
        assert claim.funds_fen == bill["basic_insurance_fen"] + bill["other_funds_fen"]
        assert claim.service_start.isoformat() == bill["service_start"]
        assert claim.service_end.isoformat() == bill["service_end"]
        assert list(claim.diagnoses) == bill["diagnoses"]
        assert claim.occurred_at == rows[visit_id].start
    assert len({claim.facility for claim in claims.values()}) == len(
        {facility_code_of(row.facility) for row in rows.values()}
    )


def test_days_alone_stay_days_alone(honest: list[Visit], tmp_path: Path) -> None:
    """Without a time of day a bill is made at nine, as the replay has it."""
    at = datetime.fromisoformat("2025-03-01T09:00:00")
    visit = replace(honest[0], timed=False, start=at, end=at)
    path = tmp_path / "visits.csv"
    write_visits(path, [visit])

    (row,) = read_visits(path)

    assert visit.row()["start"] == "2025-03-01"
    assert settled([visit])[visit.visit_id].occurred_at == row.start


def test_halves_share_no_person(honest: list[Visit]) -> None:
    """What is tuned on one half can be judged on the other."""
    one, other = half(honest, 0), half(honest, 1)

    assert len(one) + len(other) == len(honest)
    assert {v.person for v in one}.isdisjoint(v.person for v in other)
    assert len(one) > len(honest) // 4 < len(other)


def test_a_clock_gives_times_and_desks(honest: list[Visit]) -> None:
    """Days stay; one operator serves one after another."""
    bare = [replace(visit, timed=False, operator="") for visit in honest]

    timed = with_clock(bare, seed=1)

    assert all(visit.timed and visit.operator for visit in timed)
    assert sorted((v.visit_id, v.day) for v in timed) == sorted(
        (v.visit_id, v.day) for v in honest
    )


def test_what_is_undone_blocks_nothing(honest: list[Visit]) -> None:
    """A reversed bill may be claimed again; a card that ended is declined."""
    bill = next(v for v in honest if v.reversed_at is None and not v.is_stay)
    undone = replace(bill, reversed_at=bill.end + timedelta(minutes=1),
                     reversal_reason="refund")  # fmt: skip
    late = replace(bill, visit_id="late", start=bill.start + timedelta(days=9),
                   end=bill.end + timedelta(days=9),
                   ended_on=bill.day + timedelta(days=1))  # fmt: skip

    claims = settled([undone, bill])

    assert claims[bill.visit_id].stands
    assert settled([bill, late])["late"].reason == "MA-2102"
    assert settled([bill, late])[bill.visit_id].stands
