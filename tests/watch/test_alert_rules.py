"""Alert rules are read strictly: each fault with its code, line and field."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from settlement import alert_rules
from settlement.domain.policy.faults import PolicyFault
from settlement.domain.reasons import REASONS
from settlement.domain.watch.detectors import DETECTORS
from settlement.domain.watch.rules import (
    Action,
    AlertRules,
    RulesError,
    in_force,
    read_rules,
)
from settlement.domain.watch.signal import SubjectKind
from settlement.domain.watch.worked_cases import run_cases
from tests.watch.watched import document, rules


def swap(old: str, new: str) -> str:
    """The shipped document with its first `old` replaced."""
    text = document().decode()
    assert old in text
    return text.replace(old, new, 1)


def faults_of(text: str) -> tuple[PolicyFault, ...]:
    """What is wrong with a document."""
    with pytest.raises(RulesError) as caught:
        read_rules(text.encode())
    return caught.value.faults


#: What is wrong, the document, code, field, and how its line begins.
FAULTS: list[tuple[str, str, str, str, str]] = [
    ("unknown key", swap("fictional:", "fiction: 1\nfictional:"), "06", "fiction",
     "fiction:"),
    ("missing key", swap("fictional: 是\n", ""), "07", "fictional", "schema:"),
    ("no format", swap("schema: medaid-alert-rules/1\n", ""), "07", "schema", "id:"),
    ("later format", swap("rules/1", "rules/2"), "14", "schema", "schema:"),
    ("key twice", swap("id:", "id: x\nid:"), "03", "id", "id: demo"),
    ("anchor", swap("id: demo", "id: &a demo"), "04", "", "id:"),
    ("tag", swap("id: demo", "id: !x demo"), "05", "", "id:"),
    ("bad day", swap("known_since: 2000-01-01", "known_since: 2000-13-01"), "12",
     "known_since", "known_since:"),
    ("source without text", swap("    zh: 自定", "    zz: 自定"), "06",
     "sources.choice.zz", "    zz:"),
    ("kind of source", swap("kind: published", "kind: heard"), "09",
     "sources.two_hospitals.kind", "    kind: heard"),
    ("unknown source", swap("source: outlier", "source: nowhere"), "13",
     "detectors.facility-outlier.deviations.source", "    deviations:"),
    ("source never cited", swap("sources:\n", "sources:\n  idle: {kind: choice, "
     "zh: 无, en: none}\n"), "19", "sources.idle", "  idle:"),
    ("unknown detector", swap("  too-soon:\n", "  too-late: {action: off}\n"
     "  too-soon:\n"), "06", "detectors.too-late", "  too-late:"),
    ("missing detector", swap("  operator-burst:\n", "  operator-bursts:\n"), "07",
     "detectors.operator-burst", "detectors:"),
    ("action", swap("action: alert", "action: arrest"), "09",
     "detectors.exact-repeat.action", "    action: arrest"),
    ("score above 100", swap("score: 80分", "score: 101分"), "09",
     "detectors.exact-repeat.score", "    score:"),
    ("untyped score", swap("score: 80分", "score: 80"), "09",
     "detectors.exact-repeat.score", "    score:"),
    ("unknown number", swap("    longest:", "    shortest: 3天\n    longest:"), "06",
     "detectors.during-stay.shortest", "    shortest:"),
    ("number without source", swap("longest: {value: 35天, source: choice}",
     "longest: {value: 35天}"), "07", "detectors.during-stay.longest.source",
     "    longest:"),
    ("number that is no group", swap("longest: {value: 35天, source: choice}",
     "longest: 35天"), "08", "detectors.during-stay.longest", "    longest:"),
    ("days too many", swap("value: 35天", "value: 367天"), "09",
     "detectors.during-stay.longest.value", "    longest:"),
    ("untyped days", swap("value: 35天", "value: 35"), "09",
     "detectors.during-stay.longest.value", "    longest:"),
    ("minutes of more than a day", swap("value: 10分钟", "value: 1441分钟"), "09",
     "detectors.operator-burst.within.value", "    within:"),
    ("hours", swap("value: 10分钟", "value: 1小时"), "09",
     "detectors.operator-burst.within.value", "    within:"),
    ("count in another measure", swap("value: 6张", "value: 6次"), "09",
     "detectors.operator-burst.cards.value", "    cards:"),
    ("count too small", swap("value: 6张", "value: 1张"), "09",
     "detectors.operator-burst.cards.value", "    cards:"),
    ("count that is none", swap("value: 6张", "value: many"), "09",
     "detectors.operator-burst.cards.value", "    cards:"),
    ("share above the whole", swap("near: {value: 2%", "near: {value: 101%"), "11",
     "detectors.same-day-hospitals.near.value", "    near:"),
    ("share as a number", swap("near: {value: 2%", "near: {value: 0.02"), "11",
     "detectors.same-day-hospitals.near.value", "    near:"),
    ("amount of nothing", swap("value: 200元", "value: 0元"), "10",
     "detectors.same-day-hospitals.near_from.value", "    near_from:"),
    ("multiple of nothing", swap("value: 3.5倍", "value: 0倍"), "09",
     "detectors.facility-outlier.deviations.value", "    deviations:"),
    ("multiple as a number", swap("value: 3.5倍", "value: 3.5"), "09",
     "detectors.facility-outlier.deviations.value", "    deviations:"),
    ("code that is none", swap("value: [MA-2102]", "value: [died]"), "09",
     "detectors.ended-card.reasons.value", "    reasons:"),
    ("no code at all", swap("value: [MA-2102]", "value: []"), "09",
     "detectors.ended-card.reasons.value", "    reasons:"),
    ("code without list", swap("value: [MA-2102]", "value: MA-2102"), "08",
     "detectors.ended-card.reasons.value", "    reasons:"),
    ("time that is none", swap("'08:00'", "'24:00'"), "09", "unknown_times.value",
     "unknown_times:"),
    ("no row", swap("    again:\n", "    again: []\n    agains:\n"), "07",
     "detectors.too-soon.again", "    again:"),
    ("row of another amount", swap("of: aid", "of: cash"), "09",
     "detectors.split-bills.limits[1].of", "      - {of: cash"),
    ("row of unknown care", swap("care: [inpatient]", "care: [home]"), "09",
     "detectors.too-frequent.limits[8].care", "      - {care: [home]"),
    ("row without source", swap(", least: 0%, source: same_again}", ", least: 0%}"),
     "07", "detectors.too-soon.again[1].source", "      - {hospital: other"),
    ("row with too much", swap(", least: 0%", ", least: 0%, far: 1天"), "06",
     "detectors.too-soon.again[1].far", "      - {hospital: other"),
    ("no case", swap("    score: 80分\n    cases:\n", "    score: 80分\n"
     "    cases: []\n    case:\n"), "07", "detectors.exact-repeat.cases",
     "    cases: []"),
    ("case without claims", swap("        claims:\n", "        claim:\n"), "07",
     "detectors.exact-repeat.cases[1].claims", "      - name:"),
    ("case that expects the unknown", swap("expect: [a b]", "expect: [a z]"), "13",
     "detectors.exact-repeat.cases[1].expect", "        expect: [a z]"),
    ("claim that stands twice", swap("{id: b, on", "{id: a, on"), "15",
     "detectors.exact-repeat.cases[1].name", "      - name:"),
    ("claim with too much", swap("{id: a, on", "{id: a, card: 1, on"), "06",
     "detectors.exact-repeat.cases[1].claims[1].card", "          - {id: a, card"),
    ("claim that ends before", swap("to: 2026-02-05", "to: 2026-01-05"), "12",
     "detectors.same-day-hospitals.cases[6].claims[2].to", "          - {id: b"),
    ("claim at no time", swap("at: '16:20'", "at: '25:00'"), "09",
     "detectors.exact-repeat.cases[1].claims[2].at", "          - {id: b"),
    ("claim at a time of its own", swap("at: '16:20'", "at: noon"), "09",
     "detectors.exact-repeat.cases[1].claims[2].at", "          - {id: b"),
    ("claim of a hospital by name", swap("hospital: '1'", "hospital: west"), "09",
     "detectors.same-day-hospitals.cases[1].claims[1].hospital", "          - {id: a"),
    ("claim with a wrong amount", swap("total: 120.10元", "total: 120.101元"), "10",
     "detectors.exact-repeat.cases[5].claims[2].total", "          - {id: b"),
    ("claim undone by nobody", swap("reversed: mistake", "reversed: ghost"), "09",
     "detectors.exact-repeat.cases[3].claims[1].reversed", "          - {id: a"),
    ("claim for too many days", swap("days: 28天", "days: 28"), "09",
     "detectors.too-soon.cases[3].claims[1].days", "          - {id: a"),
    ("peer with a wrong count", swap("repeats: 90笔", "repeats: 90"), "09",
     "detectors.facility-outlier.cases[1].peers[1].repeats", "          - {id: a"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "field", "line"),
    [pytest.param(*rest, id=what) for what, *rest in FAULTS],
)
def test_fault_is_named_with_its_place(
    text: str, code: str, field: str, line: str
) -> None:
    """The code, the path of the field, the line, and a remedy in both languages."""
    faults = faults_of(text)
    found = [f for f in faults if (f.code, f.field) == (f"MA-74{code}", field)]

    assert found, [str(fault) for fault in faults]
    assert text.splitlines()[found[0].line - 1].startswith(line)
    assert found[0].text.zh
    assert found[0].text.en
    assert {fault.code for fault in faults} <= set(REASONS)


@pytest.mark.parametrize(
    "text",
    [b"", b"- a\n", b"a: b\n---\na: b\n", b"a: [1", b"\xff", b"a: b\x07", b"a"],
)
def test_what_is_no_such_document_is_refused(text: bytes) -> None:
    """Broken YAML, other encodings, lists, several documents."""
    with pytest.raises(RulesError) as caught:
        read_rules(text)

    assert {fault.code for fault in caught.value.faults} == {"MA-7402"}


def test_too_large_a_document_is_refused() -> None:
    """However it would read."""
    with pytest.raises(RulesError, match="MA-7401"):
        read_rules(b"a: " + b"x" * 600_000)


def test_all_faults_are_told_at_once() -> None:
    """None hides another."""
    text = swap("score: 80分", "score: 80").replace("value: 35天", "value: soon")

    assert {fault.field for fault in faults_of(text)} == {
        "detectors.exact-repeat.score",
        "detectors.during-stay.longest.value",
    }


def test_shipped_rules_only_alert() -> None:
    """Nothing stands between a patient and aid unless the bureau says so."""
    for name in alert_rules.names():
        shipped = read_rules(alert_rules.read(name))
        actions = {rule.action for rule in shipped.detectors.values()}

        assert actions == {Action.ALERT}
        assert shipped.is_fictional
        assert list(shipped.detectors) == list(DETECTORS)
    assert alert_rules.DEFAULT in alert_rules.names()


def test_document_is_known_by_its_bytes() -> None:
    """Id, version and the hash of exactly what was handed in."""
    found = rules()
    other = read_rules(document() + b"\n")

    assert (found.id, found.version) == ("demo-alerts", "2026.1")
    assert found.title.zh
    assert found.sources["outlier"].kind == "published"
    assert len(found.sha256) == 64
    assert other.sha256 != found.sha256


def test_detector_that_is_off_finds_nothing_but_its_cases_run() -> None:
    """Switched off in one word; its numbers stay."""
    quiet = read_rules(
        swap("action: alert\n    score: 80分", "action: off\n    score: 80分").encode()
    )

    assert "exact-repeat" not in [d.name for d in quiet.active(SubjectKind.PERSON)]
    assert "exact-repeat" not in [d.name for d in quiet.at_desk]
    assert all(result.passed for result in run_cases(quiet))


def _version(version: str, begins: str) -> AlertRules:
    text = swap("version: '2026.1'", f"version: '{version}'")
    return read_rules(
        text.replace("in_force_from: 2000-01-01", f"in_force_from: {begins}").encode()
    )


def test_latest_known_of_those_in_force_decides() -> None:
    """Two axes of time, as for policy packs."""
    old, new = _version("1", "2025-01-01"), _version("2", "2026-01-01")
    correction = _version("3", "2025-06-01")
    spring, autumn = (datetime(2025, month, 1, tzinfo=UTC) for month in (3, 9))
    known = [(old, spring), (new, autumn), (correction, autumn)]
    late = datetime(2026, 2, 1, tzinfo=UTC)

    def version(day: date, at: datetime) -> str | None:
        found = in_force(known, day, at)
        assert found == in_force(known[::-1], day, at)
        return found.version if found else None

    assert version(date(2024, 12, 31), late) is None
    assert version(date(2025, 1, 1), spring) == "1"
    assert version(date(2025, 7, 1), spring) == "1"
    assert version(date(2025, 7, 1), late) == "3"
    assert version(date(2025, 12, 31), late) == "3"
    assert version(date(2026, 1, 1), late) == "2"
    assert in_force([], date(2026, 1, 1), late) is None
