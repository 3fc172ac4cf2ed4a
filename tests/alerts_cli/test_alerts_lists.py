"""`medaid alerts list`, `cases` and `show`: everything that holds, in tokens."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from gateway.cli.alerts_view import print_alerts, print_cases, print_opened
from gateway.replay.looking import all_looked_at
from settlement.service.watch.work import (
    AlertSearch,
    list_alerts,
    list_cases,
    open_case,
)
from tests.alerts_cli.office import Office


async def test_json_lists_every_alert_with_its_claims(office: Office) -> None:
    """All of them, whatever their number, each with ids and visit numbers."""
    settled = [await office.repeat(f"C{n:08d}") for n in range(12)]
    await office.look()

    listed = await office.ask("list")

    found = [set(each["settlement_ids"]) for each in listed]
    assert {frozenset(ids) for ids in found} >= {frozenset(ids) for ids in settled}
    repeats = [each for each in listed if each["detector"] == "exact-repeat"]
    assert len(repeats) == len(settled)
    visits = {row[0]: row[1] for row in await office.rows(
        "SELECT encode(id, 'hex'), visit_no FROM settlement"
    )}  # fmt: skip
    assert {len(each["person_token"]) for each in repeats} == {32}
    for each in listed:
        assert each["visit_nos"] == [visits[id_] for id_ in each["settlement_ids"]]
        assert each["facilities"] == ["H001"]
        assert 0 < each["score"] <= 100
        assert all(each["text"][language] for language in ("zh", "en"))
    assert [each["no"] for each in listed] == sorted(each["no"] for each in listed)


async def test_narrowed_lists_hold_only_what_was_asked(office: Office) -> None:
    """By detector, by case, by hospital, by the case's state; each can be empty."""
    first = await office.repeat("C1")
    await office.repeat("C2", facility=2)
    await office.look()
    (case,) = {
        each["case_id"]
        for each in await office.ask("list")
        if set(first) & set(each["settlement_ids"])
    }

    of_case = await office.ask("list", "--case", case[:8].upper())
    assert {each["case_id"] for each in of_case} == {case}
    of_hospital = await office.ask("list", "--facility", "H002")
    assert {tuple(each["facilities"]) for each in of_hospital} == {("H002",)}
    assert await office.ask("list", "--facility", "H003") == []
    of_detector = await office.ask("list", "--detector", "exact-repeat")
    assert {each["detector"] for each in of_detector} == {"exact-repeat"}
    assert len(of_detector) == 2
    assert await office.ask("list", "--state", "confirmed") == []
    assert await office.ask("list", "--state", "new") == await office.ask("list")


async def test_withdrawn_alerts_show_with_all_alone(office: Office) -> None:
    """A reversal ends an alert; it stays in the books."""
    _, second = await office.repeat("C1")
    await office.look()
    await office.house.reverse(settlement_id=second, reason="mistake")
    await office.look()

    assert await office.ask("list", "--detector", "exact-repeat") == []
    (gone,) = await office.ask("list", "--detector", "exact-repeat", "--all")
    assert gone["state"] == "withdrawn"


async def test_tables_fit_eighty_columns_and_begin_with_the_strongest(
    office: Office,
) -> None:
    """No line is wider, no id is cut, and cases come by their score."""
    await office.repeat("C1", times=4)
    await office.repeat("C2", facility=2)
    await office.look()
    async with office.database.pool.acquire() as session:
        found = await list_alerts(session, AlertSearch())
        cases = await list_cases(session)
        opened = await open_case(session, cases[0].id)
    # So that the order of raising is not that of the scores.
    found = [replace(alert, score=10 + n) for n, alert in enumerate(found)]
    text = io.StringIO()
    console = Console(width=80, file=text)
    print_alerts(console, list(reversed(found)), cases)
    print_cases(console, cases)
    print_opened(console, opened)

    lines = text.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert all(alert.id.hex()[:8] in text.getvalue() for alert in found)
    assert all(claim.id.hex()[:8] in text.getvalue() for claim in opened.claims)
    heads = [line.split()[2] for line in lines if line.startswith("案件 case ")]
    assert heads[: len(cases)] == [case.id.hex()[:8] for case in cases]
    first = [alert for alert in found if alert.case_id == cases[0].id]
    assert len({alert.score for alert in first}) > 1
    shown = text.getvalue().partition("案件 case ")[2].partition("案件 case ")[0]
    by_score = sorted(first, key=lambda alert: (-alert.score, alert.no))
    places = [shown.index(alert.id.hex()[:8]) for alert in by_score]
    assert places == sorted(places)
    assert [case.score for case in cases] == sorted(
        (case.score for case in cases), reverse=True
    )


async def test_a_case_is_shown_by_its_id_and_by_an_alerts(office: Office) -> None:
    """Alerts in two languages, claims in the order of time, the history."""
    settled = await office.repeat("C1", date(2026, 1, 9))
    await office.look()
    case = await office.the_case()
    (alert,) = await office.ask("list", "--detector", "exact-repeat")

    shown = await office.ask("show", case[:8])
    assert await office.ask("show", alert["alert_id"][:10]) == shown
    assert alert in shown["alert_list"]
    assert [each["settlement_id"] for each in shown["claims"]] == [
        each
        for (each,) in await office.rows(
            "SELECT encode(id, 'hex') FROM settlement"
            " ORDER BY service_start, occurred_at, id"
        )
    ]
    assert {each["settlement_id"] for each in shown["claims"]} == set(settled)
    assert [each["action"] for each in shown["history"]] == ["opened"]
    told = (await office.run("show", case)).stdout
    assert alert["text"]["zh"][:10] in told.replace("\n", "")
    assert "立案 opened" in told


async def test_an_alert_without_a_case_is_shown_alone(office: Office) -> None:
    """What was muted before it was raised belongs to no case."""
    await office.repeat("C1")
    await office.look()
    for month in (2, 3):
        await office.run("dismiss", await office.the_case(), "--note", "honest")
        await office.repeat("C1", date(2026, month, 9))
        await office.look()
    (muted,) = [
        each for each in await office.ask("list", "--all") if each["state"] == "muted"
    ]

    shown = await office.ask("show", muted["alert_id"])

    assert muted["case_id"] is None
    assert shown["alert_list"] == [muted]
    assert {each["settlement_id"] for each in shown["claims"]} == set(
        muted["settlement_ids"]
    )
    assert "in no case" in await office.refused(
        "show", muted["alert_id"], "--html", str(office.folder / "x.html")
    )


@pytest.mark.parametrize(
    ("identity", "sentence"),
    [("0" * 8, "MA-4108"), ("123", "8 to 32 hex digits"), ("xyz01234", "hex digits")],
)
async def test_ids_that_stand_for_nothing_are_one_sentence(
    office: Office, identity: str, sentence: str
) -> None:
    """Unknown, too short, no number."""
    assert sentence in await office.refused("show", identity)
    assert sentence in await office.refused("assign", identity, "--to", "li")


async def test_a_beginning_that_two_ids_share_asks_for_more(office: Office) -> None:
    """Never the first that fits."""
    await office.repeat("C1")
    await office.repeat("C2")
    await office.look()
    await office.rows(
        "WITH c AS (SELECT id, row_number() OVER (ORDER BY id) AS n FROM alert_case),"
        " moved AS (INSERT INTO alert_case SELECT"
        " decode('abcdef00' || lpad(c.n::text, 24, '0'), 'hex'),"
        " decode(lpad(c.n::text, 32, '0'), 'hex'), o.person, o.household,"
        " o.facility_id, 'confirmed', NULL, o.score, o.opened_at, NULL"
        " FROM c JOIN alert_case o ON o.id = c.id RETURNING 1) SELECT 1 FROM moved"
    )

    assert "more digits" in await office.refused("show", "abcdef00")
    assert "abcdef00" in json.dumps(
        await office.ask("show", "abcdef00" + "0" * 23 + "1")
    )


async def test_page_and_picture_need_nothing_from_outside(
    office: Office, tmp_path: Path
) -> None:
    """One file each, with the case's claims in it and no address to load from."""
    await office.repeat("C1")
    await office.settle("C1", facility=2)
    await office.look()
    case = await office.the_case()
    html, svg = tmp_path / "case.html", tmp_path / "case.svg"

    await office.run("show", case, "--html", str(html), "--svg", str(svg))

    page, picture = html.read_text("utf-8"), svg.read_text("utf-8")
    assert picture in page
    for text in (page, picture):
        assert "<script" not in text
        bare = text.replace("http://www.w3.org/2000/svg", "")
        assert "http" not in bare.replace("http-equiv", "")
        assert "url(" not in bare
    assert case in page
    assert "立案 opened" in page
    visits = [
        visit for (visit,) in await office.rows("SELECT visit_no FROM settlement")
    ]
    assert all(visit in page for visit in visits[:2])


async def test_a_replay_waits_until_everything_was_looked_at(office: Office) -> None:
    """Also where nobody watched meanwhile; its progress reaches the whole."""
    for number in range(10):
        await office.repeat(f"C{number:08d}")
    text = io.StringIO()

    count = await all_looked_at(office.database, Console(file=text, width=80))

    listed = await office.ask("list")
    assert count == len(listed) >= 10
    assert "looking for repeats 20 of 20" in text.getvalue()


async def test_a_case_scores_by_its_strongest_alert_and_how_many(
    office: Office,
) -> None:
    """5 more for each further alert that holds; what is withdrawn counts no more."""
    settled = await office.repeat("C1", times=3)
    others = [
        await office.settle("C1", facility=2, service_start=day, service_end=day)
        for day in (date(2026, 1, 5), date(2026, 1, 6))
    ]
    await office.look()
    case = await office.the_case()
    scores: list[tuple[int, list[int]]] = []
    for undone in ([], others, settled[1:]):
        for each in undone:
            facility = 2 if each in others else 1
            await office.house.reverse(
                facility=facility, settlement_id=each, reason="refund"
            )
        await office.look()
        opened = await office.ask("show", case)
        held = [a["score"] for a in opened["alert_list"] if a["state"] == "raised"]
        scores.append((opened["score"], held))

    for score, held in scores:
        assert score == (min(100, max(held) + 5 * (len(held) - 1)) if held else 0)
    assert len(scores[0][1]) > len(scores[1][1]) > len(scores[2][1]) == 0
    assert 0 < scores[1][0] < scores[0][0]
