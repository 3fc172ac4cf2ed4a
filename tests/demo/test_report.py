"""The demo's tables and the commands that it prints."""

from __future__ import annotations

import io
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from gateway.demo.by_hand import commands_to_try
from gateway.demo.district import HOSPITALS
from gateway.demo.outcomes import Tally
from gateway.demo.published import PUBLISHED
from gateway.demo.report import agrees, month_table, outcome_table, yuan
from gateway.demo.residents import Resident
from gateway.demo.steps import Kind
from gateway.demo.visits import Fate, Shape, Visit
from gateway.replay.summary import Summary
from settlement.domain.bill import CareType
from settlement.service.statistics import MonthStatistics

MONTHS = [
    MonthStatistics(
        month=figures.month,
        citizens=figures.citizens,
        visits=figures.visits,
        aid_fen=figures.aid_fen,
        citizens_growth=None,
        visits_growth=857,
        aid_growth=-5,
    )
    for figures in PUBLISHED
]


def shown(table: object) -> str:
    """The table as a wide terminal shows it."""
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_only_the_published_figures_agree() -> None:
    """One fen, one visit, one citizen or one month more is a difference."""
    august = MONTHS[-1]
    others = [
        replace(august, aid_fen=august.aid_fen + 1),
        replace(august, visits=august.visits - 1),
        replace(august, citizens=august.citizens + 1),
        replace(august, month="2014-09"),
    ]

    assert agrees(MONTHS, PUBLISHED)
    assert not agrees(MONTHS[:2], PUBLISHED)
    assert not agrees([*MONTHS, august], PUBLISHED)
    for other in others:
        assert not agrees([*MONTHS[:2], other], PUBLISHED)


def test_difference_is_shown_to_the_fen() -> None:
    """Who reads the table sees what is missing, not only that something is."""
    wrong = replace(MONTHS[0], citizens=358, aid_fen=MONTHS[0].aid_fen - 7)

    text = shown(month_table([wrong, *MONTHS[1:]], PUBLISHED))

    assert "-1 / +0 / -0.07" in text
    assert text.count("none, to the fen") == 2
    assert "+85.7 %" in text
    assert "-0.5 %" in text


def test_a_month_that_was_not_published_says_so() -> None:
    """A visit outside the three months cannot hide."""
    extra = replace(MONTHS[0], month="2014-09")

    assert "not published" in shown(month_table([*MONTHS, extra], PUBLISHED))


@pytest.mark.parametrize(
    ("fen", "expected"),
    [(0, "0.00"), (7, "0.07"), (-7, "-0.07"), (123_456_789, "1,234,567.89")],
)
def test_yuan_shows_every_fen(fen: int, expected: str) -> None:
    """Two decimals, thousands apart, the sign in front."""
    assert yuan(fen) == expected


def test_outcomes_stand_beside_what_was_sent() -> None:
    """Every kind that occurred has its row, its number and its outcomes."""
    tally = Tally()
    for _ in range(3):
        tally.note(Kind.REFUND, "reversed")
    tally.note(Kind.REFUND, "refused MA-4101")

    text = shown(outcome_table(tally))

    assert "refused MA-4101 1, reversed 3" in text
    assert "quoted" not in text


def test_commands_are_quoted_for_a_shell() -> None:
    """A folder with blanks and quotes must not break what is copied."""
    nobody = Resident(
        number=1,
        card="D10000137",
        id_number="",
        name="",
        household="",
        subdistrict="",
        birth_on=datetime(1960, 1, 1, tzinfo=UTC).date(),
        windows=(),
    )
    at = datetime(2014, 9, 1, 1, 30, tzinfo=UTC)
    visit = Visit(
        number=1,
        resident=nobody,
        hospital=HOSPITALS[0],
        care_type=CareType.OUTPATIENT,
        service_start=at.date(),
        at=at,
        shape=Shape(
            draw_fen=1,
            self_funded=0,
            over_limit=0,
            pre_selfpay=0,
            insured=500_000,
            personal_account=0,
        ),
        diagnoses=("I10",),
        fate=Fate.STAYS,
    )
    folder = Path("/srv/it's a demo")

    commands = commands_to_try(visit, "http://127.0.0.1:1", "TOKEN", folder)

    words = [shlex.split(command) for _, command in commands]
    assert len(words) == 3
    assert all(each[0] == "curl" for each in words)
    assert words[1][-1] == "/srv/it's a demo/answer.json"
    assert "Authorization: Bearer TOKEN" in words[0]


def test_summary_has_the_members_of_the_contract() -> None:
    """`--json` is read by programs: names and forms are fixed."""
    summary = Summary(visits=3, settled=1, aid_fen=5_760, seconds=1.23456)
    summary.declined["MA-2101"] += 1
    summary.refused["MA-1116"] += 1

    assert summary.document() == {
        "visits": 3,
        "settled": 1,
        "reversed": 0,
        "declined": {"MA-2101": 1},
        "refused": {"MA-1116": 1},
        "aid_fen": 5_760,
        "seconds": 1.235,
        "alerts": 0,
        "check_books": "ok",
    }
    summary.violations = ("M1: settlement 00",)
    assert summary.document()["check_books"] == "1 violations"
    assert not summary.holds
    assert "The card is not on the assistance roster." in shown(
        summary.table(Path("var/replay"))
    )
