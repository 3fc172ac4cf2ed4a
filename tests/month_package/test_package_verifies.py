import csv
import io
import json
import stat
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from python_calamine import CalamineWorkbook

from crypto.key_files import private_key_file
from crypto.trust import Trust, trust_file
from gateway.cli.verify import verify
from gateway.month_package import layout
from settlement.domain.month_lines import STAFF_COLUMNS
from settlement.store.database import Database
from tests.month_package.packages import (
    TwoMonths,
    bureau_of,
    close,
    package,
    parts_of,
    told,
)
from tests.reconcile.months import Months, open_months


@pytest.fixture
async def months(database: Database, tmp_path: Path) -> AsyncIterator[Months]:
    """Give an empty gateway with two hospitals."""
    async with open_months(database, tmp_path / "var") as made:
        yield made


def run(made: TwoMonths, tmp_path: Path, path: Path, *more: str) -> Result:
    """`medaid verify PATH` with trust file and key."""
    (tmp_path / "trust.json").write_bytes(trust_file(made.bureau.trust))
    key = tmp_path / "bureau.json"
    key.touch(mode=0o600)
    key.write_bytes(private_key_file(made.bureau.opening))
    trust = str(tmp_path / "trust.json")
    return CliRunner().invoke(verify, [str(path), "--trust", trust, *more])


def staff_rows(path: Path) -> list[dict[str, str]]:
    """The lines of `statement.csv`."""
    text = parts_of(path)[layout.STAFF_CSV].decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_month_is_flat_with_and_without_the_key(two_months: TwoMonths) -> None:
    """Everything is opened and decided once more, or it is said what was not."""
    january = two_months.january
    with_key = two_months.bureau.check(january)

    assert told(with_key) == []
    assert (with_key.records, with_key.opened, with_key.tombstones) == (6, 6, 1)
    assert ["--policy" in each for each in with_key.unchecked] == [True]
    without = two_months.bureau.check(january, with_key=False)
    assert told(without) == []
    assert (without.records, without.opened) == (6, 0)
    assert any("--bureau-key" in each for each in without.unchecked)


def test_months_follow_each_other_across_midnight(two_months: TwoMonths) -> None:
    """Deferred, late, and taken back after the close: each in one package, once."""
    bureau, january = two_months.bureau, two_months.january
    outcome = bureau.check(two_months.february, previous=january)

    assert told(outcome) == []
    assert ["--policy" in each for each in outcome.unchecked] == [True]
    first, second = (
        json.loads(parts_of(path)[layout.STATEMENT])
        for path in (january, two_months.february)
    )
    assert first["deferred"] == second["from_earlier"] == [[6, 6]]
    assert second["deferred"] == []
    late = [row for row in staff_rows(two_months.february) if row["补入"]]
    assert [row["结算日期"] for row in late] == ["2026-01-31"]
    assert second["ledger"]["late"]["count"] == 1
    alone = bureau.check(two_months.february)
    assert told(alone) == []
    assert any("--previous" in each for each in alone.unchecked)


def test_another_earlier_package_is_found(
    two_months: TwoMonths, alone: TwoMonths
) -> None:
    """A month follows one package only, and the first one none."""
    bureau = two_months.bureau
    wrong = bureau.check(two_months.february, previous=two_months.february)
    none = bureau.check(two_months.january, previous=two_months.february)
    foreign = bureau.check(two_months.february, previous=alone.january)

    assert ("previous", "it is not the one that this package follows") in told(wrong)
    assert "does not name the earlier" in told(none)[0][1]
    assert [where for where, _ in told(foreign)] == ["previous"]


def test_lists_say_what_staff_want(two_months: TwoMonths) -> None:
    """A reversal is negative, districts have their sheets, no person is named."""
    parts = parts_of(two_months.january)
    rows = staff_rows(two_months.january)

    assert list(rows[0]) == list(STAFF_COLUMNS)
    assert len(rows) == 5
    taken_back = next(row for row in rows if row["冲正结算id"])
    undone = next(row for row in rows if row["结算id"] == taken_back["冲正结算id"])
    assert taken_back["医疗救助"] == "-" + undone["医疗救助"]
    assert {row["身份证号"] + row["姓名"] + row["病种编码"] for row in rows} == {""}
    assert {row["救助身份"] for row in rows} == {"最低生活保障对象"}
    book = CalamineWorkbook.from_filelike(io.BytesIO(parts[layout.STAFF_XLSX]))
    assert book.sheet_names == ["区内明细", "跨区明细", "汇总"]
    sheets = [book.get_sheet_by_name(name).to_python() for name in book.sheet_names]
    assert [len(sheet) for sheet in sheets[:2]] == [5, 2]
    amounts = [row[STAFF_COLUMNS.index("费用总额")] for row in sheets[0][1:]]
    assert amounts == [250.0, 250.0, -250.0, 250.0]
    payments = parts[layout.PAYMENTS].decode("utf-8-sig").splitlines()
    statement = json.loads(parts[layout.STATEMENT])
    assert payments[-1].endswith(str(statement["payment_total_fen"]))
    assert len(payments) == 4


def test_any_zip_program_opens_it(two_months: TwoMonths) -> None:
    """The container is an ordinary zip."""
    with zipfile.ZipFile(two_months.january) as found:
        assert found.testzip() is None
        assert found.namelist()[0] == layout.RECORDS
        assert found.read(layout.MANIFEST).startswith(b"medaid month package v1\n")


def test_many_processes_find_the_same(two_months: TwoMonths) -> None:
    """What one process says of a stretch, several say together."""
    one = two_months.bureau.check(two_months.february)
    several = two_months.bureau.check(two_months.february, cores=2)

    assert several.tally.total().document() == one.tally.total().document()
    assert told(several) == told(one) == []


def test_the_command_prints_flat_and_details(
    two_months: TwoMonths, tmp_path: Path
) -> None:
    """One line that says flat; the staff's list is for its owner alone."""
    for name in ("staff.csv", "staff.xlsx"):
        listed = tmp_path / name
        result = run(
            two_months, tmp_path, two_months.january,
            "--bureau-key", str(tmp_path / "bureau.json"), "--details", str(listed),
        )  # fmt: skip

        assert result.exit_code == 0, result.output
        assert "平 flat: 2026-01, 6 records of 2 hospitals" in result.output
        assert stat.S_IMODE(listed.stat().st_mode) == 0o600
        assert list(tmp_path.glob(".staff*")) == []
    document = json.loads(
        run(two_months, tmp_path, two_months.january, "--json").stdout
    )
    assert document["ok"]
    assert document["kind"] == "month-package"
    missing = run(two_months, tmp_path, two_months.january, "--details", "x.csv")
    assert "--bureau-key" in missing.output
    assert missing.exit_code == 1


def test_only_trusted_officers_count(two_months: TwoMonths) -> None:
    """Keys of officers come from the trust file; without them it is said."""
    bureau = two_months.bureau
    log_keys = [key for key in bureau.trust.keys if key.name is None]
    one = [key for key in bureau.trust.keys if key.name in {None, "li"}]
    for keys, finding, is_said in ((log_keys, False, True), (one, True, False)):
        changed = type(bureau)(
            Trust(bureau.trust.origin, keys),
            bureau.opening,
            bureau.signer,
            bureau.record_signer,
        )
        outcome = changed.check(two_months.january, with_key=False)
        assert bool(outcome.findings) is finding
        assert any("officer" in each for each in outcome.unchecked) is is_said


async def test_a_month_that_is_not_closed_has_no_package(
    months: Months, tmp_path: Path
) -> None:
    """The hospitals that have not closed are named."""
    await months.settle()
    await months.settle(facility=2)
    bureau, out = bureau_of(months), tmp_path / "m.zip"
    with pytest.raises(Exception, match="not opened"):
        await package(months.database, bureau.signer, out)
    await months.open()
    await months.match(code="H001")
    await months.close(code="H001")
    with pytest.raises(Exception, match="not closed by H002"):
        await package(months.database, bureau.signer, out)

    assert list(tmp_path.glob("*.zip")) == []


async def test_the_same_books_give_the_same_bytes(
    months: Months, tmp_path: Path
) -> None:
    """Also after a hospital was renamed, and while later months go on."""
    await months.settle()
    await close(months)
    bureau = bureau_of(months)
    first = await package(months.database, bureau.signer, tmp_path / "1.zip")
    async with months.database.pool.acquire() as session:
        await session.execute("UPDATE party SET name = '=cmd()' || name")
    await months.settle()
    second = await package(months.database, bureau.signer, tmp_path / "2.zip")

    assert (first.is_first, second.is_first) == (True, False)
    assert first.sha256 == second.sha256
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    assert stat.S_IMODE((tmp_path / "1.zip").stat().st_mode) == 0o600


async def test_a_package_that_would_differ_is_not_put_in_place(
    months: Months, tmp_path: Path
) -> None:
    """Somebody changed the tables behind a package that was given out."""
    await months.settle()
    await close(months)
    bureau = bureau_of(months)
    await package(months.database, bureau.signer, tmp_path / "1.zip")
    async with months.database.pool.acquire() as session:
        await session.execute("UPDATE settlement SET category = 'tekun'")

    with pytest.raises(Exception, match="differ from the one made first"):
        await package(months.database, bureau.signer, tmp_path / "2.zip")
    assert not (tmp_path / "2.zip").exists()
