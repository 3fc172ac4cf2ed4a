"""How many planted visits alerts find, and how many alerts are true, in memory.

`python -m tests.bench.alerts_quality` runs every detector over whole fields: a city
that is made, and the third-party visits of 2009 where they lie beside the project,
with days alone and with times of day. Each is judged on persons whom nobody tuned on.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from settlement import alert_rules
from settlement.domain.watch.detecting import find_outliers, find_signals
from settlement.domain.watch.rules import AlertRules, read_rules
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import SubjectKind
from tests.bench.alerts_city import city
from tests.bench.alerts_judge import Alert, Part, Verdict, alerts_in, judge
from tests.bench.alerts_kinds import FIRST
from tests.bench.alerts_peers import windows
from tests.bench.alerts_plant import KINDS, Field, half, plant, with_clock
from tests.bench.alerts_visits import (
    NOT_ON_ROSTER,
    Visit,
    settled,
    visits_of_year,
    write_visits,
)
from tests.bench.measures import Measure

THIRD_PARTY = (
    Path(__file__).resolve().parents[2].parent
    / "shared" / "data" / "visits_dev.csv.gz"
)  # fmt: skip
_DENSE_YEAR = 2009
_RULES = "demo-2026.yaml"
#: What issue 6 asks for.
RECALL, RECALL_OF_A_KIND, PRECISION = 0.95, 0.9, 0.8
_SHARE = 0.005
_TUNING, _HELD_OUT = 0, 1
_CITY_PERSONS = 20_000


def demo_rules() -> AlertRules:
    """The rules that a new gateway begins with."""
    return read_rules(alert_rules.read(_RULES))


def alerts_of(claims: Mapping[str, SeenClaim], rules: AlertRules) -> list[Alert]:
    """What all detectors find in all claims, subject by subject."""
    names = {claim.id: visit for visit, claim in claims.items()}
    found = [
        signal
        for kind, group in _subjects(claims.values())
        for signal in find_signals(kind, group, rules)
    ]
    for summaries in windows(claims.values(), rules):
        found += find_outliers(summaries, rules)
    return [
        Alert(signal.detector, frozenset(names[one] for one in signal.claims))
        for signal in found
    ]


def _subjects(
    claims: Iterable[SeenClaim],
) -> Iterator[tuple[SubjectKind, list[SeenClaim]]]:
    groups: defaultdict[tuple[SubjectKind, object], list[SeenClaim]] = defaultdict(list)
    for claim in claims:
        at = claim.facility
        groups[SubjectKind.OPERATOR, (at, claim.operator)].append(claim)
        groups[SubjectKind.FACILITY, at].append(claim)
        if claim.person is not None:
            groups[SubjectKind.PERSON, claim.person].append(claim)
        if claim.household is not None:
            groups[SubjectKind.HOUSEHOLD, claim.household].append(claim)
    for (kind, _), group in groups.items():
        yield kind, group


def verdict_on(field: Field, rules: AlertRules, eligible_ppm: int) -> Verdict:
    """Settle the field, watch it, and hold the alerts against the labels."""
    claims = settled(field.visits, eligible_ppm=eligible_ppm)
    known = {visit for visit, claim in claims.items() if claim.reason != NOT_ON_ROSTER}
    return judge(alerts_of(claims, rules), field.planted, known)


@dataclass(frozen=True, slots=True)
class Trial:
    """One way to make a field."""

    name: str
    visits: Callable[[], Sequence[Visit]]
    share: float = _SHARE
    """Of the honest visits, planted of each kind."""
    eligible_ppm: int = 1_000_000
    kinds: Collection[str] = KINDS

    def field(self, seed: int) -> Field:
        """Plant it."""
        return plant(self.visits(), seed, self.share, self.kinds)


@cache
def _third_party() -> tuple[Visit, ...]:
    return tuple(visits_of_year(THIRD_PARTY, _DENSE_YEAR))


@cache
def _third_party_timed() -> tuple[Visit, ...]:
    return tuple(with_clock(_third_party(), seed=1))


def trials(seed: int, which: int, persons: int = _CITY_PERSONS) -> list[Trial]:
    """The fields of one seed, of the half of the persons that is asked for."""
    together = _SHARE / len(KINDS)

    def people() -> Sequence[Visit]:
        return half(city(seed, persons), which)

    def days() -> Sequence[Visit]:
        return half(_third_party(), which)

    def times() -> Sequence[Visit]:
        return half(_third_party_timed(), which)

    made = [
        Trial("city", people),
        Trial("city, first ten kinds", people, kinds=tuple(FIRST)),
        Trial("city, all kinds 0.5 %", people, together),
    ]
    if THIRD_PARTY.is_file():
        made += [
            Trial("2009", days),
            Trial("2009 with times", times),
            Trial("2009, 60 % on the roster", days, eligible_ppm=600_000),
            Trial("2009, all kinds 0.5 %", days, together),
        ]
    return made


def measure(seeds: Iterable[int] = (1, 2)) -> list[Measure]:
    """The figures of issue 6 on held-out persons, a round for each seed."""
    rules = demo_rules()
    measures: dict[str, Measure] = {}
    for seed in seeds:
        for trial in trials(seed, _HELD_OUT):
            if trial.share < _SHARE:
                continue
            field = trial.field(seed)
            verdict = verdict_on(field, rules, trial.eligible_ppm)
            for name, target, value in _figures(verdict):
                key = f"alerts_{name}_{_slug(trial.name)}"
                scale = f"{len(field.visits):,} visits, {trial.name}"
                found = measures.setdefault(key, Measure(key, target, True, scale))
                found.ratios.append(value)
    return list(measures.values())


def _slug(name: str) -> str:
    return "_".join(re.findall(r"[a-z0-9]+", name))


def _figures(verdict: Verdict) -> Iterator[tuple[str, float, float]]:
    worst = min(part.share for part in verdict.recall.values())
    yield "recall", RECALL, verdict.recall_overall.share
    yield "recall_of_the_worst_kind", RECALL_OF_A_KIND, worst
    yield "precision", PRECISION, verdict.precision_overall.share


def _show(console: Console, title: str, verdict: Verdict) -> None:
    table = Table(title=title, title_justify="left")
    for heading in ("kind", "recall", "by its own", "alerts", "precision"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for kind in sorted({*verdict.recall, *verdict.precision}):
        alerts = verdict.precision.get(kind, Part(0, 0))
        table.add_row(
            kind,
            _percent(verdict.recall.get(kind, Part(0, 0))),
            _percent(verdict.own.get(kind, Part(0, 0))),
            f"{alerts.of:,}",
            _percent(alerts),
        )
    table.add_section()
    all_alerts = verdict.precision_overall
    table.add_row(
        "all",
        _percent(verdict.recall_overall),
        "",
        f"{all_alerts.of:,}",
        f"{_percent(all_alerts)} (visits {_percent(verdict.strict)})",
    )
    console.print(table)


def _percent(part: Part) -> str:
    return f"{100 * part.share:.1f} %" if part.of else "-"


def _show_variants(console: Console, verdict: Verdict) -> None:
    for (kind, variant), part in sorted(verdict.variants.items()):
        if part.share < RECALL_OF_A_KIND:
            console.print(f"  {kind}, {variant}: {part.some} of {part.of}")


def _write(folder: Path, trial: Trial, seed: int) -> None:
    """A file for `medaid replay --eligible 1`; see `_judged`."""
    field = trial.field(seed)
    folder.mkdir(parents=True, exist_ok=True)
    write_visits(folder / "visits.csv", field.visits)


def _judged(file: Path, trial: Trial, seed: int) -> tuple[str, Verdict]:
    """What `medaid alerts list --json` says of the file of `_write`."""
    field = trial.field(seed)
    claims = settled(field.visits, eligible_ppm=trial.eligible_ppm)
    known = {visit for visit, claim in claims.items() if claim.reason != NOT_ON_ROSTER}
    alerts = alerts_in(orjson.loads(file.read_bytes()), known)
    return f"{trial.name}, from {file}", judge(alerts, field.planted, known)


def _measured(trial: Trial, seed: int) -> tuple[str, Verdict]:
    field = trial.field(seed)
    verdict = verdict_on(field, demo_rules(), trial.eligible_ppm)
    return f"{trial.name}: {len(field.visits):,} visits", verdict


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table for each field; status 1 where a target is missed and asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--persons", type=int, default=_CITY_PERSONS)
    parser.add_argument("--tuning", action="store_true", help="the other half")
    parser.add_argument("--only", default="", help="fields whose name contains this")
    parser.add_argument("--gate", action="store_true", help="fail below a target")
    parser.add_argument("--write", type=Path, help="write a file for a replay instead")
    parser.add_argument("--judge", type=Path, help="alerts of a replay of that file")
    asked = parser.parse_args(arguments)
    console, met = Console(), True
    which = _TUNING if asked.tuning else _HELD_OUT
    for trial in trials(asked.seed, which, asked.persons):
        if asked.only not in trial.name:
            continue
        if asked.write:
            _write(asked.write, trial, asked.seed)
            return 0
        if asked.judge:
            title, verdict = _judged(asked.judge, trial, asked.seed)
        else:
            title, verdict = _measured(trial, asked.seed)
        _show(console, title, verdict)
        _show_variants(console, verdict)
        met &= all(value >= target for _, target, value in _figures(verdict))
        if asked.judge:
            break
    return 1 if asked.gate and not met else 0


if __name__ == "__main__":
    sys.exit(main())
