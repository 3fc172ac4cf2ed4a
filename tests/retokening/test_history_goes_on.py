"""After tokens were renewed everybody is who they were, and no former token is left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from crypto.record import verify_record
from crypto.tokens import Tokenizer
from gateway.his.person_numbers import person_number, token_of_number
from settlement.domain.bill import Card, CardKind
from settlement.domain.errors import RequestRefused
from settlement.domain.watch.changes import subject_digest
from settlement.domain.watch.signal import Subject, SubjectKind
from settlement.service.books_decisions import sealed_content
from settlement.service.ports import Answer
from tests.retokening.books import (
    CARD,
    HOUSEHOLD,
    NATIONAL,
    NOBODY,
    OTHER,
    Keys,
    everything,
    fetched,
    opened,
    raise_alert,
    renew,
    with_epoch,
)
from tests.settlement.house import House, assert_books_clean, bill, body, make_keys

_VISIT = bill(CARD, diagnoses=("I10",), national=NATIONAL)
_SPLIT = bill(CARD, bill_no=None)
_UNDONE = bill(CARD)
_STOPPED = "stopped-before-it-came"


@dataclass
class Books:
    """What was settled under the first epoch, and by whom."""

    dsn: str
    folder: Path
    keys: Keys
    settled: dict[str, Answer]
    used_fen: int
    old: Tokenizer

    def gateway(self, keys: Keys) -> Any:
        """A gateway on these books."""
        return opened(self.dsn, self.folder, keys)


@pytest.fixture
async def books(database_dsn: str, tmp_path: Path) -> Books:
    """Settled, declined, repeated, reversed and stopped claims, and two alerts."""
    keys = make_keys()
    async with opened(database_dsn, tmp_path / "worker", keys) as house:
        tokens = house.tokenizer
        person = await house.enrol(CARD, valid_to=date(2026, 12, 31))
        await house.enrol(OTHER)
        await house.database.pool.execute(
            "UPDATE roster_window SET household = $1", tokens.household(HOUSEHOLD)
        )
        settled = {
            "visit": await house.settle(_VISIT, "visit"),
            "split": await house.settle(_SPLIT, "split"),
            "undone": await house.settle(_UNDONE, "undone"),
            "other": await house.settle(bill(OTHER), "other"),
            "nobody": await house.settle(bill(NOBODY), "nobody"),
        }
        card = Card(kind=CardKind.SOCIAL_SECURITY_CARD, number=CARD)
        await house.reverse("reversal", original_key="undone", card=card)
        await house.reverse("stop", original_key=_STOPPED, card=card)
        await raise_alert(house, person, tokens.household(HOUSEHOLD))
        await assert_books_clean(house)
        used = await house.used(person)
    old = Tokenizer(keys[0].token_key)
    return Books(database_dsn, tmp_path / "worker", keys, settled, used, old)


async def test_no_former_token_is_left_anywhere(books: Books) -> None:
    """Neither as bytes nor as text, in no table, of card, person or household.

    Nor digests that are made with the same key: of diagnoses and persons' numbers.
    """
    old = books.old
    former = {
        "card": old.card("social_security_card", CARD),
        "unknown card": old.card("social_security_card", NOBODY),
        "person": old.person(f"person-{CARD}"),
        "other person": old.person(f"person-{OTHER}"),
        "household": old.household(HOUSEHOLD),
        "diagnoses": old.digest("diagnoses", "I10"),
        "person's number": old.digest("psn_no", NATIONAL.psn_no),
        "subject": subject_digest(
            Subject(SubjectKind.PERSON, token=old.person(f"person-{CARD}"))
        ),
        "household's subject": subject_digest(
            Subject(SubjectKind.HOUSEHOLD, token=old.household(HOUSEHOLD))
        ),
    }
    before = await everything(books.dsn)
    missing = [name for name, token in former.items() if not _stands(token, before)]
    identities = await fetched(books.dsn, "SELECT identity FROM visit")

    await renew(books.dsn, with_epoch(books.keys, 2), 2)

    after = await everything(books.dsn)
    # What is looked for would be seen: all of it was there.
    assert missing == []
    assert [name for name, token in former.items() if _stands(token, after)] == []
    assert len(identities) == 3
    assert [row for row in identities if _stands(row["identity"], after)] == []


def _stands(token: bytes, text: bytes) -> bool:
    return token.hex().encode() in text


async def test_history_goes_on_under_the_next_epochs(books: Books) -> None:
    """The same answers, duplicates, running totals and books; twice in a row."""
    keys = books.keys
    used = books.used_fen
    for epoch in (2, 3):
        keys = with_epoch(keys, epoch)
        done = await renew(books.dsn, keys, epoch)
        assert (done.epoch, done.answers) == (epoch, 7 + 4 * (epoch - 2))
        async with books.gateway(keys) as house:
            await _is_as_before(books, house, used)
            used = await _settles_on(house, used, epoch)
            await assert_books_clean(house)


async def _is_as_before(books: Books, house: House, used: int) -> None:
    person = house.tokenizer.person(f"person-{CARD}")
    assert person != books.old.person(f"person-{CARD}")
    assert await house.used(person) == used
    again = await house.settle(_VISIT, "visit")
    assert (again.body, again.replayed) == (books.settled["visit"].body, True)
    nobody = books.settled["nobody"]
    assert body(nobody)["reason"]["code"] == "MA-2101"
    for one, key in ((_VISIT, "visit"), (_SPLIT, "split")):
        twin = await house.settle(one, f"twin-of-{key}-{used}")
        assert body(twin)["reason"]["code"] == "MA-2202"
        first = body(books.settled[key])["settlement_id"]
        assert body(twin)["duplicate_of"]["settlement_id"] == first
    with pytest.raises(RequestRefused, match="MA-4103"):
        await house.settle(bill(OTHER), "visit")


async def _settles_on(house: House, used: int, epoch: int) -> int:
    """What was undone may be settled now; what was stopped is not; it is one person."""
    again = await house.settle(bill(CARD), f"later-{epoch}")
    made: int = body(again)["aid_fen"]
    stopped = await house.settle(bill(CARD), f"{_STOPPED}-{epoch}")
    person = house.tokenizer.person(f"person-{CARD}")
    made += body(stopped)["aid_fen"]
    assert await house.used(person) == used + made
    named = {
        sealed_content(
            verify_record(row["record"], house.trust), house.opening
        )["person"]
        for row in await house.database.pool.fetch(
            "SELECT r.record FROM sealed_record r"
            " JOIN settlement s ON s.log_index = r.log_index WHERE s.person = $1",
            person,
        )
    }  # fmt: skip
    assert len(named) == 1
    return used + made


async def test_what_was_undone_can_be_settled_and_reversed_again(books: Books) -> None:
    """A visit given back is free under the new epoch, too; its first bill stays so."""
    keys = with_epoch(books.keys, 2)
    await renew(books.dsn, keys, 2)
    async with books.gateway(keys) as house:
        again = await house.settle(_UNDONE, "undone-again")
        card = Card(kind=CardKind.SOCIAL_SECURITY_CARD, number=CARD)
        await house.reverse("visit-back", original_key="visit", card=card)
        late = await house.settle(bill(CARD), _STOPPED)
        await assert_books_clean(house)

    assert body(again)["decision"] == "approved"
    assert body(late)["reason"]["code"] == "MA-2205"


async def test_cases_are_about_the_same_persons(books: Books) -> None:
    """What gathers goes on gathering, and what is silenced stays silent."""
    keys = with_epoch(books.keys, 2)
    await renew(books.dsn, keys, 2)

    tokens = keys[0].tokenizer(2)
    subjects = [
        subject_digest(
            Subject(SubjectKind.PERSON, token=tokens.person(f"person-{CARD}"))
        ),
        subject_digest(
            Subject(SubjectKind.HOUSEHOLD, token=tokens.household(HOUSEHOLD))
        ),
    ]
    for table in ("alert", "alert_case", "alert_mute"):
        rows = await fetched(books.dsn, f"SELECT subject FROM {table}")  # noqa: S608
        assert sorted(row["subject"] for row in rows) == sorted(subjects)


async def test_numbers_that_hospitals_keep_still_name_the_person(books: Books) -> None:
    """`psn_no` of the envelope stands in hospitals' files for years."""
    keys = with_epoch(books.keys, 2)
    before, after = keys[0].tokenizer(1), keys[0].tokenizer(2)
    person = f"person-{CARD}"
    number = person_number(before, "H001", before.person(person))

    assert person_number(after, "H001", after.person(person)) == number
    assert token_of_number(after, "H001", number) == after.person(person)


async def test_an_altered_answer_stays_altered(books: Books) -> None:
    """A new checksum does not cover up what the old one showed."""
    await fetched(
        books.dsn,
        "UPDATE answer SET tail = tail || ' ' WHERE id = $1 RETURNING id",
        bytes.fromhex(body(books.settled["nobody"])["settlement_id"]),
    )

    await renew(books.dsn, with_epoch(books.keys, 2), 2)

    wrong = await fetched(
        books.dsn,
        "SELECT id FROM answer WHERE digest <> sha256(request || head || tail)",
    )
    assert [row["id"].hex() for row in wrong] == [
        body(books.settled["nobody"])["settlement_id"]
    ]


async def test_indexes_and_constraints_are_those_of_before(books: Books) -> None:
    """They are put aside while rows are written, and made again by their old names."""
    query = (
        "SELECT tablename AS place, indexdef AS what FROM pg_indexes"
        " WHERE schemaname = 'public' UNION ALL"
        " SELECT conrelid::regclass::text, conname || pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
        " ORDER BY 1, 2"
    )
    before = [tuple(row) for row in await fetched(books.dsn, query)]

    await renew(books.dsn, with_epoch(books.keys, 2), 2)

    assert [tuple(row) for row in await fetched(books.dsn, query)] == before
    assert len(before) > 100
