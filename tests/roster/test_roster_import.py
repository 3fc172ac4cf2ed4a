"""A roster file is taken in one piece: windows, cards, history and the version."""

from datetime import date

import pytest

from settlement.domain.eligibility import RosterPerson, Window
from settlement.domain.roster import RosterRefusedError
from settlement.store.database import Database
from settlement.store.roster import head_version, read_persons, roster_of_cards
from tests.roster.bureau import (
    CATEGORIES,
    TOKENIZER,
    Bureau,
    card_number,
    id_number,
    person_token,
    row,
)

JANUARY = date(2026, 1, 1)
DAY_BEFORE = date(2026, 6, 30)
"""The day before `as_of` of the files that the bureau of these tests signs."""


async def windows(bureau: Bureau, number: int) -> tuple[Window, ...]:
    """Return what the roster says of a person; nothing for who is not on it."""
    async with bureau.database.pool.acquire() as connection:
        found = await read_persons(connection, [person_token(number)])
    person = found.get(person_token(number))
    return () if person is None else person.windows


def window(
    number: int,
    category: str = "dibao",
    valid_from: date = JANUARY,
    valid_to: date | None = None,
) -> Window:
    """Return the window that `row` names."""
    return Window(category, valid_from, valid_to, f"990100{number % 13 + 1:03d}")


async def test_full_file_brings_persons_on_by_both_their_cards(bureau: Bureau) -> None:
    """A person is found by social security card and by identity number alike."""
    result = await bureau.full(row(1), row(2))

    expected = RosterPerson(
        person_token(1), TOKENIZER.household("H00000"), (window(1),)
    )
    by_card = TOKENIZER.card("social_security_card", card_number(1))
    by_identity = TOKENIZER.card("resident_id", id_number(1))
    unknown = TOKENIZER.card("social_security_card", "T99999999")
    async with bureau.database.pool.acquire() as connection:
        _, found = await roster_of_cards(connection, [by_card, by_identity, unknown])
        head = await head_version(connection)
    assert found == {by_card: expected, by_identity: expected}
    assert head is not None
    assert (head.version, head.as_of) == (1, "2026-07-01T00:00:00.000Z")
    assert (result.counts.rows, result.counts.windows_upserted) == (2, 2)


async def test_absence_from_a_full_file_ends_open_windows(bureau: Bureau) -> None:
    """Who is absent stays eligible up to the day before as_of, and not longer."""
    await bureau.full(
        row(1),
        row(2, valid_to="2026-03-31"),
        row(3, valid_to="2026-12-31"),
        row(4, valid_from="2026-09-01"),
        row(5),
    )
    result = await bureau.full(row(5))

    assert await windows(bureau, 1) == (window(1, valid_to=DAY_BEFORE),)
    assert await windows(bureau, 2) == (window(2, valid_to=date(2026, 3, 31)),)
    assert await windows(bureau, 3) == (window(3, valid_to=DAY_BEFORE),)
    assert await windows(bureau, 4) == ()
    assert await windows(bureau, 5) == (window(5),)
    assert result.counts.windows_ended == 3
    assert result.counts.persons_changed == 3


async def test_delta_changes_only_whom_it_names(bureau: Bureau) -> None:
    """Absence from a delta means nothing."""
    await bureau.full(row(1), row(2))
    result = await bureau.delta(row(3), row(2, valid_to="2026-08-31"))

    assert await windows(bureau, 1) == (window(1),)
    assert await windows(bureau, 2) == (window(2, valid_to=date(2026, 8, 31)),)
    assert await windows(bureau, 3) == (window(3),)
    assert result.counts.persons_changed == 2


async def test_removal_ends_the_named_window_and_keeps_history(bureau: Bureau) -> None:
    """A removal ends one window on the day before as_of; the other stays open."""
    await bureau.full(row(1), row(1, category="特困", valid_from="2026-02-01"))
    await bureau.delta(row(1, action="remove"))

    assert await windows(bureau, 1) == (
        window(1, valid_to=DAY_BEFORE),
        window(1, "tekun", date(2026, 2, 1)),
    )


async def test_removal_without_category_ends_every_open_window(bureau: Bureau) -> None:
    """A removal that names no category strikes the person."""
    await bureau.full(row(1), row(1, category="特困", valid_from="2026-02-01"))
    await bureau.delta(row(1, action="remove", category="", valid_from=""))

    assert [each.valid_to for each in await windows(bureau, 1)] == [DAY_BEFORE] * 2


async def test_removal_may_name_an_earlier_end(bureau: Bureau) -> None:
    """The end on a removal holds where it lies before as_of, never after."""
    await bureau.full(row(1), row(2))
    await bureau.delta(
        row(1, action="remove", valid_to="2026-05-15"),
        row(2, action="remove", valid_to="2030-12-31"),
    )

    assert await windows(bureau, 1) == (window(1, valid_to=date(2026, 5, 15)),)
    assert await windows(bureau, 2) == (window(2, valid_to=DAY_BEFORE),)


async def test_the_same_window_again_changes_nobody(bureau: Bureau) -> None:
    """A file that says what is known already leaves the change feed empty."""
    await bureau.full(row(1), row(2))
    result = await bureau.full(row(2), row(1))

    assert result.counts.persons_changed == 0
    assert result.counts.windows_upserted == 0


async def test_several_categories_in_one_cell_are_several_windows(
    bureau: Bureau,
) -> None:
    """低保,特困 in one cell means both, also with a full-width comma."""
    await bureau.full(row(1, category="农村低保，特困人员"))

    assert await windows(bureau, 1) == (window(1), window(1, "tekun"))


async def test_refused_person_keeps_the_former_state_in_a_full_file(
    bureau: Bureau,
) -> None:
    """A broken line neither changes nor ends anything of the person it means."""
    await bureau.full(row(1), row(2), row(3))
    result = await bureau.full(
        row(1, subdistrict="12"),
        row(1, category="特困"),
        row(2, id_number=id_number(2)[:-1] + "?"),
    )

    assert [(each.line, each.column) for each in result.refused] == [
        (2, "subdistrict"),
        (4, "id_number"),
    ]
    assert await windows(bureau, 1) == (window(1),)
    assert await windows(bureau, 2) == (window(2),)
    assert await windows(bureau, 3) == (window(3, valid_to=DAY_BEFORE),)


async def test_contradicting_lines_are_refused_together(bureau: Bureau) -> None:
    """The same window twice with different ends: nobody knows which holds."""
    result = await bureau.full(row(1), row(1, valid_to="2026-12-31"), row(2), row(2))

    assert [(each.line, each.reason) for each in result.refused] == [
        (2, "MA-6213"),
        (3, "MA-6213"),
    ]
    assert await windows(bureau, 1) == ()
    assert await windows(bureau, 2) == (window(2),)


async def test_one_card_for_two_persons_is_refused(bureau: Bureau) -> None:
    """A card belongs to one person; in one file neither of the two gets it."""
    result = await bureau.full(row(1), row(2, card_number=card_number(1)), row(3))

    assert [(each.line, each.reason) for each in result.refused] == [
        (2, "MA-6214"),
        (3, "MA-6214"),
    ]
    assert await windows(bureau, 1) == ()
    assert await windows(bureau, 3) == (window(3),)


async def test_card_of_somebody_who_stays_is_refused(bureau: Bureau) -> None:
    """A card passes on only from a person who has left the roster."""
    await bureau.full(row(1), row(2))
    result = await bureau.delta(row(3, card_number=card_number(1)))

    assert [(each.line, each.reason) for each in result.refused] == [(2, "MA-6214")]
    assert await windows(bureau, 3) == ()


@pytest.mark.parametrize("kind", ["full", "delta"])
async def test_card_passes_on_from_a_person_struck_in_the_same_file(
    bureau: Bureau, kind: str
) -> None:
    """A corrected identity number takes the card along, in either kind of file."""
    await bureau.full(row(1), row(2))
    corrected = row(3, card_number=card_number(1))
    removal = [] if kind == "full" else [row(1, action="remove")]
    result = await bureau.publish(kind, [corrected, row(2), *removal])

    assert result.refused == ()
    token = TOKENIZER.card("social_security_card", card_number(1))
    async with bureau.database.pool.acquire() as connection:
        _, found = await roster_of_cards(connection, [token])
    assert found[token].token == person_token(3)


async def test_refusals_spread_to_who_wants_a_kept_persons_card(
    bureau: Bureau,
) -> None:
    """Who is kept also keeps the card, so whoever wants it is refused as well."""
    await bureau.full(row(1), row(2), row(3))
    result = await bureau.full(
        row(1, valid_to="broken"),
        row(2, card_number=card_number(1)),
        row(4, card_number=card_number(2)),
    )

    assert [(each.line, each.reason) for each in result.refused] == [
        (2, "MA-6209"),
        (3, "MA-6214"),
        (4, "MA-6214"),
    ]
    assert await windows(bureau, 2) == (window(2),)
    assert await windows(bureau, 4) == ()


async def test_one_person_may_have_two_cards(bureau: Bureau) -> None:
    """A new card is added; the old one still finds the person."""
    await bureau.full(row(1))
    await bureau.delta(row(1, card_number="NEW00001"))

    cards = [
        TOKENIZER.card("social_security_card", number)
        for number in (card_number(1), "NEW00001")
    ]
    async with bureau.database.pool.acquire() as connection:
        _, found = await roster_of_cards(connection, cards)
    assert [found[card].token for card in cards] == [person_token(1)] * 2


async def test_removal_of_an_unknown_window_is_refused(bureau: Bureau) -> None:
    """Striking a window that is not there is a mistake; an unknown person is not."""
    await bureau.full(row(1), row(2))
    result = await bureau.delta(
        row(1, action="remove", valid_from="2025-01-01"), row(9, action="remove")
    )

    assert [(each.line, each.reason) for each in result.refused] == [(2, "MA-6215")]
    assert result.counts.removals_without_effect == 1
    assert await windows(bureau, 1) == (window(1),)


async def test_too_many_refused_rows_take_nothing(bureau: Bureau) -> None:
    """Above the limit the roster stays as it is, and the rows are listed."""
    await bureau.full(row(1))
    bureau.version = 2
    rows = [row(number) for number in range(1, 1000)] + [row(1000, category="?")]
    manifest = bureau.sign(bureau.write([*rows, row(1001, category="?")]), "full", 1001)

    with pytest.raises(RosterRefusedError) as refused:
        await bureau.take(manifest)

    assert refused.value.reason == "MA-6106"
    assert [each.line for each in refused.value.refused] == [1001, 1002]
    assert await windows(bureau, 2) == ()
    rows = rows[:-1]
    manifest = bureau.sign(bureau.write([*rows, row(1001, category="?")]), "full", 1000)
    assert len((await bureau.take(manifest)).refused) == 1


async def test_conflicts_count_as_refused_rows(bureau: Bureau) -> None:
    """Rows refused for what else stands in the file count towards the limit too."""
    bureau.version = 1
    manifest = bureau.sign(bureau.write([row(1), row(1, valid_to="2030-01-01")]),
                           "full", 2)  # fmt: skip

    with pytest.raises(RosterRefusedError) as refused:
        await bureau.take(manifest)

    assert refused.value.reason == "MA-6106"
    assert [each.line for each in refused.value.refused] == [2, 3]


async def test_nothing_personal_is_stored(bureau: Bureau, database: Database) -> None:
    """No card, identity number, household or name stands in any roster table."""
    await bureau.full(row(1, name="某某某", note="家庭住址"))

    async with database.pool.acquire() as connection:
        tables = ["roster_window", "roster_card", "roster_change", "roster_version"]
        stored = ""
        for table in tables:
            rows = await connection.fetch(f"SELECT t::text FROM {table} t")  # noqa: S608 - names above
            stored += "\n".join(found["t"] for found in rows)
    assert "dibao" in stored
    for value in (card_number(1), id_number(1), "H00000", "某某某", "家庭住址"):
        assert value not in stored
        assert value.encode().hex() not in stored


def test_spellings_lead_to_few_categories() -> None:
    """The made-up spellings of these tests name three categories."""
    assert set(CATEGORIES.values()) == {"tekun", "dibao", "dishouru"}
