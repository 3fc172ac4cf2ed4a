"""Lists that are made to hurt, or that a hospital makes without meaning to."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway import list_runner
from settlement.service.reconcile import streams
from settlement.store.database import Database
from tests.hospital_lists.lists import xlsx_of, zip_of
from tests.reconcile.town import Town, by_kind, open_town, row_of, text_of
from tests.reconcile.uploads import MONTH, begun, held, until, waiting

SECOND = datetime(2026, 1, 6, 2, tzinfo=UTC)
THIRD = datetime(2026, 1, 7, 2, tzinfo=UTC)


@pytest.fixture
async def town(database: Database, data_dir: Path) -> AsyncIterator[Town]:
    """Give a gateway with two hospitals."""
    async with open_town(database, data_dir) as made:
        yield made


async def matching(town: Town) -> int:
    """How many sessions of the database are in the middle of a match."""
    count: int = await town.months.database.pool.fetchval(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event = 'advisory'"
    )
    return count


async def test_query_ends_with_its_process(town: Town) -> None:
    """The database does not work on for a caller who has gone."""
    settled = await town.months.settle()
    await town.months.open()
    content = text_of(row_of(settled))

    async def is_over() -> bool:
        return await matching(town) == 0

    async with held(town):
        async with begun(town, f"Content-Length: {len(content)}", content):
            await waiting(town)
        # Still held: nothing but the caller's absence can end it.
        await until(is_over)

    assert await town.kept_lists() == 0


async def test_caller_who_leaves_the_queue_frees_its_turn(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who gave up waiting for a place may send again at once."""
    monkeypatch.setattr(list_runner, "_AT_ONCE", 1)
    town.months.house.gateway.reconciliation.lists = list_runner.ListRunner()
    settled = await town.months.settle()
    await town.months.open()
    content = text_of(row_of(settled))

    async def second_is(status: int) -> bool:
        """How a further call of H002 would be taken; its turn comes before its type."""
        return (await town.upload(content, who="H002", kind="x/y"))[0] == status

    async with held(town), begun(town, f"Content-Length: {len(content)}", content):
        await waiting(town)
        async with begun(town, f"Content-Length: {len(content)}", content, "H002"):
            await until(lambda: second_is(429))
        await until(lambda: second_is(415))


async def test_line_repeated_without_end_is_refused(town: Town) -> None:
    """Lines of one settlement are held together: a file of them is no list."""
    settled = await town.months.settle()
    other = ["null", "MZ-none", "", "1.00", "1.00", "", "0"]

    for row, place in ((row_of(settled), "line[1]"), (other, "line[2]")):
        rows = ([*row, str(number)] for number in range(streams.MOST_ALIKE + 1))
        status, document = await town.upload(zip_of(text_of(row_of(settled), *rows)))
        assert (status, document["code"]) == (422, "MA-6310")
        assert [each["path"] for each in document["fields"]] == [place]
    _, found = await town.upload(text_of(row_of(settled)) * 3_000)

    assert found["kinds"] == {"duplicated": 1}
    assert found["list"]["rows"] == 3_000


async def test_list_without_a_readable_line_leaves_the_one_before(town: Town) -> None:
    """A page of HTML, or the wrong columns: the month's list stays what it was."""
    settled = await town.months.settle()
    await town.months.open()
    _, good = await town.upload(text_of(row_of(settled)), MONTH)
    before = await town.kept_lists()

    status, document = await town.upload(b"<html>\n<table>\n", MONTH)

    assert (good["flat"], good["kept"]) == (True, True)
    assert (status, document["code"]) == (422, "MA-6312")
    assert [each["path"] for each in document["fields"]] == ["line[1]", "line[2]"]
    assert await town.kept_lists() == before
    _, page = await town.ask("H001", "GET", f"{MONTH}/differences")
    assert page["differences"] == []


@pytest.mark.parametrize("flag", ["0", "1"])
async def test_refund_of_another_day_belongs_to_the_reversals(
    town: Town, flag: str
) -> None:
    """With or without the flag: five columns have none, and negative amounts do."""
    settled = await town.months.settle()
    await town.months.reverse(settled, SECOND)
    row = row_of(settled, refund=True)

    _, document = await town.upload(text_of([*row[:6], flag]), f"{THIRD:%Y-%m-%d}")

    moved = by_kind(document)["other_period"]
    assert moved["actual_day"] == f"{SECOND:%Y-%m-%d}"
    assert moved["repair"]["action"] == "move_line"


async def test_key_is_not_passed_over_for_the_visit(town: Town) -> None:
    """A second bill of a visit whose request was lost: it is missing, by its key."""
    first = await town.months.settle()
    amounts = f"{first.total_fen},{first.aid_fen}"
    table = (
        "idempotency_key,visit_no,total_fen,aid_fen\n"
        f"{first.key},{first.visit_no},{amounts}\n"
        f"k-lost,{first.visit_no},{amounts}\n"
    )

    _, found = await town.upload(table.encode(), kind="text/csv")

    [lost] = found["differences"]
    assert (lost["kind"], lost["lines"]) == ("missing_at_gateway", [3])
    assert lost["idempotency_key"] == "k-lost"
    assert lost["repair"]["action"] == "settle_again"


async def test_id_of_another_system_may_look_like_ours(town: Town) -> None:
    """A GUID without dashes names nothing here, so the visit number does."""
    settled = await town.months.settle()
    foreign = await town.months.settle(facility=2)
    guid = row_of(settled, id="f47ac10b58cc4372a5670e02b2c3d479")
    taken = row_of(settled, id=foreign.id.hex())

    _, found = await town.upload(text_of(guid))
    _, mixed = await town.upload(text_of(taken))

    assert (found["flat"], found["differences"]) == (True, [])
    # Another hospital's file stays one, though its visit numbers are like ours.
    assert mixed["kinds"] == {"missing_at_gateway": 1, "missing_at_hospital": 1}


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file grows beyond so many bytes: a write ends in the middle, then fails."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_disk_that_is_full_cuts_no_list(town: Town) -> None:
    """503, and not a match of the first half as if it were the whole."""
    first, second = await town.months.settle(), await town.months.settle()
    content = text_of(row_of(first), row_of(second))

    with full_disk(len(text_of(row_of(first)))):
        status, document = await town.upload(content)

    assert (status, document["code"]) == (503, "MA-5101")
    assert (await town.upload(content))[1]["flat"] is True


REFUSED = {
    "header lacks a column": (
        b"settlement_id,visit_no,total_fen\nx,y,1\n",
        "MA-6309",
        ["line[1].aid"],
    ),
    "header has one twice": (
        b"\nsetl_id,total_fen,medfee_sumamt,aid_fen\n",
        "MA-6309",
        ["line[2].total"],
    ),
    "header under a title": (
        "一月清单\n结算ID\t就诊ID\t姓名\t基金支付总额\t医疗费总额\n".encode(),
        "MA-6309",
        ["line[2]"],
    ),
    "header under a title of a sheet": (
        xlsx_of([["一月清单"], [], ["visit_no", "aid_fen", "", "", "total_fen"]]),
        "MA-6309",
        ["line[3]"],
    ),
    "long line": (b"x\ty\n" + b"x" * 9_000, "MA-6311", ["line[2]"]),
    "long row": (
        xlsx_of([["x"], [], ["z" * 9_000]]),
        "MA-6311",
        ["line[3]"],
    ),
}


@pytest.mark.parametrize("what", sorted(REFUSED))
async def test_refusal_tells_the_place(town: Town, what: str) -> None:
    """Whoever corrects the file learns line and column, in Chinese first."""
    content, code, paths = REFUSED[what]

    status, document = await town.upload(content, kind="application/octet-stream")

    assert (status, document["code"]) == (422, code)
    assert [each["path"] for each in document["fields"]] == paths
    assert "有问题的字段" in document["detail"]
