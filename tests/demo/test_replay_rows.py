"""Rows of a visit file: what each is as a bill, and who is on the roster."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.demo.sandbox import ROSTER_COLUMNS
from gateway.replay.persons import (
    RosterRule,
    card_of,
    facility_code_of,
    household_of,
    level_of,
    roster_rows,
    subdistrict_of,
)
from gateway.replay.visits import (
    OPTIONAL_COLUMNS,
    REQUIRED_COLUMNS,
    VisitFileError,
    VisitRow,
    fen_of,
    read_visits,
)
from settlement.domain.calendar import SHANGHAI

COLUMNS = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)
ROW = dict.fromkeys(OPTIONAL_COLUMNS, "") | {
    "visit_id": "V1",
    "person_ref": "P1",
    "facility_ref": "F1",
    "care_type": "outpatient",
    "start": "2009-03-02",
    "end": "2009-03-02",
    "total_cost": "130.00",
    "insurer_paid": "100.00",
    "other_payer_paid": "0.00",
    "dx_code": "719.55",
    "birth_date": "1930-12-01",
}


def write(folder: Path, *rows: dict[str, str]) -> Path:
    """A file of visits, each row ROW with changes."""
    path = folder / "visits.csv"
    lines = [",".join(COLUMNS)]
    lines += [",".join((ROW | row)[name] for name in COLUMNS) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(folder: Path, **changes: str) -> VisitRow:
    """The one row of a file with these changes."""
    (row,) = read_visits(write(folder, changes))
    return row


def test_amounts_become_cny_fen(tmp_path: Path) -> None:
    """Total cost is total and in policy, insurer's share basic insurance."""
    bill = read(tmp_path, other_payer_paid="12.5").bill

    assert bill["total_fen"] == bill["in_policy_fen"] == 13_000
    assert bill["basic_insurance_fen"] == 10_000
    assert bill["other_funds_fen"] == 1_250
    assert bill["visit_no"] == "V1"
    assert bill["diagnoses"] == ["719.55"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("0.01", 1),
        ("129.1", 12_910),
        ("129.100", 12_910),
        ("-50.00", -5_000),
        ("+1.00", 100),
        ("", ""),
        ("129.165", "129.165"),
        ("1e3", "1e3"),
        ("1,000.00", "1,000.00"),
    ],
)
def test_fen_of_reads_yuan_exactly(text: str, expected: int | str) -> None:
    """No float anywhere; what is no amount in fen is left for the gateway to refuse."""
    assert fen_of(text) == expected


@given(st.integers(-(10**9), 10**9))
def test_fen_of_gives_back_every_amount(fen: int) -> None:
    """Two decimals are fen, for every amount."""
    sign = "-" if fen < 0 else ""

    assert fen_of(f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02}") == fen


def test_instants_are_taken_in_shanghais_calendar(tmp_path: Path) -> None:
    """An evening in UTC is the next day in Shanghai."""
    row = read(tmp_path, start="2009-03-02T19:30:13Z", end="2009-03-02T19:45:13Z")

    assert row.bill["service_start"] == "2009-03-03"
    assert row.bill["service_end"] == "2009-03-03"
    assert row.bill["occurred_at"] == "2009-03-02T19:30:13.000Z"
    assert row.at == datetime(2009, 3, 2, 19, 30, 13, tzinfo=UTC)


def test_days_alone_are_shanghai_days(tmp_path: Path) -> None:
    """A file that knows the day alone is settled on that day."""
    row = read(tmp_path)

    assert row.bill["service_start"] == "2009-03-02"
    assert row.at == datetime(2009, 3, 2, 9, tzinfo=SHANGHAI)


def test_longer_stays_are_settled_when_they_end(tmp_path: Path) -> None:
    """A service date after today is refused, so a stay waits for its last day."""
    row = read(tmp_path, start="2009-03-02", end="2009-03-09")

    assert row.at == datetime(2009, 3, 9, 9, tzinfo=SHANGHAI)
    assert row.bill["occurred_at"] == "2009-03-02T01:00:00.000Z"


def test_end_before_start_is_passed_on(tmp_path: Path) -> None:
    """The gateway, not the reader, refuses what is impossible."""
    row = read(tmp_path, start="2009-03-09", end="2009-03-02")

    assert row.bill["service_end"] == "2009-03-02"
    assert row.at == row.start


def test_no_date_is_passed_on_as_it_stands(tmp_path: Path) -> None:
    """Text that is no date reaches the gateway, which says so."""
    row = read(tmp_path, start="yesterday")

    assert row.bill["service_start"] == "yesterday"
    assert "occurred_at" not in row.bill
    assert row.at is None


def test_operator_and_subdistrict_are_used_where_present(tmp_path: Path) -> None:
    """A file may say who sat at the desk and where the person lives."""
    row = read(tmp_path, operator="clerk-7", subdistrict="310104011")

    assert row.operator == "clerk-7"
    assert subdistrict_of(row.person, row.subdistrict) == "310104011"
    assert read(tmp_path, operator="two words").operator == ""


def test_what_a_file_may_say_besides(tmp_path: Path) -> None:
    """Household, end on the roster, days of a prescription, what was undone."""
    row = read(
        tmp_path,
        household_id="house 7",
        death_date="2009-05-09",
        roster_until="2009-05-01",
        prescription_days="28",
        reversed_at="2009-03-02T10:15:00",
        reversal_reason="mistake",
    )

    assert row.household == "house 7"
    assert row.roster_until == date(2009, 5, 1)
    assert row.bill["prescription_days"] == 28
    assert row.reversed_at == datetime(2009, 3, 2, 10, 15, tzinfo=SHANGHAI)
    assert row.reversal_reason == "mistake"
    (entry,) = roster_rows([row], RosterRule(1_000_000, ["dibao"]))
    assert dict(zip(ROSTER_COLUMNS, entry, strict=True)) | {
        "household_id": household_of("house 7"),
        "valid_from": "2000-01-01",
        "valid_to": "2009-05-01",
    } == dict(zip(ROSTER_COLUMNS, entry, strict=True))


def test_what_a_file_does_not_say_stays_open(tmp_path: Path) -> None:
    """No household, no end, no prescription, nothing undone; no date is none."""
    row = read(tmp_path, death_date="never")

    assert (row.household, row.roster_until, row.reversed_at) == ("", None, None)
    assert row.reversal_reason == "refund"
    assert "prescription_days" not in row.bill
    assert read(tmp_path, prescription_days="many").bill["prescription_days"] == "many"
    (entry,) = roster_rows([row], RosterRule(1_000_000, ["dibao"]))
    blank = dict(zip(ROSTER_COLUMNS, entry, strict=True))
    assert blank["household_id"] == blank["valid_to"] == ""


def test_who_died_before_the_roster_began_is_on_it_for_a_day(tmp_path: Path) -> None:
    """A window that ends before it begins would be refused, and the person unknown."""
    row = read(tmp_path, death_date="1999-05-09")

    (entry,) = roster_rows([row], RosterRule(1_000_000, ["dibao"]))

    assert dict(zip(ROSTER_COLUMNS, entry, strict=True))["valid_to"] == "2000-01-01"


def test_gzip_and_limit(tmp_path: Path) -> None:
    """A compressed file is told by its bytes, and only the first rows are read."""
    plain = write(tmp_path, {"visit_id": "V1"}, {"visit_id": "V2"}, {"visit_id": "V3"})
    packed = tmp_path / "visits.bin"
    packed.write_bytes(gzip.compress(plain.read_bytes()))

    rows = list(read_visits(packed, limit=2))

    assert [row.visit_id for row in rows] == ["V1", "V2"]
    assert [row.key for row in rows] == ["replay-1", "replay-2"]


def test_missing_columns_are_named(tmp_path: Path) -> None:
    """A file of something else is said to be one, with what it lacks."""
    path = tmp_path / "other.csv"
    path.write_text("visit_id,start,end\n", encoding="utf-8")

    with pytest.raises(VisitFileError, match="person_ref, facility_ref, care_type"):
        list(read_visits(path))


@pytest.mark.parametrize("damage", ["cut off", "altered"])
def test_damaged_file_is_one_sentence(tmp_path: Path, damage: str) -> None:
    """A damaged download is named, not traced."""
    plain = write(tmp_path, *({"visit_id": f"V{number}"} for number in range(900)))
    packed = bytearray(gzip.compress(plain.read_bytes()))
    if damage == "cut off":
        del packed[-200:]
    else:
        packed[300:320] = bytes(20)
    path = tmp_path / "visits.csv.gz"
    path.write_bytes(packed)

    with pytest.raises(VisitFileError, match="cannot be read"):
        list(read_visits(path))


def test_eligibility_is_fixed_by_the_id_and_meets_the_share() -> None:
    """The same person is on the roster in every run; the share comes out."""
    rule = RosterRule(600_000, ["dibao", "tekun", "dishouru"])
    found = [rule.category_of(f"P{number}") for number in range(4_000)]

    assert found == [rule.category_of(f"P{number}") for number in range(4_000)]
    assert 2_280 < sum(category is not None for category in found) < 2_520
    assert {category for category in found if category} == set(rule.categories)


def test_a_larger_share_keeps_everybody_who_was_in() -> None:
    """Raising --eligible adds persons and changes nobody's category."""
    fewer, more = RosterRule(300_000, ["a", "b"]), RosterRule(700_000, ["a", "b"])

    for number in range(500):
        category = fewer.category_of(f"P{number}")
        if category is not None:
            assert more.category_of(f"P{number}") == category


def test_nobody_and_everybody() -> None:
    """The ends of the share mean what they say."""
    nobody, everybody = RosterRule(0, ["a"]), RosterRule(1_000_000, ["a"])

    assert {nobody.category_of(f"P{n}") for n in range(500)} == {None}
    assert {everybody.category_of(f"P{n}") for n in range(500)} == {"a"}


def test_made_numbers_have_their_form(tmp_path: Path) -> None:
    """Cards, codes and levels are what the gateway takes."""
    (roster_row,) = roster_rows([read(tmp_path)], RosterRule(1_000_000, ["dibao"]))

    assert card_of("P1").isalnum()
    assert len(card_of("P1")) == 18
    assert len(facility_code_of("F1")) <= 32
    assert {level_of(f"F{number}") for number in range(50)} == {1, 2, 3}
    assert roster_row[2].startswith("99")
    assert date.fromisoformat(f"{roster_row[2][6:10]}-12-01") == date(1930, 12, 1)


def test_persons_with_one_birth_date_have_different_numbers(tmp_path: Path) -> None:
    """Thousands born on one day still are thousands on the roster."""
    rows = write(tmp_path, *({"person_ref": f"P{n}"} for n in range(6_000)))

    made = list(roster_rows(read_visits(rows), RosterRule(1_000_000, ["dibao"])))

    assert len({row[2] for row in made}) == len({row[1] for row in made}) == 6_000


def test_the_real_file_is_read(shared_data: Path) -> None:
    """Every row of the third-party file becomes a bill with amounts in fen."""
    rows = list(read_visits(shared_data / "visits_dev.csv.gz", limit=5_000))

    assert len(rows) == 5_000
    assert all(isinstance(row.bill["total_fen"], int) for row in rows)
    assert all(row.at is not None for row in rows)
