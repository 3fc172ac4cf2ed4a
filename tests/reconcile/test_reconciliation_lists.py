"""Lists by HTTP: every form, every difference, whatever a file or a sender does."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter  # type: ignore[import-untyped]  # it ships no types

from gateway import upload
from gateway.connections import ConnectionLimits
from gateway.list_order import ListOrder
from gateway.list_runner import PROGRAM, ListRunner
from settlement.service.reconcile.matching import match_month
from settlement.store.database import Database
from settlement.store.told import begin_told, end_told
from tests.acceptance.gateway_process import command_of, parent_of
from tests.hospital_lists.lists import (
    IDENTITY_NUMBER,
    parts_of,
    spreadsheet_of,
    xlsx_of,
    zip_of,
)
from tests.reconcile.months import FEBRUARY, FIRST, JANUARY, LAST, Settled, lines_of
from tests.reconcile.town import Town, by_kind, open_town, row_of, text_of, yuan
from tests.reconcile.uploads import (
    MONTH,
    POLL_S,
    WITHIN_S,
    answered,
    begun,
    held,
    until,
    waiting,
)

DAY = "2026-01-05"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.fixture
async def town(database: Database, data_dir: Path) -> AsyncIterator[Town]:
    """Give a gateway with two hospitals."""
    async with open_town(database, data_dir) as made:
        yield made


def csv_of(rows: list[list[str]]) -> bytes:
    """With a header in Chinese, in GBK."""
    header = "结算ID,就诊ID,人员编号,医疗费总额,基金支付总额,个人账户支出,退费结算标志"
    return "\r\n".join([header, *(",".join(row) for row in rows)]).encode("gbk")


def formulas_of(rows: list[list[str]]) -> bytes:
    """A spreadsheet whose amounts are formulas, with the values they came to."""
    packed = io.BytesIO()
    book = xlsxwriter.Workbook(packed, {"in_memory": True})
    sheet = book.add_worksheet()
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            if column in (3, 4):
                sheet.write_formula(number, column, "=1+1", None, float(cell))
            else:
                sheet.write_string(number, column, cell)
    book.close()
    return packed.getvalue()


FORMS: dict[str, tuple[str, Callable[[list[list[str]]], bytes], str]] = {
    "zip": ("application/zip", lambda rows: zip_of(text_of(*rows)), "zip"),
    "text": ("text/plain; charset=utf-8", lambda rows: text_of(*rows), "text"),
    "spaces": ("application/octet-stream",
               lambda rows: text_of(*rows, between="  "), "text"),
    "csv": ("text/csv", csv_of, "text"),
    "xlsx": (XLSX, xlsx_of, "xlsx"),
    "formulas": (XLSX, formulas_of, "xlsx"),
}  # fmt: skip


async def planted(town: Town) -> tuple[list[list[str]], dict[str, Settled | None]]:
    """A day with one difference of every kind, and what each is about."""
    settle = town.months.settle
    flat, missing, amount, undone, kept, twice = [await settle() for _ in range(6)]
    other = await settle(datetime(2026, 1, 6, 2, tzinfo=UTC))
    await town.months.reverse(undone)
    rows = [
        row_of(flat),
        row_of(amount, total_fen=amount.total_fen + 1),
        row_of(undone),
        row_of(kept),
        row_of(kept, refund=True),
        row_of(twice),
        row_of(twice),
        row_of(other),
        ["f" * 32, "MZ-unknown", "null", "1.00", "0.50", "null", "0"],
    ]
    return rows, {
        "missing_at_hospital": missing,
        "amount_differs": amount,
        "reversed_at_gateway_only": undone,
        "reversed_at_hospital_only": kept,
        "duplicated": twice,
        "other_period": other,
        "missing_at_gateway": None,
    }


@pytest.mark.parametrize("form", sorted(FORMS))
async def test_planted_differences_are_named(town: Town, form: str) -> None:
    """All of them and no other, with the keys that repair each, in every form."""
    rows, expected = await planted(town)
    kind, make, said = FORMS[form]

    status, found = await town.upload(make(rows), kind=kind)

    assert status == 200, found
    assert found["list"]["form"] == said
    assert (found["list"]["rows"], found["list"]["refused"]) == (len(rows), [])
    assert (found["flat"], found["stmt_rslt"], found["kept"]) == (
        False, "000103", False
    )  # fmt: skip
    assert found["kinds"] == dict.fromkeys(sorted(expected), 1)
    differences = by_kind(found)
    for name, settled in expected.items():
        each = differences[name]
        assert each["owner"] == "hospital"
        assert each["repair"]["action"]
        assert each["settlement_id"] == (settled.id.hex() if settled else None)
        if settled is not None and name != "other_period":
            assert each["idempotency_key"] == settled.key
    assert differences["reversed_at_gateway_only"]["reversal_id"]
    assert differences["other_period"]["actual_day"] == "2026-01-06"
    assert differences["missing_at_gateway"]["listed_id"] == "f" * 32
    amounts = differences["amount_differs"]["amounts"]
    assert amounts["hospital"]["total_fen"] == amounts["gateway"]["total_fen"] + 1
    assert await town.kept_lists() == 0


async def test_day_that_agrees_is_flat(town: Town) -> None:
    """Nothing differs, and what was read is stated."""
    settled = [await town.months.settle() for _ in range(3)]

    status, found = await town.upload(text_of(*map(row_of, settled)))

    assert (status, found["flat"], found["stmt_rslt"]) == (200, True, "000000")
    assert (found["differences"], found["more"]) == ([], False)
    assert found["list"]["aid_fen"] == sum(each.aid_fen for each in settled)
    assert found["tally"]["flat"]["count"] == 3


async def test_month_is_kept_once_it_is_opened(town: Town) -> None:
    """Before it is compared and forgotten; after it what differs is in the books."""
    settled = [await town.months.settle() for _ in range(2)]
    content = text_of(row_of(settled[0]))
    _, before = await town.upload(content, MONTH)
    kept_before = await town.kept_lists()
    await town.months.open()

    _, after = await town.upload(content, MONTH)
    _, page = await town.ask("H001", "GET", f"{MONTH}/differences")

    assert (before["kept"], after["kept"], kept_before) == (False, True, 0)
    assert before["differences"][0]["id"] == after["differences"][0]["id"]
    assert after["differences"] == page["differences"]
    assert after["differences"][0]["history"][0]["who"] == "H001/win-03"
    assert after["kinds"] == before["kinds"] == {"missing_at_hospital": 1}


async def test_same_file_twice_counts_once(town: Town) -> None:
    """The same answer, and one list in the books."""
    settled = await town.months.settle()
    await town.months.settle()
    await town.months.open()
    content = text_of(row_of(settled))

    first = await town.upload(content, MONTH)
    kept = await town.kept_lists()
    second = await town.upload(content, MONTH)

    assert first == second
    assert await town.kept_lists() == kept


async def test_upload_leaves_the_bureaus_differences(town: Town) -> None:
    """A match of two sides says nothing of the third one's records."""
    months = town.months
    settled = await months.settle()
    await months.open()
    await months.match(lines_of(settled))
    async with months.database.pool.acquire() as session:
        await begin_told(session)
        await match_month(session, JANUARY, "H001", by="test", with_bureau=True)
        await end_told(session)

    status, found = await town.upload(text_of(row_of(settled)), MONTH)
    _, page = await town.ask("H001", "GET", f"{MONTH}/differences?state=open")

    assert (status, found["flat"], found["differences"]) == (200, True, [])
    assert [each["kind"] for each in page["differences"]] == ["missing_at_bureau"]


async def test_closed_month_takes_no_list(town: Town) -> None:
    """409, and it stays as it was signed."""
    settled = await town.months.settle()
    await town.months.open()
    await town.upload(text_of(row_of(settled)), MONTH)
    await town.months.close()
    kept = await town.kept_lists()

    status, document = await town.upload(text_of(row_of(settled)) * 2, MONTH)

    assert (status, document["code"]) == (409, "MA-4204")
    assert await town.kept_lists() == kept


async def test_another_hospitals_lines_are_as_unknown_as_any(town: Town) -> None:
    """By id, by key and by visit: nobody learns what others have settled."""
    theirs = await town.months.settle(facility=2)
    undone = await town.months.settle(facility=2)
    reversal = await town.months.reverse(undone, facility=2)

    async def told(identity: str, visit_no: str, key: str) -> Any:
        header = "settlement_id,visit_no,idempotency_key,total_fen,aid_fen\n"
        line = f"{identity},{visit_no},{key},{theirs.total_fen},{theirs.aid_fen}\n"
        _, found = await town.upload((header + line).encode())
        return json.loads(
            json.dumps(found)
            .replace(identity or "-no id-", "ID")
            .replace(key or "-no key-", "KEY")
            .replace(visit_no, "VISIT")
            .replace(found["differences"][0]["id"], "DIFFERENCE")
        )

    unknown = await told("e" * 32, "MZ-none", "k-none")
    assert unknown["kinds"] == {"missing_at_gateway": 1}
    assert await told(theirs.id.hex(), theirs.visit_no, theirs.key) == unknown
    assert await told(reversal.hex(), undone.visit_no, undone.key) == unknown
    assert await told("", "MZ-none", theirs.key) == await told("", "MZ-none", "k-none")
    assert await told("", theirs.visit_no, "") == await told("", "MZ-none", "")


@pytest.mark.parametrize("whose", ["another hospital's", "last month's"])
async def test_file_of_somebody_else_is_refused_whole(town: Town, whose: str) -> None:
    """A list of which nothing fits is a wrong file, and nothing of it is kept."""
    facility = 2 if whose == "another hospital's" else 1
    settled = [await town.months.settle(facility=facility) for _ in range(20)]
    await town.months.open(JANUARY)
    await town.months.open(FEBRUARY)
    month = MONTH if facility == 2 else "2026-02"

    status, document = await town.upload(text_of(*map(row_of, settled)), month)

    assert (status, document["code"]) == (422, "MA-4212")
    assert await town.kept_lists() == 0


async def test_line_of_last_month_is_moved_there(town: Town) -> None:
    """Among others of this month it is named with its day."""
    mine = await town.months.settle(FIRST)
    other = await town.months.settle(LAST)

    _, found = await town.upload(text_of(row_of(mine), row_of(other)), "2026-02")

    assert found["kinds"] == {"other_period": 1}
    assert found["differences"][0]["actual_day"] == "2026-01-31"
    assert found["differences"][0]["repair"]["action"] == "move_line"


def with_entity() -> bytes:
    """A spreadsheet whose sheet would read a file of the gateway's machine."""
    parts = parts_of(xlsx_of([["a"]]))
    name = "xl/worksheets/sheet1.xml"
    start, end = parts[name].split(b"?>", 1)
    inner = b'?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
    return spreadsheet_of(parts | {name: start + inner + end})


_PACKED = zip_of(b"x" * 100)
REFUSED = {
    "nothing": (b"", "MA-6301"),
    "half a zip": (_PACKED[: len(_PACKED) // 2], "MA-6304"),
    "bomb": (zip_of(b"0" * 20_000_000), "MA-6303"),
    "two texts": (zip_of(b"x", b"y"), "MA-6305"),
    "an archive in it": (zip_of(_PACKED), "MA-6307"),
    "no text": (b"\0" * 100, "MA-6307"),
    "header": (b"setl_id,medfee_sumamt\nx,1\n", "MA-6309"),
    "external entity": (with_entity(), "MA-6313"),
    "half a spreadsheet": (xlsx_of([["a"]])[:-100], "MA-6304"),
}


@pytest.mark.parametrize("what", sorted(REFUSED))
async def test_file_that_is_no_list_is_refused(town: Town, what: str) -> None:
    """Each by its code, and an opened month keeps nothing of it."""
    await town.months.settle()
    await town.months.open()
    content, code = REFUSED[what]

    status, document = await town.upload(content, MONTH, kind="application/zip")

    assert (status, document["code"]) == (422, code)
    assert await town.kept_lists() == 0


async def test_lines_at_fault_are_told_without_their_values(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    """Line and column, in an answer and in a refusal; no number of anybody."""
    caplog.set_level(logging.DEBUG)
    mine = await town.months.settle()
    bad = [mine.id.hex(), IDENTITY_NUMBER, IDENTITY_NUMBER, "1.00", "1.00", "", "0"]
    one = text_of([*row_of(mine)[:2], IDENTITY_NUMBER, *row_of(mine)[3:]], bad)

    status, found = await town.upload(one)
    many, document = await town.upload(text_of(*[bad] * 101))

    assert (status, found["flat"]) == (200, True)
    [left_out] = found["list"]["refused"]
    assert (left_out["line"], left_out["column"]) == (2, "visit_no")
    assert left_out["code"] == "MA-6404"
    assert (many, document["code"]) == (422, "MA-6312")
    assert len(document["fields"]) == 50
    assert document["fields"][1]["path"] == "line[2].visit_no"
    assert document["fields"][1]["code"] == "MA-6404"
    for told in (json.dumps(found), json.dumps(document), caplog.text):
        assert IDENTITY_NUMBER not in told


@pytest.mark.parametrize(
    ("kind", "coding"),
    [("application/json", None), ("", None), ("text/plain", "gzip")],
)
async def test_what_says_it_is_no_list_is_refused(
    town: Town, kind: str, coding: str | None
) -> None:
    """By its type, or because it would have to be unpacked first."""
    headers = {"Content_Type": kind}
    if coding:
        headers["Content_Encoding"] = coding
    content = gzip.compress(b"x") if coding else b"x"

    status, document = await town.ask("H001", "POST", f"{DAY}/list", content, **headers)

    assert (status, document["code"]) == (415, "MA-1106")


async def test_half_a_gigabyte_is_refused_unread(town: Town) -> None:
    """As soon as it is announced."""
    async with begun(town, f"Content-Length: {500 << 20}") as (reader, _):
        status, rest = await answered(reader)

    assert status == 413
    assert b"MA-1105" in rest


async def test_too_much_is_refused_on_its_way(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody has said how much it would be."""
    monkeypatch.setattr(upload, "MOST_BYTES", 1_000)
    piece = b"3e9\r\n" + b"x" * 1_001 + b"\r\n"

    async with begun(town, "Transfer-Encoding: chunked", piece) as (reader, _):
        status, rest = await answered(reader)

    assert status == 413
    assert b"MA-1105" in rest


async def test_slow_sender_is_given_up(database: Database, data_dir: Path) -> None:
    """408 after a pause, and the hospital's turn is free again."""
    limits = ConnectionLimits(body_s=1.0)
    async with open_town(database, data_dir, limits=limits) as town:
        settled = await town.months.settle()
        async with begun(town, "Content-Length: 100", b"x") as (reader, _):
            status, rest = await answered(reader)
        again, _ = await town.upload(text_of(row_of(settled)))

    assert (status, again) == (408, 200)
    assert b"MA-1140" in rest


async def test_dripping_sender_is_given_up(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However short the pauses are."""
    monkeypatch.setattr(upload, "WITHIN_S", 0.5)
    async with begun(town, "Content-Length: 1000000") as (reader, writer):

        async def drip() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(POLL_S)

        dripping = asyncio.create_task(drip())
        status, rest = await answered(reader)
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)

    assert status == 408
    assert b"MA-1140" in rest


async def test_one_list_at_a_time(town: Town) -> None:
    """A hospital's second one waits outside; another hospital's does not."""
    content = text_of(["x", "MZ-none", "", "1.00", "1.00", "", "0"])
    head = f"Content-Length: {len(content)}\r\nExpect: 100-continue"
    async with begun(town, head) as (reader, writer):
        async with asyncio.timeout(WITHIN_S):
            assert await reader.readuntil(b"\r\n\r\n") == (
                b"HTTP/1.1 100 Continue\r\n\r\n"
            )
        second, document = await town.upload(content)
        other, _ = await town.upload(content, who="H002")
        writer.write(content)
        first, _ = await answered(reader)

    assert (second, document["code"]) == (429, "MA-3106")
    assert (first, other) == (200, 200)
    assert (await town.upload(content))[0] == 200


def children() -> list[int]:
    """The processes that match lists for this one."""
    pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return [
        pid
        for pid in pids
        if parent_of(pid) == os.getpid() and PROGRAM.encode() in command_of(pid)
    ]


async def begin_upload(town: Town) -> asyncio.Task[tuple[int, Any]]:
    """An opened month, and a list of it that is being matched."""
    settled = await town.months.settle()
    await town.months.open()
    return asyncio.create_task(town.upload(text_of(row_of(settled)), MONTH))


async def test_killed_process_is_503_and_keeps_nothing(town: Town) -> None:
    """It ran at the lowest priority on a file without a name."""
    async with held(town):
        sending = await begin_upload(town)
        await waiting(town)
        [pid] = children()
        priority = os.getpriority(os.PRIO_PROCESS, pid)
        files = [*(town.folder / "run").iterdir()]
        os.kill(pid, signal.SIGKILL)
        status, document = await sending

    assert (status, document["code"]) == (503, "MA-5101")
    assert (priority, files) == (19, [])
    assert await town.kept_lists() == 0


async def test_process_ends_with_the_caller(town: Town) -> None:
    """Nobody waits for the answer, and nothing is kept."""
    settled = await town.months.settle()
    await town.months.open()
    content = text_of(row_of(settled))
    async with held(town):
        async with begun(town, f"Content-Length: {len(content)}", content):
            await waiting(town)
            assert len(children()) == 1
        await until(lambda: not children())

    assert await town.kept_lists() == 0


async def test_process_that_takes_too_long_is_ended(town: Town) -> None:
    """503, and no process is left behind."""
    gateway = town.months.house.gateway
    gateway.reconciliation.lists = ListRunner(within_s=0.5)
    async with held(town), asyncio.timeout(WITHIN_S):
        status, document = await (await begin_upload(town))
        assert children() == []

    assert (status, document["code"]) == (503, "MA-5101")
    assert await town.kept_lists() == 0


async def test_process_ends_with_the_worker(town: Town, tmp_path: Path) -> None:
    """The end of its input is the end of the worker."""
    settled = await town.months.settle()
    await town.months.open()
    path = tmp_path / "list"
    path.write_bytes(text_of(row_of(settled)))
    with path.open("rb") as file:
        order = ListOrder(
            dsn=town.months.database.dsn, fd=file.fileno(), facility="H001",
            period=MONTH, operator="op-1", today="2026-03-01",
        )  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", PROGRAM),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(file.fileno(),),
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
        async with held(town):
            await waiting(town)
            process.stdin.close()
            async with asyncio.timeout(WITHIN_S):
                status = await process.wait()

    assert status == 1
    assert await town.kept_lists() == 0


async def test_first_thousand_differences_are_told(town: Town) -> None:
    """And that there are more; the count is of all."""
    mine = await town.months.settle()
    rows = [
        [f"x{number}", f"V-{number}", "", "1.00", yuan(50), "", "0"]
        for number in range(1_001)
    ]
    content = text_of(row_of(mine), *rows)
    _, day = await town.upload(content)
    await town.months.open()
    _, month = await town.upload(content, MONTH)

    for found in (day, month):
        assert (len(found["differences"]), found["more"]) == (1_000, True)
        assert found["kinds"] == {"missing_at_gateway": 1_001}
