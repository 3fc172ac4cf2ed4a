"""Reconciling where a hospital's file says too much, too little or something else."""

from __future__ import annotations

import asyncio
import base64
import copy
import tracemalloc
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.his.file_shelf import MOST_FILES, UPLOADED, packed_rows
from gateway.his.statement_rows import MOST_ROWS, read_rows
from settlement.domain.errors import RequestRefused
from settlement.store.database import Database
from settlement.store.his_statements import prune_files
from tests.his.desk import HisRoom, envelope, new_msgid
from tests.his.doors import PARTY, GuardedRoom
from tests.his.test_his_statements import (
    INSTITUTION,
    NEXT_DAY,
    Hospital,
    packed,
    zipped,
)

TWO_DAYS = {"stmt_enddate": "2026-01-06"}
SECOND_DAY = {"stmt_begndate": "2026-01-06", "stmt_enddate": "2026-01-06"}


@pytest.fixture
async def hospital(room: HisRoom) -> Hospital:
    """With one person on the roster."""
    await room.house.enrol("C00000001")
    return Hospital(room)


async def result(hospital: Hospital, **changes: Any) -> tuple[str, str]:
    """`stmt_rslt` and `memo` of the only difference."""
    (line,) = await hospital.differences(**changes)
    return line[4], line[6]


async def test_line_too_many_is_not_called_undone(hospital: Hospital) -> None:
    """Else a patient would be charged for aid that still stands."""
    await hospital.settle(card="C00000001")
    hospital.rows *= 2
    assert await result(hospital) == ("000102", "医药机构明细重复")


async def test_undoing_listed_twice(hospital: Hospital) -> None:
    """Nothing is to be undone again."""
    given, told, _ = await hospital.settle(card="C00000001")
    await hospital.cancel(given, told, own_number=True)
    hospital.rows.append(hospital.rows[-1])
    assert await result(hospital) == ("000101", "医药机构明细重复")


async def test_file_of_more_days_than_asked_for(hospital: Hospital) -> None:
    """The day of the undoing and that of the settlement are told apart."""
    given, told, _ = await hospital.settle(card="C00000001")
    await hospital.cancel(given, told, own_number=False, **NEXT_DAY)
    assert await hospital.differences(**TWO_DAYS) == []
    assert await result(hospital) == ("000101", "撤销不在所对日期内")
    assert await result(hospital, **SECOND_DAY) == ("000102", "结算不在所对日期内")
    hospital.rows.pop()
    assert await hospital.differences() == []
    assert (await result(hospital, **SECOND_DAY))[1] == "网关已撤销，医药机构未退费"


async def test_refund_alone_is_not_the_settlement(hospital: Hospital) -> None:
    """Of what was undone here too, and of what still stands."""
    given, told, _ = await hospital.settle(card="C00000001")
    row = hospital.rows.pop()
    hospital.rows.append((*row[:6], "1"))
    assert await result(hospital) == ("000101", "医药机构已退费，网关未撤销")
    await hospital.cancel(given, told, own_number=False)
    hospital.rows.pop()
    assert await result(hospital) == ("000101", "医药机构明细中无此结算")


async def test_other_offices_and_kinds_are_not_missed(hospital: Hospital) -> None:
    """A file of one office leads nobody to reverse another office's settlements."""
    await hospital.settle(card="C00000001", clr_optins="990200")
    await hospital.settle(card="C00000001", clr_optins="")
    other, nobody = hospital.rows
    hospital.rows = [nobody]
    assert await hospital.differences() == []
    hospital.rows = [other, nobody]
    assert await hospital.differences() == []
    hospital.rows = []
    assert len(await hospital.differences()) == 1
    assert len(await hospital.differences(clr_type="11")) == 1
    assert await hospital.differences(clr_type="21") == []
    assert len(await hospital.differences(setl_optins="990200")) == 2


async def test_lines_without_a_number_do_not_hide_each_other(
    hospital: Hospital,
) -> None:
    """A refund of one visit and a settlement of another come to nothing only in sum."""
    hospital.rows = [
        ("", "MZ1", "P1", "5.00", "1.00", "0.00", "0"),
        ("", "MZ2", "P2", "-5.00", "-1.00", "0.00", "1"),
    ]
    found = await hospital.differences()
    assert [line[1] for line in found] == ["MZ1", "MZ2"]
    assert {line[4] for line in found} == {"000102"}


async def test_many_files_at_once_are_no_more_than_may_be(room: HisRoom) -> None:
    """Each counts what the others have left."""

    async def upload(number: int) -> str:
        content = packed_rows("rows", [("", f"MZ{number}", "P", "1", "1", "0", "0")])
        given = {
            "in": base64.b64encode(content).decode(),
            "filename": "rows.zip",
            "fixmedins_code": INSTITUTION,
        }
        return (await room.ask("9101", {"fsUploadIn": given})).code

    assert {await upload(n) for n in range(MOST_FILES - 1)} == {""}
    async with room.house.database.pool.acquire() as other:
        async with other.transaction():
            await other.execute("LOCK TABLE his_file IN EXCLUSIVE MODE")
            more = [asyncio.create_task(upload(MOST_FILES + n)) for n in range(4)]
            await _waiting(other, 2)
        told = Counter(await asyncio.gather(*more))
    assert told == {"": 1, "MA-1222": 3}


async def _waiting(session: Any, least: int) -> None:
    """Until so many statements wait for somebody's lock."""
    waiting = (
        "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
        " WHERE NOT l.granted AND d.datname = current_database()"
    )
    async with asyncio.timeout(10):
        while await session.fetchval(waiting) < least:  # noqa: ASYNC110  # PostgreSQL's
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("count", ["1.00", 1.0, "1"])
async def test_count_is_read_in_every_habit(hospital: Hospital, count: object) -> None:
    """As number or text, with places that say nothing."""
    await hospital.settle(card="C00000001")
    assert await hospital.total(fixmedins_setl_cnt=count) == "000000"


@pytest.mark.parametrize("count", ["1.5", "-", "1e1", "--1", "99999999999"])
async def test_count_that_is_none_is_refused(hospital: Hospital, count: str) -> None:
    """By its field."""
    data = hospital.stated() | {
        "insutype": "390", "clr_type": "11", "fixmedins_setl_cnt": count
    }  # fmt: skip
    told = await hospital.room.ask("3201", {"data": data})
    assert told.infcode == -2
    assert "fixmedins_setl_cnt" in told.message


@pytest.mark.parametrize("day", ["1900-01-01", "2179-06-06", "9999-12-31"])
async def test_days_that_no_settlement_has(hospital: Hospital, day: str) -> None:
    """Are empty days, however far off."""
    zeros = hospital.stated(day, day) | {"insutype": "390", "clr_type": "11"}
    told = await hospital.room.ask("3201", {"data": zeros})
    assert (told.infcode, told.message) == (0, "")
    assert told.output["stmtinfo"]["stmt_rslt"] == "000000"


async def test_charge_sent_twice_is_answered_with_the_sums_that_count(
    hospital: Hospital,
) -> None:
    """Whatever the platform is said to have added up the second time."""
    given, first, _ = await hospital.settle(card="C00000001")
    other = copy.deepcopy(given)
    other["setlinfo"]["fund_pay_sumamt"] = "170.00"
    other["setlinfo"]["clr_type"] = "99"
    other["data"]["insutype"] = other["setlinfo"]["insutype"] = "310"
    again = await hospital.room.ask("2207", other)
    assert again.setlinfo["setl_id"] == first.setlinfo["setl_id"]
    kind = again.setlinfo["insutype"], again.setlinfo["clr_type"]
    assert kind == ("390", "11")
    hospital.rows.clear()
    hospital.sums.clear()
    hospital.count = 0
    hospital.enter(again, other, 1, again.setlinfo["setl_id"])
    assert await hospital.total() == "000000"
    assert await hospital.differences() == []


async def test_message_repeated_after_its_files_time(hospital: Hospital) -> None:
    """Makes a new file: the old one is gone first."""
    msgid = new_msgid()
    first = await hospital.upload(msgid=msgid)
    await _end_files(hospital)
    again = await hospital.upload(msgid=msgid)
    assert (again.infcode, again.message) == (0, "")
    assert again.output["file_qury_no"] != first.output["file_qury_no"]


async def test_files_that_are_over_go_by_themselves(hospital: Hospital) -> None:
    """Even if no hospital sends another."""
    database = hospital.room.house.database
    count = "SELECT count(*) FROM his_file"
    assert (await hospital.upload()).infcode == 0
    ends_at = await database.pool.fetchval("SELECT ends_at FROM his_file")
    await prune_files(database, ends_at)
    assert await database.pool.fetchval(count) == 1
    later = ends_at + timedelta(seconds=1)
    await prune_files(database, later)
    assert await database.pool.fetchval(count) == 0


async def test_files_are_swept_beside_the_report(
    guarded: GuardedRoom, database: Database
) -> None:
    """Also where nobody uploads any more."""
    shelf, now = guarded.access.files, guarded.house.gateway.now()
    party = await database.pool.fetchval("SELECT id FROM party WHERE code = $1", PARTY)
    await shelf.put(party, "9101:m", kind=UPLOADED, filename="f", content=b"rows")
    await database.pool.execute(
        "UPDATE his_file SET made_at = $1, ends_at = $2",
        now - timedelta(days=3),
        now - timedelta(days=1),
    )
    await guarded.access.look()
    assert await database.pool.fetchval("SELECT count(*) FROM his_file") == 0


async def _end_files(hospital: Hospital) -> None:
    await hospital.room.house.database.pool.execute(
        "UPDATE his_file SET made_at = now() - interval '9 days',"
        " ends_at = now() - interval '1 day'"
    )


@pytest.mark.parametrize("value", [[80, 75, 999], [80, -129], [80, True], [80, 1.5]])
async def test_array_of_what_are_no_bytes_is_refused(
    hospital: Hospital, value: list[object]
) -> None:
    """Whole: what a byte cannot hold is not left away."""
    given = {"in": value, "filename": "f", "fixmedins_code": INSTITUTION}
    told = await hospital.room.ask("9101", {"fsUploadIn": given})
    assert told.code == "MA-1221"


def test_millions_of_short_lines_are_refused_unread() -> None:
    """They fit into the bytes of a file, and as rows into no machine."""
    lines = "".join(f"{each * 7919 % 99991}\t\t\t\t\t\n" for each in range(600_000))
    noise = packed(lines.encode())
    tracemalloc.start()
    try:
        with pytest.raises(RequestRefused, match="MA-6310"):
            read_rows(noise)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 << 20


def test_as_many_lines_as_are_allowed_are_read() -> None:
    """With blank lines behind them."""
    text = b"s\tm\tp\t1\t1\t0\t0\r\n" * MOST_ROWS + b"\r\n\r\n"
    assert len(read_rows(packed(text))) == MOST_ROWS


async def test_large_file_goes_to_the_address_that_names_9101(
    hospital: Hospital,
) -> None:
    """Elsewhere a body has the bounds of every call."""
    rows: list[tuple[str, ...]] = [
        (f"S{n}", "M", "P", f"{n}.00", "0", "0", "0") for n in range(18_000)
    ]
    content = base64.b64encode(zipped(rows)).decode()
    given = {"in": content, "filename": "f", "fixmedins_code": INSTITUTION}
    assert len(content) > 64 << 10
    message = envelope("9101", {"fsUploadIn": given})
    plain = await hospital.room.send(message)
    assert (plain.infcode, plain.code) == (-2, "MA-1105")
    for path in ("/his/9101", "/fsi/api/fileupload/upload"):
        assert (await hospital.room.send(message, path)).infcode == 0
    other = await hospital.room.send(message, "/his/3201")
    assert (other.infcode, other.code) == (-2, "MA-1105")


def test_encrypted_file_is_refused() -> None:
    """By the mark of its member; nobody is asked for a password."""
    octets = bytearray(packed(b"s\tm\tp\t1\t1\t0\t0\n"))
    # Flags: 6 bytes into the member's head, 8 into the directory's.
    octets[6] |= 1
    octets[octets.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(RequestRefused, match="MA-6306"):
        read_rows(bytes(octets))


def test_names_within_the_zip_lead_nowhere(tmp_path: Path) -> None:
    """The text is read, and written to no path."""
    text = b"s\tm\tp\t1\t1\t0\t0\n"
    name = f"../../{tmp_path}/evil.txt"
    assert len(read_rows(packed(text, name))) == 1
    assert list(tmp_path.iterdir()) == []
