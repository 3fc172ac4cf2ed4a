"""Go, no-go or invalid: each budget broken once, and the generator unsound once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtests import plan as plans
from loadtests.metrics import Point
from loadtests.plan import Event, Phase, Plan
from loadtests.samples import Samples, Tally
from loadtests.verdict import BUDGETS, BudgetError, Verdict, judge, read_budgets
from tests.loadtest.made import SECONDS, finding, plan, samples


def _verdict(run: Samples, *, of: Plan | None = None, **more: Any) -> Verdict:
    findings = more.pop("findings", [finding()])
    return judge(of or plan(), read_budgets(BUDGETS), run, findings, **more).verdict


def test_a_sound_run_is_a_go() -> None:
    """Otherwise none of the following says anything."""
    assert _verdict(samples()) is Verdict.GO


@pytest.mark.parametrize(
    "run",
    [
        samples(ms={"eligibility": 60}),
        samples(ms={"quote": 90}),
        samples(ms={"settle": 120}),
        samples(ms={"reverse": 900}),
        samples(ms={"look_up": 600}),
        samples(ms={"decided": 70_000}),
        samples(slow_from_s=SECONDS - 2, slow_ms=990),
        samples(errors=4),
    ],
    ids=[
        "eligibility", "quote", "settle", "reverse", "look_up", "decided",
        "two slow seconds", "errors",
    ],
)  # fmt: skip
def test_each_broken_budget_is_a_no_go(run: Samples) -> None:
    """One budget alone suffices."""
    assert _verdict(run) is Verdict.NO_GO


def test_one_late_start_makes_the_run_invalid() -> None:
    """By the issue: later than 50 ms by a hair, once, among many in time."""
    for late_ms, verdict in ((49.9, Verdict.GO), (50.1, Verdict.INVALID)):
        run, once = samples(), samples(late_ms=late_ms)
        run.late[7].update([next(iter(once.late[7]))])
        run.latest[7] = once.latest[7]
        for call in run.seconds[7].values():
            call.add(5, "200")

        outcome = judge(plan(), read_budgets(BUDGETS), run, [finding()])

        assert outcome.verdict is verdict
        if verdict is Verdict.INVALID:
            assert (
                "1 of 3,001; latest 50 ms at 7 s: own work"
                in outcome.judged[0].measured
            )


def test_requests_without_an_end_are_a_no_go() -> None:
    """What was due and never ended is no success of anybody."""
    run = samples()
    run.late[0].update({5: 100})

    assert _verdict(run) is Verdict.NO_GO


@pytest.mark.parametrize("run", [samples(late_ms=60), samples(cpu=0.9)])
def test_an_unsound_generator_makes_the_run_invalid(run: Samples) -> None:
    """Late or short of processor: neither go nor no-go, whatever the latencies say."""
    assert _verdict(run) is Verdict.INVALID


def test_a_slow_run_of_an_unsound_generator_is_invalid_too() -> None:
    """It may be slow because of the generator; nobody can tell."""
    assert _verdict(samples(late_ms=60, ms={"settle": 900})) is Verdict.INVALID


def test_a_generator_at_its_limit_is_still_sound() -> None:
    """50 ms and 80 % are allowed, more is not."""
    assert _verdict(samples(late_ms=47, cpu=0.80)) is Verdict.GO


def test_a_process_that_did_not_finish_makes_the_run_invalid() -> None:
    """Its notes and samples are incomplete."""
    assert _verdict(samples(), unfinished="no notes") is Verdict.INVALID


def test_a_failed_check_is_a_no_go_however_fast() -> None:
    """And also when the generator was unsound: what is wrong is wrong."""
    broken = [finding(), finding(holds=False)]

    assert _verdict(samples(), findings=broken) is Verdict.NO_GO
    assert _verdict(samples(late_ms=60), findings=broken) is Verdict.NO_GO


def _on(name: str, run: Samples, **more: Any) -> Verdict:
    """The verdict by a shipped plan, pressed into the made-up run's minute."""
    shipped = plans.load(name)
    events = [{"do": event.do, "status": 0} for event in shipped.events]
    if shipped.flood_per_s:
        run.seconds[0]["flood"] = Tally()
        run.seconds[0]["flood"].add(1, "MA-3105")
        run.late[0][5] += 1
    shipped = replace(shipped, phases=(Phase(SECONDS, 3.0, 3.0),), busiest_minute=200)
    return _verdict(run, of=shipped, events=events, **more)


@pytest.mark.parametrize("name", plans.names())
def test_every_plan_says_go_to_a_sound_run(name: str) -> None:
    """The budgets of no plan are out of reach."""
    assert _on(name, samples()) is Verdict.GO


@pytest.mark.parametrize("name", plans.names())
def test_every_plan_says_no_go_to_a_second_of_delay(name: str) -> None:
    """One second added to each call breaks every plan, also those with excuses."""
    slow = dict.fromkeys(
        ("eligibility", "quote", "settle", "reverse", "look_up", "decided"), 1010.0
    )

    assert _on(name, samples(ms=slow)) is Verdict.NO_GO


@pytest.mark.parametrize("name", plans.names())
def test_every_plan_says_no_go_to_a_failed_check(name: str) -> None:
    """No plan excuses a wrong settlement."""
    assert _on(name, samples(), findings=[finding(holds=False)]) is Verdict.NO_GO


def test_an_event_excuses_its_own_time_alone() -> None:
    """Slow while the database restarts is excused, slow afterwards is not."""
    restart = Event(at_s=20.75, do="restart-database", excused_s=10)
    failover = plan(name="failover", events=(restart,))
    done = [{"do": "restart-database", "status": 0}]
    excused, lasting = samples(), samples(slow_from_s=25, slow_ms=2000)
    for second in range(20, 30):
        for call in excused.seconds[second]:
            slow = excused.seconds[second][call] = Tally()
            for _ in range(10):
                slow.add(2000, "200")

    assert _verdict(excused, of=failover, events=done) is Verdict.GO
    assert _verdict(excused, of=plan(), events=done) is Verdict.NO_GO
    assert _verdict(lasting, of=failover, events=done) is Verdict.NO_GO


@pytest.mark.parametrize("events", [[], [{"do": "restart-database", "status": 1}]])
def test_an_event_that_did_not_happen_makes_the_run_invalid(
    events: list[dict[str, Any]],
) -> None:
    """Nothing was shown about a failover that never was."""
    failover = plan(events=(Event(at_s=20, do="restart-database"),))

    assert _verdict(samples(), of=failover, events=events) is Verdict.INVALID


def _steps(broken_from: int, **more: Any) -> tuple[Plan, Samples]:
    """Six steps of ten seconds: one to six busiest minutes."""
    phases = tuple(Phase(10, n, n) for n in range(1, 7))
    run = samples(slow_from_s=10 * broken_from, slow_ms=800, **more)
    return plan(steps=True, phases=phases, busiest_minute=60), run


def test_the_knee_is_the_last_step_that_held() -> None:
    """It must be three busiest minutes; what comes after it does not matter."""
    for broken_from, verdict in ((2, Verdict.NO_GO), (3, Verdict.GO), (6, Verdict.GO)):
        steps, run = _steps(broken_from)
        outcome = judge(steps, read_budgets(BUDGETS), run, [finding()])

        assert outcome.verdict is verdict
        assert sum(step.holds for step in outcome.steps) == broken_from


def test_a_generator_that_tires_after_the_knee_takes_nothing_back() -> None:
    """It must be sound up to the step that is claimed; below three, all the way."""
    for broken_from, verdict in ((4, Verdict.GO), (2, Verdict.INVALID)):
        steps, run = _steps(broken_from)
        for second in range(10 * broken_from, SECONDS):
            run.late[second] = Samples().late.setdefault(0, run.late[0].__class__())
            run.late[second].update(
                {samples(late_ms=200).late[0].most_common()[0][0]: 9}
            )
        outcome = judge(steps, read_budgets(BUDGETS), run, [finding()])

        assert outcome.verdict is verdict


def test_growing_memory_is_a_no_go_of_a_soak() -> None:
    """Flat is a go; half as much again from the second quarter to the last is not."""
    hours = plan(phases=(Phase(7200, 1, 1),))
    flat = [Point(s=n, memory_mb=200) for n in range(100)]
    growing = [Point(s=n, memory_mb=200 + 2 * n) for n in range(100)]

    assert _verdict(samples(), of=hours, points=flat) is Verdict.GO
    assert _verdict(samples(), of=hours, points=growing) is Verdict.NO_GO


def test_who_floods_alone_may_be_refused() -> None:
    """429 to another hospital is a no-go, and so is none to the one that floods."""
    flooding = plan(flood_per_s=10)
    for flood_code, other, verdict in (
        ("MA-3105", "", Verdict.GO),
        ("200", "", Verdict.NO_GO),
        ("MA-3105", "!MA-3105", Verdict.NO_GO),
    ):
        run = samples()
        run.seconds[0]["flood"] = Tally()
        run.seconds[0]["flood"].add(1, flood_code)
        if other:
            run.seconds[0]["quote"].add(1, other)

        assert _verdict(run, of=flooding) is verdict


def test_a_misspelt_file_of_budgets_is_refused(tmp_path: Path) -> None:
    """A budget that nobody reads would be kept for ever."""
    path = tmp_path / "own.toml"
    path.write_text(BUDGETS.read_text(encoding="utf-8") + "\n[cals]\n", "utf-8")

    with pytest.raises(BudgetError):
        read_budgets(path)


def test_the_verdicts_have_statuses_of_their_own() -> None:
    """Scripts tell a no-go from a run that says nothing."""
    assert [verdict.exit_status for verdict in Verdict] == [0, 1, 3]
