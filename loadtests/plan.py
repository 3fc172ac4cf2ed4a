"""Plans as data: how many visits come when, of which mix, and what happens meanwhile.

A plan counts in visits: one visit is what one patient does at one desk, some requests
in a row. `busiest_minute` is the number of settlements that the installation expects
in its busiest minute; the phases are multiples of it.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "plans"
#: What a generator on two cores beside the gateway may ask for.
REQUESTS_PER_S_MAX = 1000
#: Of one hospital; below what a gateway grants each party for money by default.
HOSPITAL_PER_S_MAX = 150
_MINUTE_S = 60

#: Whose card nobody knows and who then leaves; the others are settled all the same.
UNKNOWN_LEAVE = 0.8
#: Visits of each hour of a day, in shares of the busiest one: a morning and an
#: afternoon peak, some emergencies at night.
HOURS = (
    0.04, 0.03, 0.02, 0.02, 0.03, 0.08, 0.25, 0.70, 1.00, 0.98, 0.90, 0.60,
    0.35, 0.55, 0.75, 0.70, 0.55, 0.35, 0.22, 0.16, 0.12, 0.10, 0.08, 0.05,
)  # fmt: skip


class PlanError(ValueError):
    """A plan that cannot be run; the message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Phase:
    """So many seconds, from one multiple of the busiest minute to another."""

    seconds: float
    begin: float
    end: float
    hours: bool = False
    """Shaped like the hours of a day, pressed into this phase."""


@dataclass(frozen=True, slots=True)
class Event:
    """What is done to the installation in the middle of the load."""

    at_s: float
    do: str
    """Name of a command that the world brings along."""
    excused_s: float = 0
    """For so long after its begin latency and errors are not judged."""


@dataclass(frozen=True, slots=True)
class Storm:
    """From `at_s` on answers are lost, until all clients ask again at once."""

    at_s: float
    seconds: float
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of visits, each from 0 to 1."""

    asks_twice: float = 0.3
    quoted: float = 0.85
    leaves_after_quote: float = 0.06
    refunded: float = 0.02
    repeated: float = 0.01
    looked_up: float = 0.03
    unknown_card: float = 0.03
    malformed: float = 0.005
    heavy_persons: float = 0.02
    heavy_visits: float = 0.20
    revoked: float = 0.0
    pace: float = 1.0
    """Of the pauses that people make between two requests."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One plan, checked: times in seconds from the beginning of the load."""

    name: str
    zh: str
    en: str
    busiest_minute: float
    phases: tuple[Phase, ...]
    mix: Mix = field(default_factory=Mix)
    events: tuple[Event, ...] = ()
    storm: Storm | None = None
    steps: bool = False
    """Each phase is a step towards the knee; the first that breaks ends the run."""
    flood_per_s: float = 0
    """Questions that one hospital asks too many, on purpose, beyond its rate."""
    lookups_max: int = 5_000
    settle_down_s: float = 60
    """For so long the clients go on asking for answers that are owed at the end."""

    @property
    def seconds(self) -> float:
        """Length of the load."""
        return sum(phase.seconds for phase in self.phases)

    def visits_per_s(self, at_s: float) -> float:
        """Arrivals a second at an instant; 0 outside of the plan."""
        for phase in self.phases:
            if at_s < phase.seconds:
                return self._rate(phase, at_s / phase.seconds)
            at_s -= phase.seconds
        return 0.0

    def _rate(self, phase: Phase, share: float) -> float:
        factor = phase.begin + (phase.end - phase.begin) * share
        if phase.hours:
            factor *= _hour_share(share * 24)
        return factor * self.busiest_minute / _MINUTE_S / self.settlements_per_visit

    @property
    def settlements_per_visit(self) -> float:
        """The share of visits that settle; the busiest minute counts settlements."""
        mix = self.mix
        known = 1 - mix.unknown_card * UNKNOWN_LEAVE
        stays = 1 - mix.quoted * mix.leaves_after_quote
        return known * stays * (1 - mix.revoked) * (1 - mix.malformed)

    @property
    def peak_visits_per_s(self) -> float:
        """The highest rate of arrivals that the plan asks for."""
        return max(
            self._rate(phase, share / 240)
            for phase in self.phases
            for share in range(241)
        )

    @property
    def requests_per_visit(self) -> float:
        """The mean number of requests that one visit makes, retries not counted."""
        mix = self.mix
        settles = 1 - mix.leaves_after_quote * mix.quoted
        known = 1 + mix.asks_twice + mix.quoted + settles
        known += settles * (mix.refunded + mix.repeated + mix.looked_up)
        return known * (1 - mix.malformed) + mix.malformed

    def excused(self, second: float, width_s: int = 1) -> bool:
        """Whether any of these seconds is an event's, left out of the judgement."""
        # What was due in the second of the event's begin may have met it.
        return any(
            int(event.at_s) < second + width_s and second < event.at_s + event.excused_s
            for event in self.events
            if event.excused_s
        )


def _hour_share(hour: float) -> float:
    """Between two hours on a straight line."""
    first = math.floor(hour) % 24
    rest = hour - math.floor(hour)
    return HOURS[first] * (1 - rest) + HOURS[(first + 1) % 24] * rest


def names() -> list[str]:
    """The plans that come with the kit."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(
    name_or_path: str,
    *,
    busiest_minute: float | None = None,
    time_scale: float = 1.0,
) -> Plan:
    """A plan by its name, or from a TOML file of one's own.

    `time_scale` presses or stretches every length. Raises `PlanError`.
    """
    path = FOLDER / f"{name_or_path}.toml"
    if not path.is_file():
        path = Path(name_or_path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(names())
        raise PlanError(f"there is no plan {name_or_path}; known: {known}") from error
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"{path.name} is no TOML: {error}") from error
    plan = _scaled(_parsed(document, path.stem), time_scale)
    if busiest_minute is not None:
        plan = replace(plan, busiest_minute=busiest_minute)
    _check(plan)
    return plan


def _parsed(document: Mapping[str, Any], name: str) -> Plan:
    rest = dict(document)
    try:
        return Plan(
            name=name,
            phases=tuple(_made(Phase, one) for one in rest.pop("phases")),
            mix=_made(Mix, rest.pop("mix", {})),
            events=tuple(_made(Event, one) for one in rest.pop("events", ())),
            storm=_made(Storm, rest.pop("storm")) if "storm" in rest else None,
            **rest,
        )
    except (KeyError, TypeError) as error:
        raise PlanError(f"plan {name}: {error}") from error


def _made(kind: type[Any], values: Mapping[str, Any]) -> Any:
    unknown = set(values) - {one.name for one in fields(kind)}
    if unknown:
        raise TypeError(f"{kind.__name__} knows no {', '.join(sorted(unknown))}")
    return kind(**values)


def _scaled(plan: Plan, by: float) -> Plan:
    if by == 1:
        return plan
    return replace(
        plan,
        phases=tuple(replace(one, seconds=one.seconds * by) for one in plan.phases),
        events=tuple(
            replace(one, at_s=one.at_s * by, excused_s=one.excused_s)
            for one in plan.events
        ),
        storm=plan.storm
        and replace(
            plan.storm, at_s=plan.storm.at_s * by, seconds=plan.storm.seconds * by
        ),
    )


def _check(plan: Plan) -> None:
    shares = [getattr(plan.mix, one.name) for one in fields(Mix)]
    if not all(0 <= share <= 1 for share in shares):
        raise PlanError(f"plan {plan.name}: shares lie between 0 and 1")
    if not plan.phases or any(one.seconds <= 0 for one in plan.phases):
        raise PlanError(f"plan {plan.name}: every phase takes more than 0 seconds")
    if plan.busiest_minute <= 0:
        raise PlanError("the busiest minute has more than 0 settlements")
    peak = plan.peak_visits_per_s * plan.requests_per_visit + plan.flood_per_s
    if peak > REQUESTS_PER_S_MAX:
        raise PlanError(
            f"plan {plan.name} would ask {peak:,.0f} times a second; at most"
            f" {REQUESTS_PER_S_MAX:,} are allowed here, so lower --busiest-minute or"
            " spread the load over more machines"
        )
