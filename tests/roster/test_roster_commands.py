"""`medaid roster`: a bureau's drill, and one clear sentence where it fails."""

import asyncio
import csv
import gzip
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner, Result

from eligibility_cache.generation import (
    AS_OF,
    HEADER,
    SUBDISTRICTS,
    RosterGenerator,
)
from eligibility_cache.roster_file import RosterFile
from gateway.cli.main import main
from settlement.domain.roster import RefusedRow
from tests.roster.bureau import CATEGORIES, TOKENIZER

SPELLINGS = {"dibao": ["低保", "农村低保"], "tekun": ["特困"], "dishouru": ["低收入"]}


def run(*arguments: str | Path) -> Result:
    """Run the program."""
    return CliRunner().invoke(main, [str(each) for each in arguments])


class Desk:
    """A data folder with its database, and the files of a drill."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self.data_dir = folder / "var"
        self.drill = folder / "drill"
        self.place = ["--data-dir", str(self.data_dir), "--dsn", dsn]
        self.dsn = dsn
        assert run("init", "--sandbox", *self.place).exit_code == 0

    def roster(self, *arguments: str | Path) -> Result:
        """Run a roster command here."""
        return run("roster", *arguments, *self.place)

    def document(self, *arguments: str | Path) -> Any:
        """Run a roster command here that succeeds, and read its JSON."""
        result = self.roster(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def signed(self, *options: str, version: int = 1, kind: str = "full") -> Path:
        """Sign the drill's file; return its manifest."""
        manifest = self.drill / "manifest.json"
        result = run(
            "roster", "sign", self.drill / "roster.csv", "--kind", kind,
            "--version", str(version), "--out", manifest,
            "--key", self.data_dir / "bureau" / "roster-key.json", *options,
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        return manifest

    def write(self, *lines: str) -> None:
        """Write a small file."""
        self.drill.mkdir()
        path = self.drill / "roster.csv"
        path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")

    def generate(self, persons: int, *options: str) -> Result:
        """Make a file up."""
        return run("roster", "generate", "--persons", str(persons), "--out", self.drill,
                   *options)  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path, database_dsn: str) -> Desk:
    """Give a sandbox in which nothing was imported."""
    return Desk(tmp_path, database_dsn)


def test_drill_from_made_up_file_to_verified_cache(desk: Desk) -> None:
    """generate, sign, import, status and verify work one after the other."""
    assert "no roster" in desk.roster("status").output
    assert desk.generate(400, "--seed", "3").exit_code == 0
    imported = desk.document("import", desk.signed())
    compared = desk.document("verify")
    status = desk.document("status")

    assert (imported["version"], imported["refused"]) == (1, 0)
    assert imported["persons_changed"] == 400
    assert imported["refused_rows"] == []
    assert compared["agrees"]
    assert compared["persons"]["equal"] == 400
    assert status["roster"]["persons"] == 400
    assert status["cache"]["version"] == 1
    assert sum(status["categories_today"].values()) > 0
    assert "this machine's cache: version 1" in desk.roster("status").output


def test_refused_rows_are_listed_without_their_values(desk: Desk) -> None:
    """Line, column and reason in both languages; nothing of the row itself."""
    desk.write(
        "upsert,F1,990101193001080001,虚构,H1,低保,990100001,2026-01-01,,",
        "upsert,F00002,990101193001080009,虚构,H1,低保,990100001,2026-01-01,,",
    )
    manifest = desk.signed()
    refused = desk.roster("import", manifest, "--json")
    listed = json.loads(refused.stdout)["refused"]
    shown = desk.roster("import", manifest)
    taken = desk.roster("import", manifest, "--max-refused", "1")

    assert refused.exit_code == 1
    assert listed["code"] == "MA-6106"
    assert [(each["line"], each["column"], each["reason"]["code"])
            for each in listed["rows"]] == [
        (2, "card_number", "MA-6207"), (3, "id_number", "MA-6206"),
    ]  # fmt: skip
    assert "line 3, column id_number: MA-6206" in shown.stderr
    assert taken.exit_code == 0
    assert "2 refused" in taken.stdout
    for output in (refused.output, shown.output, taken.output):
        assert "990101193001080009" not in output
        assert "F00002" not in output


def test_gbk_and_refused_rows_from_the_command_line(desk: Desk) -> None:
    """A GBK file is said to be one, read when declared, its refused rows in a CSV."""
    desk.write(
        "upsert,F00001,990101193001080009,虚构,H1,低保,990100001,2026-01-01,,",
        "upsert,F00002,990101193001020009,虚构,H1,低保,990100001,2026-01-01,,",
    )
    path = desk.drill / "roster.csv"
    path.write_bytes(path.read_text(encoding="utf-8").encode("gbk"))
    listing = desk.drill / "refused.csv"
    manifest = desk.signed()
    (desk.data_dir / "subdistricts.txt").write_text("990100001\n")

    said = desk.roster("import", manifest)
    unknown = desk.roster("import", manifest, "--encoding", "big5")
    full = desk.roster("import", manifest, "--encoding", "gbk", "--refused",
                       desk.drill / "missing" / "refused.csv")  # fmt: skip
    taken = desk.roster("import", manifest, "--encoding", "gbk", "--max-refused", "0.5",
                        "--refused", listing)  # fmt: skip

    assert said.exit_code == 1
    assert "MA-6113" in said.output
    assert "--encoding gb18030" in said.output
    assert unknown.exit_code == 2
    assert "cannot be written" in full.output
    assert taken.exit_code == 0, taken.output
    lines = listing.read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "line,column,value_class,reason,taken,zh,en"
    assert [line.rsplit(",", 2)[0] for line in lines[1:]] == [
        "2,id_number,digits:18,MA-6206,no"
    ]


def test_list_of_subdistricts_that_is_none_ends_the_import(desk: Desk) -> None:
    """A wrong list is a fault to mend, not a reason to know every code."""
    desk.generate(3)
    manifest = desk.signed()
    (desk.data_dir / "subdistricts.txt").write_text("district one\n")
    result = desk.roster("import", manifest)

    assert result.exit_code == 1
    assert "line 1 " in result.output


def test_second_import_of_a_file_fails_with_one_sentence(desk: Desk) -> None:
    """The same file again ends non-zero and says that it is in already."""
    desk.generate(5)
    manifest = desk.signed()
    assert desk.roster("import", manifest).exit_code == 0
    again = desk.roster("import", manifest)

    assert again.exit_code == 1
    assert "MA-6110" in again.stderr
    assert "Traceback" not in again.output


def test_delta_rests_on_the_version_before_unless_told(desk: Desk) -> None:
    """`sign --kind delta` names version - 1; another one is said with an option."""
    desk.generate(5)
    assert desk.roster("import", desk.signed(version=3)).exit_code == 0
    wrong = desk.roster("import", desk.signed(version=9, kind="delta"))
    right = desk.roster(
        "import",
        desk.signed("--previous-version", "3", version=9, kind="delta"),
    )

    assert "MA-6108" in wrong.stderr
    assert right.exit_code == 0, right.output


def test_verify_fails_where_cache_and_table_differ(desk: Desk) -> None:
    """A row changed behind the feed's back is found, and the command fails."""
    desk.generate(20)
    desk.roster("import", desk.signed())
    assert desk.roster("verify").exit_code == 0

    async def tamper() -> None:
        connection = await asyncpg.connect(desk.dsn)
        await connection.execute("UPDATE roster_window SET subdistrict = '990100099'"
                                 " WHERE person = (SELECT min(person::text)::bytea"
                                 " FROM roster_window)")  # fmt: skip
        await connection.close()

    asyncio.run(tamper())
    result = desk.roster("verify")

    assert result.exit_code == 1
    assert "1 different" in result.stdout
    assert "differs from the roster" in result.stderr


def test_sign_refuses_what_could_not_be_imported(desk: Desk, tmp_path: Path) -> None:
    """Manifest elsewhere, a full file with a predecessor, another kind of key."""
    desk.generate(1)
    data, key = desk.drill / "roster.csv", desk.data_dir / "bureau/roster-key.json"
    common: list[str | Path] = ["roster", "sign", data]
    common += ["--kind", "full", "--version", "1"]
    results = [
        run(*common, "--key", key, "--out", tmp_path / "manifest.json"),
        run(*common, "--key", key, "--out", data),
        run(*common, "--key", key, "--out", desk.drill / "m.json",
            "--previous-version", "1"),
        run(*common, "--key", desk.data_dir / "keys/record-sign.json",
            "--out", desk.drill / "m.json"),
        run(*common, "--key", key, "--out", desk.drill / "m.json",
            "--as-of", "yesterday"),
    ]  # fmt: skip

    assert [each.exit_code for each in results] == [1] * 5
    assert all(each.stderr.startswith("Error: ") for each in results)
    assert not (desk.drill / "m.json").exists()


def test_import_without_a_gateway_says_what_to_do(
    tmp_path: Path, data_dir: Path
) -> None:
    """Where init has not been run, the sentence says so."""
    result = run("roster", "import", tmp_path / "m.json", "--data-dir", data_dir)

    assert result.exit_code == 1
    assert "medaid init" in result.stderr


@pytest.mark.parametrize("command", ["import", "status", "verify", "sign", "generate"])
def test_every_command_helps_with_an_example(command: str) -> None:
    """`--help` shows how the command is called."""
    result = run("roster", command, "--help")

    assert result.exit_code == 0
    assert f"Example: medaid roster {command}" in result.output


def test_same_seed_makes_the_same_file(tmp_path: Path) -> None:
    """The file depends on the seed alone, also in gzip."""
    made = []
    for name, options in (("a", ()), ("b", ()), ("c", ("--gzip",)), ("d", ("--gzip",)),
                          ("e", ("--seed", "2"))):  # fmt: skip
        result = run("roster", "generate", "--persons", "200", "--out", tmp_path / name,
                     *options)  # fmt: skip
        assert result.exit_code == 0
        [path] = (tmp_path / name).iterdir()
        made.append(path.read_bytes())

    assert made[0] == made[1] == gzip.decompress(made[2])
    assert made[2] == made[3]
    assert made[0] != made[4]


def test_made_up_roster_has_everything_a_drill_needs(tmp_path: Path) -> None:
    """Households, sub-districts, all categories, past and future; nobody refused."""
    path = tmp_path / "roster.csv"
    assert (
        run("roster", "generate", "--persons", "2000", "--out", tmp_path).exit_code == 0
    )
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))

    assert len({line["id_number"] for line in lines}) == 2000
    assert len({line["card_number"] for line in lines}) == 2000
    assert all(line["id_number"].startswith("9901") for line in lines)
    assert len({line["subdistrict"] for line in lines}) == SUBDISTRICTS
    members = Counter(
        {line["id_number"]: line["household_id"] for line in lines}.values()
    )
    assert {1, 2, 3, 4} == set(members.values())
    ends = [line["valid_to"] for line in lines if line["valid_to"]]
    assert any(date.fromisoformat(end) < AS_OF for end in ends)
    assert any(date.fromisoformat(end) > AS_OF for end in ends)
    assert any(date.fromisoformat(line["valid_from"]) > AS_OF for line in lines)
    assert len(lines) > 2000


def test_generated_lines_are_all_taken(tmp_path: Path) -> None:
    """The reader refuses none of them, and finds every category."""
    path = tmp_path / "roster.csv"
    generator = RosterGenerator(SPELLINGS, seed=5)
    path.write_text("\n".join([HEADER, *generator.lines(500)]), encoding="utf-8")
    rows = list(RosterFile(path).rows(TOKENIZER, CATEGORIES))

    assert not [row for row in rows if isinstance(row, RefusedRow)]
    found = {each.category for row in rows if isinstance(row, tuple) for each in row}
    assert found == set(SPELLINGS)
    assert list(generator.lines(500)) == list(generator.lines(500))
