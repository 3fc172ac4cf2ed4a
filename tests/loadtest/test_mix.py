"""The visits are those of a district: few busy hospitals, heavy users, sound bills."""

from __future__ import annotations

import ast
import json
import random
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from loadtests import plan as plans
from loadtests.mix import (
    FAULTS,
    District,
    Visit,
    body_of,
    broken,
    hospital_shares,
    make_bill,
)
from loadtests.plan import HOSPITAL_PER_S_MAX, PlanError
from tests.loadtest.made import plan
from tests.support.sources import PACKAGES, PROJECT

_VISITS = 20_000


@pytest.fixture(scope="module")
def visits() -> list[Visit]:
    """Twenty thousand visits of one district."""
    district = District(plan(), hospitals=24, cards=5000, revoked=0, seed=1)
    return [district.visit(number, number / 10) for number in range(_VISITS)]


def _share(visits: list[Visit], call: str) -> float:
    return sum(call in dict(map(reversed, v.steps)) for v in visits) / len(visits)  # type: ignore[arg-type]


def test_few_hospitals_are_busy_and_many_quiet(visits: list[Visit]) -> None:
    """The busiest has 15 of 100 visits at most, the quiet half a quarter."""
    counts = Counter(visit.hospital for visit in visits)
    ranked = [counts[number] / _VISITS for number in range(24)]

    assert 0.12 < ranked[0] < 0.19
    assert sum(ranked[12:]) < 0.35
    assert min(ranked) > 0
    assert sum(hospital_shares(24)) == pytest.approx(1)


def test_heavy_users_come_again_and_again(visits: list[Visit]) -> None:
    """Two in a hundred persons have more than a fifth of the visits."""
    known = [visit.card for visit in visits if visit.card >= 0]

    assert 0.18 < sum(card < 100 for card in known) / len(known) < 0.26


def test_requests_come_in_the_ratios_of_a_desk(visits: list[Visit]) -> None:
    """More ask than are quoted, more are quoted than leave, few refund."""
    settled = plan().settlements_per_visit
    assert _share(visits, "settle") == pytest.approx(settled, abs=0.006)
    assert 0.78 < _share(visits, "quote") < 0.87
    assert 0.012 < _share(visits, "reverse") < 0.026
    assert 0.005 < _share(visits, "repeat") < 0.015
    assert 0.02 < sum(visit.card < 0 for visit in visits) / _VISITS < 0.04
    assert 0.003 < sum(bool(visit.fault) for visit in visits) / _VISITS < 0.008
    assert {visit.fault for visit in visits} == {"", *FAULTS}


def test_a_settlement_follows_its_quote(visits: list[Visit]) -> None:
    """Steps are in the order of time, money last but what needs it."""
    for visit in visits:
        times = [after for after, _ in visit.steps]
        assert times == sorted(times)
        calls = [call for _, call in visit.steps]
        if "reverse" in calls:
            assert calls.index("settle") < calls.index("reverse")


def test_requests_of_a_visit_are_as_many_as_the_plan_counts(
    visits: list[Visit],
) -> None:
    """The limit of 1,000 a second rests on this number."""
    mean = sum(len(visit.steps) for visit in visits) / _VISITS

    assert mean <= plan().requests_per_visit
    assert mean == pytest.approx(plan().requests_per_visit, rel=0.06)


def test_bills_add_up() -> None:
    """What a gateway must refuse is only ever sent on purpose."""
    draw = random.Random(2)
    for _ in range(3000):
        bill = make_bill(draw)
        parts = ("self_funded", "over_limit", "pre_selfpay", "in_policy")
        assert bill["total_fen"] == sum(bill[f"{part}_fen"] for part in parts)
        owed = bill["total_fen"] - bill["basic_insurance_fen"]
        owed -= bill["serious_illness_fen"]
        assert 0 <= bill["personal_account_fen"] <= owed
        assert all(value >= 0 for value in bill.values() if isinstance(value, int))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_bill_is_broken(fault: str, visits: list[Visit]) -> None:
    """Each fault makes other bytes than the sound bill."""
    card = {"kind": "social_security_card", "number": "F1"}
    body = body_of(visits[0], visit_no="V1", card=card, today=date(2026, 1, 2))

    assert broken(body, fault) != json.dumps(body).encode()


def test_a_bill_stays_in_the_year(visits: list[Visit]) -> None:
    """The check reads running totals of this year; a service ends in it."""
    card = {"kind": "social_security_card", "number": "F1"}
    bodies = (
        body_of(visit, visit_no="V1", card=card, today=date(2026, 1, 1))
        for visit in visits[:500]
    )

    assert {body["service_end"] for body in bodies} == {"2026-01-01"}


@pytest.mark.parametrize("name", plans.names())
def test_plans_stay_within_the_limits(name: str) -> None:
    """At most 1,000 requests a second, and no hospital beyond its rate."""
    loaded = plans.load(name)
    busiest = max(hospital_shares(24)) * loaded.peak_visits_per_s

    assert min(len(loaded.zh), len(loaded.en)) > 5
    assert loaded.peak_visits_per_s * loaded.requests_per_visit <= 1000
    assert busiest * loaded.requests_per_visit <= HOSPITAL_PER_S_MAX


def test_all_plans_of_the_issue_are_there() -> None:
    """Those that operators were promised."""
    promised = {
        "smoke", "rollout", "month-end", "retry-storm", "roster-review", "failover",
        "soak", "find-the-knee", "limits",
    }  # fmt: skip

    assert promised <= set(plans.names())
    assert plans.load("smoke").seconds == 60
    rollout = plans.load("rollout")
    per_minute = rollout.peak_visits_per_s * rollout.settlements_per_visit * 60
    assert per_minute == pytest.approx(3 * rollout.busiest_minute)


def test_a_plan_that_asks_too_much_is_refused() -> None:
    """A generator that cannot keep up would only measure itself."""
    with pytest.raises(PlanError, match="at most 1,000"):
        plans.load("rollout", busiest_minute=60_000)


def test_a_misspelt_plan_is_refused(tmp_path: Path) -> None:
    """Unknown fields are named instead of being ignored."""
    path = tmp_path / "own.toml"
    text = (plans.FOLDER / "smoke.toml").read_text(encoding="utf-8")
    path.write_text(text + "\n[mix]\nrefund = 0.5\n", encoding="utf-8")

    with pytest.raises(PlanError, match="refund"):
        plans.load(str(path))


def test_a_plan_can_be_pressed_together() -> None:
    """A tenth of the time keeps the rates and moves the events."""
    short = plans.load("failover", time_scale=0.1)

    assert short.seconds == pytest.approx(15)
    assert short.events[0].at_s == pytest.approx(4.5)
    assert short.peak_visits_per_s == plans.load("failover").peak_visits_per_s


def test_the_kit_imports_none_of_ours() -> None:
    """A black box: what it knows of the gateway it knows from its documents."""
    ours = {*PACKAGES, "tests"}
    found = set()
    for path in (PROJECT / "loadtests").glob("**/*.py"):
        if path.parent.name == "peers":
            continue  # no part of the kit: a gateway for the bench to measure
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").split(".")[0])

    assert found & ours == set()
    assert "loadtests" in found
