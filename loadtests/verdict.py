"""Go, no-go or invalid: a run's samples and findings against the budgets."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from statistics import mean
from typing import Any

from loadtests.findings import Finding
from loadtests.metrics import Point
from loadtests.plan import Plan
from loadtests.samples import Samples, Tally

BUDGETS = Path(__file__).parent / "budgets.toml"
_SECTIONS = {
    "generator", "calls", "errors", "throughput", "recovery", "knee", "memory", "plans",
}  # fmt: skip
_HOUR_S = 3600
_NOT_REQUESTS = {"decided"}


class Verdict(StrEnum):
    """What a run says; its value is also the word in JSON."""

    GO = "go"
    NO_GO = "no-go"
    INVALID = "invalid"

    @property
    def exit_status(self) -> int:
        """What the program ends with."""
        return {"go": 0, "no-go": 1, "invalid": 3}[self.value]


@dataclass(frozen=True, slots=True)
class Judged:
    """One budget, what was measured, and whether it was kept."""

    name: str
    measured: str
    budget: str
    kept: bool
    of_generator: bool = False
    """A generator that fails says nothing about the gateway."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way to the knee."""

    visits_per_s: float
    begin_s: float
    end_s: float
    requests_per_s: float
    p99_ms: float | None
    error_share: float
    holds: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict with everything that led to it."""

    verdict: Verdict
    judged: tuple[Judged, ...]
    findings: tuple[Finding, ...]
    steps: tuple[Step, ...] = ()


class BudgetError(ValueError):
    """A file of budgets that cannot be used."""


def read_budgets(path: Path) -> dict[str, Any]:
    """Read a file of budgets; raises `BudgetError`."""
    try:
        budgets = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BudgetError(f"{path.name} cannot be used: {error}") from error
    if set(budgets) - _SECTIONS or not budgets.keys() >= _SECTIONS - {"plans"}:
        raise BudgetError(f"{path.name} has other sections than it must have")
    return budgets


def budgets_of(budgets: dict[str, Any], plan: str) -> dict[str, Any]:
    """The budgets of one plan: its own values over the common ones."""
    return _over(budgets, budgets.get("plans", {}).get(plan, {}))


def _over(common: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = dict(common)
    for name, value in own.items():
        is_table = isinstance(value, dict)
        merged[name] = _over(common.get(name, {}), value) if is_table else value
    return merged


def judge(
    plan: Plan,
    budgets: dict[str, Any],
    samples: Samples,
    findings: Sequence[Finding],
    points: Sequence[Point] = (),
    *,
    unfinished: str = "",
    events: Sequence[dict[str, Any]] = (),
) -> Outcome:
    """Hold a run against its budgets.

    `unfinished` says what is missing of the load or of its notes. A failed check is a
    no-go even of an invalid run: what is wrong is wrong, however it was asked for.
    """
    budgets = budgets_of(budgets, plan.name)
    steps = tuple(_steps(plan, budgets, samples)) if plan.steps else ()
    sound_until = _judged_until(plan, budgets, steps)
    judged = [
        *_generator(budgets["generator"], samples, sound_until, unfinished=unfinished),
        *_events(plan, events),
    ]
    if plan.steps:
        judged.append(_knee(plan, budgets["knee"], steps))
    else:
        judged += _load(plan, budgets, samples)
        judged += _memory(plan, budgets["memory"], points)
    if any(not finding.holds for finding in findings):
        verdict = Verdict.NO_GO
    elif any(not one.kept for one in judged if one.of_generator):
        verdict = Verdict.INVALID
    elif all(one.kept for one in judged):
        verdict = Verdict.GO
    else:
        verdict = Verdict.NO_GO
    return Outcome(verdict, tuple(judged), tuple(findings), steps)


def _judged_until(plan: Plan, budgets: dict[str, Any], steps: Sequence[Step]) -> float:
    """Up to where the generator must be sound for the run to say anything.

    Of a way to the knee: to the end of the last step that held, where that is far
    enough; else to the end of the run, for the step that broke is the reason.
    """
    if not steps or not _knee(plan, budgets["knee"], steps).kept:
        return math.inf
    return max(step.end_s for step in steps if step.holds)


def _generator(
    budget: dict[str, Any], samples: Samples, until_s: float, *, unfinished: str
) -> Iterator[Judged]:
    started = samples.started(until_s)
    late = samples.late_beyond(budget["late_ms"], until_s)
    share = late / started if started else 1.0
    yield Judged(
        f"generator: starts more than {budget['late_ms']} ms late",
        f"{late:,} of {started:,}{_latest(samples, until_s)}",
        f"{budget['late_share']:.3%}" if budget["late_share"] else "0",
        share <= budget["late_share"], of_generator=True,
    )  # fmt: skip
    cpu = samples.busiest_cpu(until_s)
    yield Judged(
        "generator: processor of the busiest process", f"{cpu:.0%}",
        f"{budget['cpu']:.0%}", cpu <= budget["cpu"], of_generator=True,
    )  # fmt: skip
    yield Judged(
        "generator: all processes finished, with their notes", unfinished or "yes",
        "yes", not unfinished, of_generator=True,
    )  # fmt: skip


def _latest(samples: Samples, until_s: float) -> str:
    """The latest start and what kept the generator from it."""
    latest = samples.latest_start(until_s)
    if latest is None:
        return ""
    second, one = latest
    return (
        f"; latest {one.late_ms:,.0f} ms at {second} s: own work {one.own_ms:,.0f} ms"
        f" ({one.gc_ms:,.0f} ms collecting garbage), waiting for a processor"
        f" {one.queued_ms:,.0f} ms"
    )


def _events(plan: Plan, events: Sequence[dict[str, Any]]) -> Iterator[Judged]:
    """An event that did not happen proves nothing; so that is the generator's."""
    for planned in plan.events:
        done = [one for one in events if one["do"] == planned.do]
        status = done[0]["status"] if done else "not run"
        yield Judged(
            f"event {planned.do}: exit status", str(status), "0", status == 0,
            of_generator=True,
        )  # fmt: skip


def _load(plan: Plan, budgets: dict[str, Any], samples: Samples) -> Iterator[Judged]:
    width_s = samples.width_s
    seconds = [one for one in samples.seconds if not plan.excused(one, width_s)]
    calls = samples.by_call(seconds)
    for call, limits in budgets["calls"].items():
        tally = calls.get(call)
        for name, limit in limits.items():
            measured = tally.percentile_ms(float(name[1:-3])) if tally else None
            if measured is None:
                continue
            yield Judged(
                f"{call}: {name.removesuffix('_ms')}", f"{measured:,.1f} ms",
                f"{limit:,} ms", measured <= limit,
            )  # fmt: skip
    yield _errors(budgets["errors"], calls)
    yield _throughput(budgets["throughput"], samples)
    yield from _recovery(budgets["recovery"], samples)
    if plan.flood_per_s:
        yield from _flood(calls)


def errors_of(tally: Tally) -> int:
    """Answers that were none of those that the call may give."""
    return sum(n for code, n in tally.codes.items() if code.startswith("!"))


def _requests(calls: dict[str, Tally]) -> Iterator[Tally]:
    return (tally for call, tally in calls.items() if call not in _NOT_REQUESTS)


def _error_share(calls: dict[str, Tally]) -> float:
    count = sum(tally.count for tally in _requests(calls))
    return sum(map(errors_of, _requests(calls))) / count if count else 1.0


def _errors(budget: dict[str, Any], calls: dict[str, Tally]) -> Judged:
    share = _error_share(calls)
    return Judged(
        "errors", f"{share:.3%}", f"{budget['share']:.3%}", share <= budget["share"]
    )


def _throughput(budget: dict[str, Any], samples: Samples) -> Judged:
    """Requests that ended; lost ones were hung up on purpose and have no end."""
    ended = sum(tally.count for tally in _requests(samples.by_call()))
    due = samples.started() - samples.not_sent
    share = ended / due if due else 0.0
    return Judged(
        "ended, of those that were due", f"{ended:,} of {due:,}",
        f"{budget['share']:.1%}", share >= budget["share"],
    )  # fmt: skip


def _recovery(budget: dict[str, Any], samples: Samples) -> Iterator[Judged]:
    decided = samples.by_call().get("decided")
    longest = decided.percentile_ms(100) if decided else None
    if longest is not None:
        yield Judged(
            "longest wait for a decision", f"{longest / 1000:,.1f} s",
            f"{budget['decided_s']} s", longest <= budget["decided_s"] * 1000,
        )  # fmt: skip


def _flood(calls: dict[str, Tally]) -> Iterator[Judged]:
    """Who floods is refused with 429; nobody else is."""
    codes = calls.get("flood", Tally()).codes
    flooded = codes["MA-3105"] + codes["MA-3106"]
    yield Judged(
        "answers 429 to the hospital that floods", f"{flooded:,}", "some", flooded > 0
    )
    others = sum(
        tally.codes[code]
        for call, tally in calls.items()
        if call != "flood"
        for code in ("!MA-3105", "!MA-3106")
    )
    yield Judged("answers 429 to anybody else", f"{others:,}", "0", others == 0)


def _steps(plan: Plan, budgets: dict[str, Any], samples: Samples) -> Iterator[Step]:
    begin, has_broken = 0.0, False
    for phase in plan.phases:
        end = begin + phase.seconds
        # The first fifth belongs to the change.
        seconds = range(int(begin + phase.seconds / 5), int(end))
        calls = samples.by_call(seconds)
        merged = Tally()
        for tally in _requests(calls):
            merged.merge(tally)
        if merged.count == 0:
            return
        p99, share = merged.percentile_ms(99), _error_share(calls)
        knee = budgets["knee"]
        holds = (p99 or 0) <= knee["p99_ms"] and share <= knee["error_share"]
        has_broken = has_broken or not holds
        rate = plan.visits_per_s(begin + phase.seconds / 2)
        yield Step(
            rate, begin, end, merged.count / len(seconds), p99, share, not has_broken
        )
        begin = end


def _knee(plan: Plan, budget: dict[str, Any], steps: Sequence[Step]) -> Judged:
    held = [step.visits_per_s for step in steps if step.holds]
    times = (
        max(held, default=0.0) * plan.settlements_per_visit * 60 / plan.busiest_minute
    )
    beyond = " or more: no step broke" if len(held) == len(plan.phases) else ""
    return Judged(
        "knee, in busiest minutes", f"{times:.1f}{beyond}", f"{budget['times']}",
        # A hair's breadth, for a rate is drawn.
        times >= budget["times"] - 1e-6,
    )  # fmt: skip


def _memory(
    plan: Plan, budget: dict[str, Any], points: Sequence[Point]
) -> Iterator[Judged]:
    values = [one.memory_mb for one in points if one.memory_mb is not None]
    if plan.seconds < _HOUR_S or len(values) < 8:
        return
    quarter = len(values) // 4
    first, last = mean(values[quarter : 2 * quarter]), mean(values[-quarter:])
    growth = last / first - 1
    yield Judged(
        "memory of the workers, second quarter to last", f"{growth:+.1%}",
        f"{budget['growth']:+.1%}", growth <= budget["growth"],
    )  # fmt: skip
