"""What rosters from the field contain: handled, and named where it cannot be taken."""

import csv
import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from eligibility_cache.roster_file import RosterFile, count_rows, is_gbk
from eligibility_cache.subdistricts import SubdistrictsFault, read_subdistricts
from eligibility_cache.text_encoding import GB18030, encoding_named
from eligibility_cache.value_class import value_class
from settlement.domain.reasons import reason
from settlement.domain.roster import RefusedRow, RosterRefusedError
from settlement.service.roster import (
    ImportRules,
    ListingError,
    RosterImported,
    import_roster,
)
from settlement.service.roster_listing import refused_csv
from settlement.store import roster_import
from tests.roster.bureau import (
    CATEGORIES,
    NOW,
    TOKENIZER,
    TRUST,
    Bureau,
    card_number,
    id_number,
    person_token,
    row,
)
from tests.roster.test_roster_file import read, text_of


async def take(
    bureau: Bureau, manifest: Path, listing: Path, ppm: int = 1_000_000
) -> RosterImported:
    """Take a file in, its refused rows listed as CSV."""
    rules = ImportRules(
        trust=TRUST,
        tokenizer=TOKENIZER,
        categories=CATEGORIES,
        now=NOW,
        max_refused_ppm=ppm,
    )
    with refused_csv(listing) as csv_file:
        return await import_roster(bureau.database, manifest, rules, listing=csv_file)


async def take_first(
    bureau: Bureau, rows: Sequence[Mapping[str, str]], listing: Path
) -> RosterImported:
    """Take rows in as the first full file, however many are refused."""
    bureau.version = 1
    manifest = bureau.sign(bureau.write(rows), "full", len(rows))
    return await take(bureau, manifest, listing)


def listed(path: Path) -> list[tuple[str, ...]]:
    """Return line, column, value class, reason and taken of each line of the CSV."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [tuple(each.values())[:5] for each in csv.DictReader(file)]


@pytest.mark.parametrize("compressed", [False, True])
def test_gbk_is_detected_and_said(tmp_path: Path, *, compressed: bool) -> None:
    """A file in GBK is neither guessed nor read as other characters."""
    path = tmp_path / "roster.csv"
    content = text_of(row(1), row(2)).encode("gbk")
    content = gzip.compress(content) if compressed else content

    with pytest.raises(RosterRefusedError) as refused:
        read(path, content)

    assert refused.value.reason == "MA-6113"
    assert "GBK" in refused.value.detail
    assert is_gbk(path)
    assert count_rows(path) == 2


@pytest.mark.parametrize("compressed", [False, True])
def test_gbk_is_read_when_declared(tmp_path: Path, *, compressed: bool) -> None:
    """Declared, it says the same as in UTF-8, names of rare characters included."""
    path = tmp_path / "roster.csv"
    rows = [row(1, name="张㐂"), row(2, category="低保，特困")]
    plain = read(path, text_of(*rows))
    content = text_of(*rows).encode("gb18030")
    path.write_bytes(gzip.compress(content) if compressed else content)

    assert list(RosterFile(path, GB18030).rows(TOKENIZER, CATEGORIES)) == plain
    assert len(plain) == 2


def test_utf8_declared_as_gbk_is_said(tmp_path: Path) -> None:
    """The mark of UTF-8 contradicts the declaration."""
    path = tmp_path / "roster.csv"
    path.write_bytes(text_of(row(1)).encode("utf-8-sig"))

    with pytest.raises(RosterRefusedError, match="MA-6113"):
        list(RosterFile(path, GB18030).rows(TOKENIZER, CATEGORIES))
    assert not is_gbk(path)


def test_encodings_have_several_names() -> None:
    """GBK and GB 2312 are parts of GB18030; nothing else is read."""
    names = ["GBK", "gb2312", "CP936", '"GB18030"', "UTF8", " utf-8 ", "big5", ""]

    assert [encoding_named(name) for name in names] == [
        GB18030, GB18030, GB18030, GB18030, "utf-8", "utf-8", None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        ("　", "empty"),
        ("110101900101001", "digits:15"),
        ("11010119900101001x", "digits-x:18"),
        ("１２３", "wide-digits:3"),
        ("abc", "letters:3"),
        ("A12", "letters-digits:3"),
        ("低保", "han:2"),
        ("低保/?", "mixed:4"),
        ("2026/1/5", "date:8"),
        ("2026年1月5日", "date:9"),
        ("a\ufffd", "undecoded"),
        ("7" * 5_000, "digits:99"),
    ],
)
def test_class_tells_the_kind_of_text_and_not_the_text(
    text: str, expected: str
) -> None:
    """Enough to find the mistake, nothing of whose it is."""
    assert value_class(text) == expected


def test_unknown_subdistrict_is_refused_where_there_is_a_list(tmp_path: Path) -> None:
    """Without a list every code is known; with one, the others are named."""
    (tmp_path / "subdistricts.txt").write_text(
        "\ufeff990100002 甲街道\n\n990100003,乙镇\n", encoding="utf-8"
    )
    path = tmp_path / "roster.csv"
    path.write_text(text_of(row(1), row(3), row(4, subdistrict="")), encoding="utf-8")

    known = read_subdistricts(tmp_path)
    rows = list(RosterFile(path).rows(TOKENIZER, CATEGORIES, known))

    assert known == frozenset({"990100002", "990100003"})
    assert isinstance(rows[0], tuple)
    assert isinstance(rows[2], tuple)
    refused = rows[1]
    assert isinstance(refused, RefusedRow)
    assert (refused.column, refused.reason, refused.value_class) == (
        "subdistrict", "MA-6212", "digits:9",
    )  # fmt: skip


def test_list_of_subdistricts_is_read_strictly(tmp_path: Path) -> None:
    """No list is no list; a wrong line ends the import, and is told by its number."""
    assert read_subdistricts(tmp_path) is None
    (tmp_path / "subdistricts.txt").write_text("990100002\n99010000\n")
    with pytest.raises(SubdistrictsFault, match="line 2 "):
        read_subdistricts(tmp_path)
    (tmp_path / "subdistricts.txt").write_bytes(b"\xff\xfe9")
    with pytest.raises(SubdistrictsFault, match="cannot be read"):
        read_subdistricts(tmp_path)


async def test_refused_rows_come_back_as_csv(bureau: Bureau, tmp_path: Path) -> None:
    """Every fault of the file in the order of lines, and no value among them."""
    rows = [
        row(1, id_number="990100500101001"),
        row(2, card_number="SHARED"),
        row(3, card_number="SHARED"),
        row(4, category="富人"),
        row(5),
        row(5, valid_to="2026-12-31"),
        row(6, valid_to="2025-01-01"),
        row(7),
    ]
    result = await take_first(bureau, rows, tmp_path / "refused.csv")

    assert listed(tmp_path / "refused.csv") == [
        ("2", "id_number", "digits:15", "MA-6216", "no"),
        ("3", "card_number", "card", "MA-6214", "no"),
        ("4", "card_number", "card", "MA-6214", "no"),
        ("5", "category", "han:2", "MA-6208", "no"),
        ("6", "", "", "MA-6213", "no"),
        ("7", "", "", "MA-6213", "no"),
        ("8", "valid_to", "date:10", "MA-6210", "no"),
    ]
    assert result.counts.refused == 7
    shown = (tmp_path / "refused.csv").read_text(encoding="utf-8-sig")
    values = {value for each in rows for value in each.values() if len(value) > 3}
    assert not [value for value in values if value in shown]


async def test_csv_is_whole_where_the_file_is_refused_for_its_rows(
    bureau: Bureau, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever must correct a file needs all that was found, not the first screen."""
    monkeypatch.setattr("settlement.service.roster.LISTED", 3)
    monkeypatch.setattr(roster_import, "_LISTED_AT_ONCE", 2)
    rows = [row(number, category="?") for number in range(8)]
    bureau.version = 1
    manifest = bureau.sign(bureau.write(rows), "full", len(rows))

    with pytest.raises(RosterRefusedError) as refused:
        await take(bureau, manifest, tmp_path / "refused.csv", ppm=500_000)

    assert refused.value.reason == "MA-6106"
    assert [each.line for each in refused.value.refused] == [2, 3, 4]
    assert [each[0] for each in listed(tmp_path / "refused.csv")] == list("23456789")


async def test_csv_that_cannot_be_written_takes_nothing(bureau: Bureau) -> None:
    """A file is not taken in whose refused rows nobody could see."""

    def full_disk(_rows: object) -> None:
        raise OSError(28, "No space left on device")

    bureau.version = 1
    manifest = bureau.sign(bureau.write([row(1), row(2, category="?")]), "full", 2)
    rules = ImportRules(
        trust=TRUST,
        tokenizer=TOKENIZER,
        categories=CATEGORIES,
        now=NOW,
        max_refused_ppm=1_000_000,
    )
    with pytest.raises(ListingError, match="No space left"):
        await import_roster(bureau.database, manifest, rules, listing=full_disk)

    async with bureau.database.pool.acquire() as session:
        assert await session.fetchval("SELECT version FROM roster_head") == 0
        assert await session.fetchval("SELECT count(*) FROM roster_window") == 0


async def test_overlaps_and_second_cards_are_taken_and_remarked(
    bureau: Bureau, tmp_path: Path
) -> None:
    """What may be true is believed, and shown to whoever can tell."""
    rows = [
        row(1, valid_from="2025-01-01", valid_to="2026-03-31"),
        row(1, valid_from="2026-01-01"),
        row(2, valid_from="2025-01-01", valid_to="2025-12-31"),
        row(2, valid_from="2026-01-01"),
        row(3),
        row(3, category="特困", card_number=card_number(30)),
        row(4),
        row(4),
    ]
    result = await take_first(bureau, rows, tmp_path / "refused.csv")

    assert listed(tmp_path / "refused.csv") == [
        ("3", "valid_from", "date", "MA-6231", "yes"),
        ("6", "card_number", "card", "MA-6232", "yes"),
        ("7", "card_number", "card", "MA-6232", "yes"),
    ]
    assert (result.counts.refused, result.counts.remarked) == (0, 3)
    assert result.counts.windows_upserted == 7


async def test_delta_that_overlaps_what_stays_in_force_is_remarked(
    bureau: Bureau, tmp_path: Path
) -> None:
    """A renewal without an end of the old window; not one that ends it too."""
    await bureau.full(
        row(1, valid_from="2025-01-01"),
        row(2, valid_from="2025-01-01"),
        row(3, valid_from="2025-01-01", valid_to="2025-12-31"),
    )
    rows = [
        row(1),
        row(2),
        row(2, action="remove", valid_from="2025-01-01"),
        row(3),
    ]
    bureau.version = 2
    manifest = bureau.sign(bureau.write(rows), "delta", len(rows))
    await take(bureau, manifest, tmp_path / "refused.csv")

    assert listed(tmp_path / "refused.csv") == [
        ("2", "valid_from", "date", "MA-6231", "yes")
    ]


async def test_first_load_leaves_every_index_as_it_was(bureau: Bureau) -> None:
    """Indexes set aside for the first file stand again, the same, before it is in."""
    indexes = (
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN"
        " ('roster_window', 'roster_card') ORDER BY indexname"
    )
    async with bureau.database.pool.acquire() as session:
        before = await session.fetch(indexes)
        await bureau.full(row(1))
        assert await session.fetch(indexes) == before
    assert "roster_card_person" in {name for name, _ in before}


async def test_first_load_waits_for_no_reader(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who reads the empty roster just now does not hold the import up."""
    monkeypatch.setattr(roster_import, "_LOCK_WITHIN_MS", 50)
    async with bureau.database.pool.acquire() as session, session.transaction():
        await session.fetch("SELECT FROM roster_card")
        await bureau.full(row(1))
        assert await session.fetchval("SELECT person FROM roster_card") == person_token(
            1
        )


async def test_more_rows_than_signed_are_not_read_on(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that unpacks to more than was signed is given up at once."""
    monkeypatch.setattr("settlement.service.roster._CHUNK", 2)
    bureau.version = 1
    rows = [row(number) for number in range(50)]
    manifest = bureau.sign(bureau.write(rows), "full", 3)

    with pytest.raises(RosterRefusedError, match="more than the 3 rows") as refused:
        await bureau.take(manifest)
    assert refused.value.reason == "MA-6105"


@pytest.mark.parametrize(
    "code",
    [f"MA-{n}" for n in (6113, 6114, 6212, 6216, 6217, 6218, 6231, 6232)],
)
def test_each_reason_has_its_own_words(code: str) -> None:
    """A code is stable, and what it says is in both languages."""
    assert reason(code).code == code
    assert reason(code).text.zh != reason(code).text.en


def test_identity_numbers_of_these_tests_are_valid() -> None:
    """Else a refusal above could have another cause."""
    assert len({id_number(number) for number in range(50)}) == 50
