"""`medaid replay` end to end: a real gateway, a small file with every kind of row."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.replay.persons import RosterRule, level_of, subdistrict_of
from gateway.replay.visits import (
    OPTIONAL_COLUMNS,
    REQUIRED_COLUMNS,
    VisitRow,
    read_visits,
)
from gateway.wire import parse_bill
from settlement import policies
from settlement.domain.decision import AccumulatorKey
from settlement.domain.policy import compile_pack

COLUMNS = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)
PACK = compile_pack(policies.read("demo-district.yaml"))
RULE = RosterRule(600_000, [category.id for category in PACK.document.categories])
PERSONS = [f"P{number:03d}" for number in range(40)]


def visit(number: int, person: str, **changes: str) -> dict[str, str]:
    """One sound row: the insurer paid half of an amount that grows."""
    total = 4_000 + 731 * number
    return {
        "visit_id": f"V{number:05d}",
        "person_ref": person,
        "facility_ref": f"F{number % 7}",
        "care_type": "outpatient",
        "start": f"2009-{1 + number % 12:02d}-{1 + number % 28:02d}",
        "end": f"2009-{1 + number % 12:02d}-{1 + number % 28:02d}",
        "total_cost": f"{total // 100}.{total % 100:02}",
        "insurer_paid": f"{total // 200}.00",
        "other_payer_paid": "0.00",
        "dx_code": "719.55",
        "birth_date": "1950-01-01",
        "operator": "clerk-1" if number % 2 else "",
        "subdistrict": "990104003" if number % 3 else "",
    } | changes


def file_of_visits(folder: Path) -> Path:
    """Sound visits of 40 persons, stays that run into caps, and dirty rows."""
    rows = [visit(n, PERSONS[n % len(PERSONS)]) for n in range(200)]
    rows += [
        visit(
            200 + n,
            PERSONS[n % len(PERSONS)],
            care_type="inpatient",
            start=f"2009-06-{1 + n % 14:02d}",
            end=f"2009-06-{15 + n % 14:02d}",
            total_cost="90000.00",
            insurer_paid="20000.00",
        )
        for n in range(80)
    ]
    rows += [
        visit(900, "P000", insurer_paid="-50.00"),
        visit(901, "P001", total_cost="0.00", insurer_paid="0.00"),
        visit(902, "P002", insurer_paid="9999.00"),
        visit(903, "P003", start="2009-05-09", end="2009-05-02"),
        visit(904, "P004", total_cost="twelve"),
        visit(905, "P005", start="last week"),
        visit(17, PERSONS[17]),
    ]
    return written(folder, rows)


def written(folder: Path, rows: list[dict[str, str]]) -> Path:
    """A file of these rows."""
    path = folder / "visits.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def replay(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a person would."""
    command = [sys.executable, "-m", "gateway.cli.main", "replay", *arguments]
    return subprocess.run(
        [*command, "--data-dir", str(data_dir)],
        capture_output=True,
        check=False,
        timeout=110,
    )


def alerts_of(data_dir: Path) -> bytes:
    """What `medaid alerts list --json` says right after."""
    command = [sys.executable, "-m", "gateway.cli.main", "alerts", "list", "--json"]
    return subprocess.run(
        [*command, "--data-dir", str(data_dir)],
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout


def expected_aid_fen(rows: list[VisitRow]) -> int:
    """What the pure core makes of the sound rows, each person's in order of start."""
    used: defaultdict[str, dict[AccumulatorKey, int]] = defaultdict(dict)
    aid_fen = 0
    for row in sorted(rows, key=lambda row: (row.start or row.at, row.line)):
        category = RULE.category_of(row.person)
        if category is None:
            continue
        card = {"kind": "social_security_card", "number": "R00000000"}
        bill = parse_bill(orjson.dumps({"card": card, **row.bill}))
        result = PACK.adjudicate(
            bill, (category,), used[row.person], level_of(row.facility)
        )
        for posting in result.postings:
            before = used[row.person].get(posting.key, 0)
            used[row.person][posting.key] = before + posting.amount_fen
        aid_fen += result.aid_fen
    return aid_fen


def test_a_file_with_every_kind_of_row(tmp_path: Path, data_dir: Path) -> None:
    """Settled, declined and refused are counted by the gateway's own codes."""
    path = file_of_visits(tmp_path)
    eligible = {person for person in PERSONS if RULE.category_of(person)}
    rows = list(read_visits(path))
    sound = [row for row in rows if row.line <= 280]

    done = replay(data_dir, str(path), "--json", "--concurrency", "16")

    assert done.returncode == 0, done.stderr.decode()
    document: dict[str, Any] = orjson.loads(done.stdout)
    seconds = document.pop("seconds")
    assert seconds > 0
    listed = orjson.loads(alerts_of(data_dir))
    assert document.pop("alerts") == len(listed)
    is_repeat_eligible = PERSONS[17] in eligible
    settled = sum(row.person in eligible for row in sound)
    declined = {"MA-2101": len(sound) - settled + (not is_repeat_eligible)}
    if is_repeat_eligible:
        declined["MA-2202"] = 1
    assert document == {
        "visits": len(rows),
        "settled": settled,
        "reversed": 0,
        "declined": declined,
        "refused": {
            "MA-1102": 2,
            "MA-1110": 1,
            "MA-1111": 1,
            "MA-1114": 1,
            "MA-1116": 1,
        },
        "aid_fen": expected_aid_fen(sound),
        "check_books": "ok",
    }


def test_limit_and_everybody_eligible(tmp_path: Path, data_dir: Path) -> None:
    """Only the first rows, and nobody declined for want of a roster entry."""
    path = file_of_visits(tmp_path)

    done = replay(data_dir, str(path), "--limit", "30", "--eligible", "1")

    assert done.returncode == 0, done.stderr.decode()
    printed = done.stdout.decode()
    assert "check-books: every invariant holds" in printed
    assert "MA-2101" not in printed


def test_file_of_something_else_is_refused(tmp_path: Path, data_dir: Path) -> None:
    """One clear sentence, no traceback, status not 0."""
    path = tmp_path / "persons.csv"
    path.write_text("person_ref,name\nP1,Somebody\n", encoding="utf-8")

    done = replay(data_dir, str(path))

    assert done.returncode == 1
    assert b"lacks the columns visit_id" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_third_party_file(shared_data: Path, data_dir: Path) -> None:
    """Every row of the file is settled, declined or refused; the books are clean."""
    path = shared_data / "visits_dev.csv.gz"
    command = [sys.executable, "-m", "gateway.cli.main", "replay", str(path), "--json"]
    done = subprocess.run(
        [*command, "--data-dir", str(data_dir)],
        capture_output=True,
        check=False,
        timeout=880,
    )

    assert done.returncode == 0, done.stderr.decode()
    document = orjson.loads(done.stdout)
    counted = (
        document["settled"]
        + sum(document["declined"].values())
        + sum(document["refused"].values())
    )
    assert document["visits"] == counted == 104_676
    assert document["refused"] == {"MA-1110": 22, "MA-1116": 909}
    assert document["check_books"] == "ok"


def test_every_repeat_of_the_file_is_listed_right_after(
    tmp_path: Path, data_dir: Path
) -> None:
    """Nothing is left to be looked at, and each alert names the file's own visits."""
    rows = [
        visit(number * 2, f"P{number:03d}", visit_id=f"V{number:03d}{copy}")
        for number in range(30)
        for copy in ("A", "B")
    ]
    path = written(tmp_path, rows)

    done = replay(data_dir, str(path), "--json", "--eligible", "1")

    assert done.returncode == 0, done.stderr.decode()
    listed = orjson.loads(alerts_of(data_dir))
    assert orjson.loads(done.stdout)["alerts"] == len(listed)
    found = {
        tuple(sorted(each["visit_nos"]))
        for each in listed
        if each["detector"] == "exact-repeat"
    }
    assert found == {(f"V{number:03d}A", f"V{number:03d}B") for number in range(30)}


def at(number: int, person: str, moment: str, **changes: str) -> dict[str, str]:
    """A visit at a known minute."""
    return visit(number, person, start=moment, end=moment, **changes)


def a_town(month: str) -> list[dict[str, str]]:
    """Six hospitals of one month, the last of which claims everybody once more."""
    rows = []
    for hospital in range(6):
        for person in range(60):
            day = f"{month}-{1 + person % 25:02d}"
            number = 1000 * (hospital + 1) + person
            named = {"facility_ref": f"TOWN{hospital}", "start": day, "end": day}
            rows.append(visit(number, f"T{hospital}-{person}", **named))
            if hospital == 5 and person < 40:
                again = f"{month}-{3 + person % 25:02d}"
                named |= {"start": again, "end": again, "dx_code": ""}
                rows.append(visit(number + 500, f"T{hospital}-{person}", **named))
    return rows


def test_every_kind_that_a_file_can_say_is_found(
    tmp_path: Path, data_dir: Path
) -> None:
    """Households, ends, reversals, places and whole months, not only bills."""
    near, far = "990104001", "990104009"
    assert subdistrict_of("FA") != subdistrict_of("FC")
    rows = a_town("2009-03")
    rows += [
        at(10 * day + member, f"H{member}", f"2009-05-{day:02d}T10:0{member}:30",
           facility_ref="FH", household_id="house 1")
        for day in (1, 8, 15, 22) for member in (1, 2)
    ]  # fmt: skip
    rows += [
        visit(500 + n, "DEAD", start=f"2009-0{n}-05", end=f"2009-0{n}-05",
              death_date="2009-05-30")
        for n in (5, 6)
    ]  # fmt: skip
    rows += [
        at(600 + n, "LOOP", f"2009-06-0{n}T10:00:30",
           reversed_at=f"2009-06-0{n}T10:20:00", facility_ref="FL")
        for n in (1, 2, 3)
    ]  # fmt: skip
    rows += [
        at(700 + n, "FAST", f"2009-07-01T10:{12 * n:02d}:30", facility_ref=facility,
           subdistrict=place, dx_code="")
        for n, (facility, place) in enumerate([("FA", near), ("FB", far)])
    ]  # fmt: skip
    rows += [
        at(710 + n, "NEAR", f"2009-08-01T10:{12 * n:02d}:30", facility_ref=facility,
           subdistrict=near, dx_code="")
        for n, facility in enumerate(["FA", "FC"])
    ]  # fmt: skip

    done = replay(data_dir, str(written(tmp_path, rows)), "--json", "--eligible", "1")

    assert done.returncode == 0, done.stderr.decode()
    document = orjson.loads(done.stdout)
    assert (document["reversed"], document["declined"]) == (3, {"MA-2102": 1})
    found: defaultdict[str, set[str]] = defaultdict(set)
    for alert in orjson.loads(alerts_of(data_dir)):
        found[alert["detector"]].update(alert["visit_nos"])
    assert len(found["household-lockstep"]) == 8
    assert found["ended-card"] == {"V00506"}
    assert found["reversal-loop"] == {"V00601", "V00602", "V00603"}
    assert found["impossible-travel"] == {"V00700", "V00701"}
    again = {f"V{6500 + person:05d}" for person in range(40)}
    assert found["facility-outlier"] == again
    assert found["operator-outlier"] <= again
