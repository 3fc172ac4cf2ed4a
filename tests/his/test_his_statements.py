"""3201 and 3202: what 2207 answered, added up by the hospital, is flat here."""

from __future__ import annotations

import base64
import io
import random
import zipfile
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from gateway.his.file_shelf import MOST_FILES
from gateway.his.statement_rows import read_rows
from settlement.domain.errors import RequestRefused
from tests.his.desk import HisRoom, Told, charge, envelope, new_msgid

INSTITUTION, OTHER = "H99010000001", "H99010000002"
DAY = "2026-01-05"
#: A day later, by the header that a sandbox lets a caller set.
NEXT_DAY = {"Medaid_Sandbox_Time": "2026-01-06T02:14:09Z"}


@dataclass
class Hospital:
    """Its own books: what it was answered, and what it gave back."""

    room: HisRoom
    rows: list[tuple[str, ...]] = field(default_factory=list)
    sums: dict[str, Decimal] = field(default_factory=dict)
    count: int = 0

    def enter(self, told: Told, given: dict[str, Any], sign: int, setl_id: str) -> None:
        info = told.setlinfo
        names = "medfee_sumamt", "fund_pay_sumamt", "acct_pay"
        amounts = [abs(info[name]) * sign for name in names]
        flag = "0" if sign > 0 else "1"
        data = given["data"]
        self.rows.append((
            setl_id, data["mdtrt_id"], data["psn_no"],
            *(f"{each:.2f}" for each in amounts), flag,
        ))  # fmt: skip
        for name, each in zip(("medfee", "fund", "acct"), amounts, strict=True):
            self.sums[name] = self.sums.get(name, Decimal(0)) + Decimal(str(each))
        self.count += sign

    async def settle(self, **changes: Any) -> tuple[dict[str, Any], Told, str]:
        """2207, and the entry of it."""
        headers = changes.pop("headers", {})
        given, msgid = charge(**changes), new_msgid()
        told = await self.room.send(envelope("2207", given, msgid=msgid), **headers)
        assert told.infcode == 0, told.message
        self.enter(told, given, 1, told.setlinfo["setl_id"])
        return given, told, msgid

    async def cancel(
        self, given: dict[str, Any], settled: Told, *, own_number: bool, **headers: str
    ) -> None:
        """2208, and the entry of it: under its own number, or under the first."""
        data = {
            "setl_id": settled.setlinfo["setl_id"],
            "mdtrt_id": given["data"]["mdtrt_id"],
            "psn_no": given["data"]["psn_no"],
        }
        told = await self.room.send(envelope("2208", {"data": data}), **headers)
        assert told.infcode == 0, told.message
        number = told.setlinfo["setl_id"] if own_number else data["setl_id"]
        self.enter(told, given, -1, number)

    async def reverse(self, given: dict[str, Any], settled: Told, msgid: str) -> None:
        """2601, and the entry of it."""
        data = {"psn_no": given["data"]["psn_no"], "omsgid": msgid, "oinfno": "2207"}
        assert (await self.room.ask("2601", {"data": data})).infcode == 0
        self.enter(settled, given, -1, settled.setlinfo["setl_id"])

    def stated(self, first: str = DAY, last: str = DAY) -> dict[str, Any]:
        """Totals as both transactions take them."""
        return {
            "setl_optins": "990100",
            "stmt_begndate": first,
            "stmt_enddate": last,
            "medfee_sumamt": f"{self.sums.get('medfee', 0):.2f}",
            "fund_pay_sumamt": float(self.sums.get("fund", 0)),
            "acct_pay": f"{self.sums.get('acct', 0):.2f}",
            "cash_payamt": 0,
            "fixmedins_setl_cnt": self.count,
        }

    async def total(self, **changes: Any) -> str:
        """3201."""
        data = self.stated() | {"insutype": "390", "clr_type": "11"} | changes
        told = await self.room.ask("3201", {"data": data})
        assert told.infcode == 0, told.message
        return str(told.output["stmtinfo"]["stmt_rslt"])

    async def upload(self, content: bytes | None = None, **header: Any) -> Told:
        """9101."""
        packed = zipped(self.rows) if content is None else content
        given = {
            "in": base64.b64encode(packed).decode(), "filename": "day.zip",
            "fixmedins_code": INSTITUTION,
        }  # fmt: skip
        message = envelope("9101", {"fsUploadIn": given}, **header)
        return await self.room.send(message, "/his/9101")

    async def details(self, number: str, **changes: Any) -> Told:
        """3202."""
        header = {"msgid": changes.pop("msgid")} if "msgid" in changes else {}
        data = self.stated() | {"file_qury_no": number} | changes
        data.pop("acct_pay")
        return await self.room.ask("3202", {"data": data}, **header)

    async def differences(self, **changes: Any) -> list[list[str]]:
        """9101, 3202, 9102: the lines that do not agree."""
        sent = await self.upload()
        assert sent.infcode == 0, sent.message
        made = await self.details(sent.output["file_qury_no"], **changes)
        assert made.infcode == 0, made.message
        return unzipped(await self.download(made.output["fileinfo"]["file_qury_no"]))

    async def download(self, number: str, **header: Any) -> Told:
        """9102."""
        given = {
            "file_qury_no": number, "filename": "x",
            "fixmedins_code": header.get("fixmedins_code", INSTITUTION),
        }  # fmt: skip
        return await self.room.ask("9102", {"fsDownloadIn": given}, **header)


def zipped(rows: list[tuple[str, ...]], separator: str = "\t") -> bytes:
    """As the layout has it."""
    lines = "".join(
        separator.join(each or "null" for each in row) + "\n" for row in rows
    )
    return packed(lines.encode())


def packed(text: bytes, name: str = "day.txt") -> bytes:
    """A zip with one member."""
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return octets.getvalue()


def unzipped(told: Told) -> list[list[str]]:
    """Lines of an answer's file."""
    assert told.infcode == 0, told.message
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(told.output["out"]))) as archive:
        (name,) = archive.namelist()
        text = archive.read(name).decode("utf-8")
    return [line.split("\t") for line in text.splitlines()]


@pytest.fixture
async def hospital(room: HisRoom) -> Hospital:
    """With four persons on the roster."""
    for number in range(4):
        await room.house.enrol(f"C0000000{number}")
    return Hospital(room)


async def test_day_of_settling_and_undoing_is_flat(hospital: Hospital) -> None:
    """Whatever was settled, cancelled and reversed, in whatever order."""
    chance, open_ones = random.Random(5), []
    for number in range(9):
        card = f"C0000000{number % 4}"
        account = chance.choice(["0", "12.30"])
        cash = f"{Decimal('90.00') - Decimal(account):.2f}"
        open_ones.append(
            await hospital.settle(card=card, acct_pay=account, psn_cash_pay=cash)
        )
        if chance.random() < 0.4:
            given, told, msgid = open_ones.pop()
            if chance.random() < 0.5:
                await hospital.cancel(given, told, own_number=chance.random() < 0.5)
            else:
                data = {
                    "psn_no": given["data"]["psn_no"],
                    "omsgid": msgid,
                    "oinfno": "2207",
                }
                assert (await hospital.room.ask("2601", {"data": data})).infcode == 0
                hospital.enter(told, given, -1, told.setlinfo["setl_id"])
    assert hospital.count == len(open_ones) < 9
    assert await hospital.total() == "000000"
    assert await hospital.differences() == []


async def test_undoing_of_a_later_day_counts_on_that_day(hospital: Hospital) -> None:
    """As the bureau pays it: the first day keeps its settlement."""
    given, told, _ = await hospital.settle(card="C00000001")
    first = dict(hospital.sums)
    await hospital.cancel(given, told, own_number=True, **NEXT_DAY)
    assert hospital.count == 0
    flat = {"stmt_enddate": "2026-01-06"}
    assert await hospital.total(**flat) == "000000"
    assert await hospital.total() == "000101"
    later = {"stmt_begndate": "2026-01-06", "stmt_enddate": "2026-01-06"}
    taken = {
        "medfee_sumamt": f"{-first['medfee']}", "fund_pay_sumamt": f"{-first['fund']}",
        "fixmedins_setl_cnt": "-1",
    }  # fmt: skip
    assert await hospital.total(**later, **taken) == "000000"


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"fund_pay_sumamt": "0.01"}, "000103"),
        ({"medfee_sumamt": "249.99"}, "000103"),
        ({"acct_pay": "0.01"}, "000103"),
        ({"fixmedins_setl_cnt": "2"}, "000102"),
        ({"fixmedins_setl_cnt": "0"}, "000101"),
        ({"insutype": "310"}, "000102"),
        ({"clr_type": "21"}, "000102"),
        ({"setl_optins": "990200"}, "000102"),
        ({"stmt_begndate": "2026-01-04", "stmt_enddate": "2026-01-04"}, "000102"),
    ],
)
async def test_what_is_not_flat_is_told(
    hospital: Hospital, change: dict[str, str], result: str
) -> None:
    """By the number first; every field takes part."""
    await hospital.settle(card="C00000001")
    assert await hospital.total(**change) == result


async def test_another_hospitals_day_is_not_counted(hospital: Hospital) -> None:
    """Each sees its own."""
    await hospital.settle(card="C00000001")
    data = hospital.stated() | {"insutype": "390", "clr_type": "11"}
    told = await hospital.room.ask("3201", {"data": data}, fixmedins_code=OTHER)
    assert told.output["stmtinfo"]["stmt_rslt"] == "000102"


async def test_each_difference_says_what_to_do(hospital: Hospital) -> None:
    """Ours alone with its msgid, theirs alone, other amounts, other persons."""
    alone, told, msgid = await hospital.settle(card="C00000000")
    hospital.rows.pop()
    other = await hospital.settle(card="C00000001")
    hospital.rows[-1] = (*hospital.rows[-1][:4], "1.00", *hospital.rows[-1][5:])
    person = await hospital.settle(card="C00000002")
    hospital.rows[-1] = (*hospital.rows[-1][:2], "9", *hospital.rows[-1][3:])
    hospital.rows.append(("N000000009", "MZ9", "", "1.00", "0.50", "0.00", "0"))
    found = {line[1]: line for line in await hospital.differences()}
    assert found[alone["data"]["mdtrt_id"]] == [
        "null", alone["data"]["mdtrt_id"], told.setlinfo["setl_id"], msgid, "000101",
        "0", "医药机构明细中无此结算", "250.00", "217.60", "0.00",
    ]  # fmt: skip
    assert found[other[0]["data"]["mdtrt_id"]][4:7] == ["000103", "0", "金额不同"]
    assert found[person[0]["data"]["mdtrt_id"]][4:7] == ["000103", "0", "人员编号不同"]
    assert found["MZ9"] == [
        "null", "MZ9", "N000000009", "null", "000102", "0", "所对日期内网关无此结算",
        "1.00", "0.50", "0.00",
    ]  # fmt: skip
    assert len(found) == 4


async def test_one_side_has_given_back(hospital: Hospital) -> None:
    """The hospital alone, or the gateway alone."""
    given, told, _ = await hospital.settle(card="C00000001")
    hospital.enter(told, given, -1, told.setlinfo["setl_id"])
    (line,) = await hospital.differences()
    assert line[4:7] == ["000101", "0", "医药机构已退费，网关未撤销"]
    hospital.rows.pop()
    await hospital.cancel(given, told, own_number=True)
    hospital.rows.pop()
    (line,) = await hospital.differences()
    assert line[4:7] == ["000102", "1", "网关已撤销，医药机构未退费"]


async def test_totals_that_are_not_the_files_are_told(hospital: Hospital) -> None:
    """The file is compared all the same."""
    await hospital.settle(card="C00000001")
    sent = await hospital.upload()
    told = await hospital.details(sent.output["file_qury_no"], medfee_sumamt="1.00")
    assert told.infcode == 0
    assert "合计" in told.body["warn_msg"]


async def test_repeated_messages_make_no_second_file(hospital: Hospital) -> None:
    """The same msgid gets what it got; other content under it is refused."""
    await hospital.settle(card="C00000001")
    msgid = new_msgid()
    first, again = [await hospital.upload(msgid=msgid) for _ in range(2)]
    assert first.output["file_qury_no"] == again.output["file_qury_no"]
    assert (await hospital.upload(zipped([]), msgid=msgid)).code == "MA-4103"
    number, asking = first.output["file_qury_no"], new_msgid()
    made = [await hospital.details(number, msgid=asking) for _ in range(2)]
    assert made[0].output["fileinfo"] == made[1].output["fileinfo"]
    other = await hospital.details(number, msgid=asking, stmt_begndate="2026-01-04")
    assert other.code == "MA-4103"


async def test_files_are_the_hospitals_own_and_sealed(hospital: Hospital) -> None:
    """Nobody else gets one, none is of the other kind, none stands in clear."""
    given, _, _ = await hospital.settle(card="C00000001")
    sent = await hospital.upload()
    number = sent.output["file_qury_no"]
    made = await hospital.details(number)
    result = made.output["fileinfo"]["file_qury_no"]
    assert (await hospital.download(number)).code == "MA-1223"
    assert (await hospital.download(result, fixmedins_code=OTHER)).code == "MA-1223"
    assert (await hospital.details(result)).code == "MA-1223"
    rows = await hospital.room.house.database.pool.fetch("SELECT * FROM his_file")
    psn_no = given["data"]["psn_no"].encode()
    assert len(rows) == 2
    assert not any(psn_no in bytes(row["sealed"]) for row in rows)
    assert all(bytes(row["sealed"])[:2] != b"PK" for row in rows)


async def test_hospital_holds_only_so_many_files(hospital: Hospital) -> None:
    """The others are told; what is over is forgotten with the next."""
    pool = hospital.room.house.database.pool
    for _ in range(MOST_FILES):
        assert (await hospital.upload(zipped([]))).infcode == 0
    assert (await hospital.upload(zipped([]))).code == "MA-1222"
    await pool.execute(
        "UPDATE his_file SET made_at = now() - interval '9 days',"
        " ends_at = now() - interval '1 day'"
    )
    assert (await hospital.upload(zipped([]))).infcode == 0
    assert await pool.fetchval("SELECT count(*) FROM his_file") == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"no zip", "MA-6304"),
        (packed(b"a\tb\n"), "MA-1220"),
        (packed(b"\xff\xff\xff"), "MA-6308"),
        (packed(b"0" * (9 << 20)), "MA-6303"),
        (packed(b"s\tm\tp\t1.00\t1.005\t0\t0\n"), "MA-1102"),
        (packed(b"s\tm\tp\t1.00\t1.00\t0\tx\n"), "MA-1102"),
        (packed(b"s" * 31 + b"\tm\tp\t1.00\t1.00\t0\t0\n"), "MA-1102"),
        (packed(b"s\tm\tp\t1\t1\t0\t0\n" * 20_001), "MA-6310"),
    ],
)
async def test_file_that_cannot_be_read_is_refused_whole(
    hospital: Hospital, content: bytes, code: str
) -> None:
    """With line and column, and nothing is kept."""
    told = await hospital.upload(content)
    assert (told.infcode, told.code) == (-2, code)
    if code in {"MA-1220", "MA-1102"}:
        assert "in[1]" in told.message
    pool = hospital.room.house.database.pool
    assert await pool.fetchval("SELECT count(*) FROM his_file") == 0


@pytest.mark.parametrize("value", [None, "", "!!", [1, 999], {"a": 1}, 7])
async def test_file_that_is_no_file_is_refused(
    hospital: Hospital, value: object
) -> None:
    """Before anything is opened."""
    given = {"in": value, "filename": "f", "fixmedins_code": INSTITUTION}
    told = await hospital.room.ask("9101", {"fsUploadIn": given})
    assert told.infcode == -2


async def test_file_is_of_the_institution_that_sends_it(hospital: Hospital) -> None:
    """A program that serves two hospitals has mixed them up."""
    content = base64.b64encode(zipped([])).decode()
    given = {"in": content, "filename": "f", "fixmedins_code": OTHER}
    told = await hospital.room.ask("9101", {"fsUploadIn": given})
    assert (told.infcode, told.code) == (-2, "MA-1209")


async def test_bytes_are_read_in_every_habit(hospital: Hospital) -> None:
    """Base64 with line ends, and arrays of signed or unsigned bytes."""
    content = zipped([("S1", "MZ1", "P1", "1.50", "1.00", "0.00", "0")])
    signed = [each - 256 if each > 127 else each for each in content]
    assert min(signed) < 0
    text = base64.encodebytes(content).decode()
    for value in (text, list(content), signed):
        given = {"in": value, "filename": "f", "fixmedins_code": INSTITUTION}
        told = await hospital.room.ask("9101", {"fsUploadIn": given})
        assert told.infcode == 0, told.message


def test_lines_are_read_leniently() -> None:
    """Blanks for TABs, Windows' line ends, a byte order mark, an eighth column, GBK."""
    line = ("S1", "M1", "P1", "1.50", "1", "0", "0")
    for text in (
        "\t".join(line).encode() + b"\r\n\r\n",
        b"\xef\xbb\xbf" + "\t".join((*line, "备注")).encode(),
        " ".join(line).encode(),
        "\t".join((*line, "备注")).encode("gbk"),
    ):
        (row,) = read_rows(packed(text))
        assert (row.setl_id, row.medfee_fen, row.is_refund) == ("S1", 150, False)
    (refund,) = read_rows(packed(b"S\tM\tnull\t1.00\t1\t0\t1"))
    assert (refund.medfee_fen, refund.psn_no, refund.is_refund) == (-100, "", True)


def test_two_texts_are_one_too_many() -> None:
    """Nobody knows which is meant."""
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w") as archive:
        archive.writestr("a.txt", "")
        archive.writestr("b.txt", "")
    with pytest.raises(RequestRefused, match="MA-6305"):
        read_rows(octets.getvalue())


@pytest.mark.parametrize(
    "change",
    [
        {"stmt_enddate": "2026-01-04"},
        {"stmt_enddate": "2026-02-06"},
        {"fixmedins_setl_cnt": "many"},
        {"medfee_sumamt": "1.001"},
        {"insutype": ""},
    ],
)
async def test_totals_that_cannot_be_read(
    hospital: Hospital, change: dict[str, str]
) -> None:
    """Final, with the field."""
    data = hospital.stated() | {"insutype": "390", "clr_type": "11"} | change
    told = await hospital.room.ask("3201", {"data": data})
    assert told.infcode == -2
    assert next(iter(change)) in told.message
