"""Layouts and the sloppy variants of them: each is read, or refused to the place."""

import pytest

from gateway.hospital_lists import ListForm
from gateway.hospital_lists.layouts import Layout
from tests.hospital_lists.lists import (
    ID,
    IDENTITY_NUMBER,
    NATIONAL_LINE,
    PERSON_NAME,
    ROW,
    read,
    refusal,
    refused_lines,
    rows_of,
    zip_of,
)

OURS = "settlement_id,visit_no,idempotency_key,total_fen,aid_fen,refund\n"
THEIRS = (
    "setl_id,mdtrt_id,psn_no,medfee_sumamt,fund_pay_sumamt,acct_pay,refd_setl_flag\n"
)

#: Texts that all mean `ROW`, in their first line.
VARIANTS = {
    "as agreed": NATIONAL_LINE,
    "line end": NATIONAL_LINE + "\n",
    "CRLF": NATIONAL_LINE + "\r\n",
    "CR": NATIONAL_LINE + "\r",
    "extra content": NATIONAL_LINE + "\tsome text\tmore",
    "blank lines after": NATIONAL_LINE + "\n\n \t \n\n",
    "without flag": f"{ID}\tMZ1\tP\t250.00\t15.50\tnull",
    "five columns": f"{ID}\tMZ1\tP\t250.00\t15.50",
    "five columns by spaces": f"{ID} MZ1 P 250.00 15.50",
    "spaces": f"{ID} MZ1 P 250.00 15.50 null 0",
    "several spaces": f"  {ID}   MZ1  P 250.00    15.50 null  0  ",
    "spaces and TAB": f"{ID}  MZ1 P \t250.00 15.50 null 0",
    "TAB here and there": f"{ID}\tMZ1 P\t250.00 15.50\tnull 0",
    "spaces around TAB": NATIONAL_LINE.replace("\t", " \t "),
    "empty for null": f"{ID}\tMZ1\t\t250.00\t15.50\t\t",
    "NULL": f"{ID}\tMZ1\tNULL\t250.00\t15.50\tNULL\tNull",
    "quotes": "\t".join(f'"{cell}"' for cell in NATIONAL_LINE.split("\t")),
    "upper case id": NATIONAL_LINE.replace(ID, ID.upper()),
    "few decimals": f"{ID}\tMZ1\tP\t250\t15.5\tnull\t0",
    "no zero": f"{ID}\tMZ1\tP\t250.\t15.50\t.00\t0",
    "plus": f"{ID}\tMZ1\tP\t+250.00\t+15.50\tnull\t0",
    "four decimals": f"{ID}\tMZ1\tP\t250.0000\t15.5000\t0.0000\t0",
    "full width": f"{ID}\tＭＺ１\tP\t２５０．００\t１５．５０\tnull\t０",
    "no, in words": f"{ID}\tMZ1\tP\t250.00\t15.50\tnull\t否",
    "account without sense": f"{ID}\tMZ1\tP\t250.00\t15.50\tnone of ours\t0",
    "commas": f"{ID},MZ1,P,250.00,15.50,null,0",
    "commas and quotes": f'"{ID}","MZ1","P, Q","250.00","15.50","null","0"',
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_variant_of_the_national_layout_is_read(variant: str) -> None:
    """What hospitals send instead of the agreed form means the same."""
    rows, refused, facts = read(variant.encode())

    assert (rows, refused) == ([ROW], [])
    assert facts.layout is Layout.NATIONAL
    assert (facts.rows, facts.total_fen, facts.aid_fen) == (1, 25_000, 1_550)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_variant_is_read_from_a_zip_too(variant: str) -> None:
    """The zip with one text is what the national interface uploads."""
    rows, _, facts = read(zip_of(variant.encode()))

    assert rows == [ROW]
    assert facts.form is ListForm.ZIP


#: Tables with a header that all mean `ROW`, in their second line.
TABLES = {
    "ours": OURS + f"{ID},MZ1,,25000,1550,",
    "national names": THEIRS + f"{ID},MZ1,P,250.00,15.50,null,0",
    "Chinese names": "结算ID,就诊ID,人员编号,医疗费总额,基金支付总额,个人账户支出,"
    f"退费结算标志\n{ID},MZ1,{PERSON_NAME},250.00,15.50,0.00,否",
    "mixed": f"setl_id,visit_no,medfee_sumamt,aid_fen\n{ID},MZ1,250.00,1550",
    "other order": f"aid_fen,total_fen,visit_no,setl_id\n1550,25000,MZ1,{ID}",
    "other columns": "name,settlement_id,visit_no,note,total_fen,aid_fen\n"
    f"{PERSON_NAME},{ID},MZ1,一,25000,1550",
    "trailing columns": OURS + f"{ID},MZ1,,25000,1550,0,more,and more",
    "no flag at the end": OURS + f"{ID},MZ1,,25000,1550",
    "upper case": OURS.upper() + f"{ID},MZ1,,25000,1550,",
    "quotes": OURS + f'"{ID}","MZ1","","25000","1550","0"',
    "thousands": THEIRS + f'{ID},MZ1,P,"250.00","15.50",null,0',
    "TAB": (OURS + f"{ID},MZ1,,25000,1550,").replace(",", "\t"),
    "spaces": THEIRS.replace(",", " ") + f"{ID} MZ1 P 250.00 15.50 null 0",
    "fen with zeros": OURS + f"{ID},MZ1,,25000.00,1550.0,",
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_table_with_a_header_is_read(table: str) -> None:
    """Our names in fen, national ones in yuan, in any order."""
    rows, refused, facts = read(table.encode())

    assert (rows, refused) == ([ROW._replace(line=2)], [])
    assert facts.layout is Layout.HEADER


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("gbk", "gb18030"),
        ("gb18030", "gb18030"),
        ("utf-16", "utf-16"),
    ],
)
def test_encoding_is_found_and_said(encoding: str, said: str) -> None:
    """Windows consoles write GBK; the hospital is told how it was read."""
    table = TABLES["Chinese names"].encode(encoding)
    rows, refused, facts = read(table)

    assert (rows, refused) == ([ROW._replace(line=2)], [])
    assert facts.encoding == said


def test_key_is_read_where_the_list_has_it() -> None:
    """The key of the settlement is the surest name of all."""
    (row,) = rows_of(OURS + "null,,K:1,25000,1550,\n")

    assert (row.settlement_id, row.visit_no, row.key) == ("", "", "K:1")


def test_id_of_another_system_is_kept_as_it_is() -> None:
    """It names the line to the hospital, though it is none of ours."""
    (row,) = rows_of("H31-Abc/9\tMZ1\tP\t1.00\t0.00\n")

    assert row.settlement_id == "H31-Abc/9"


@pytest.mark.parametrize(
    ("cells", "total_fen", "aid_fen", "is_refund"),
    [
        ("-250.00\t-15.50\tnull\t0", -25_000, -1_550, False),
        ("-250.00\t-15.50\tnull\t1", -25_000, -1_550, True),
        ("250.00\t15.50\tnull\t1", 25_000, 1_550, True),
        ("250.00\t15.50\tnull\t是", 25_000, 1_550, True),
        ("0.00\t0.00\tnull\t1", 0, 0, True),
        ("-0\t-.5\tnull\tnull", 0, -50, False),
        ('"1,234,567.89"\t"1,000"\tnull\t0', 123_456_789, 100_000, False),
    ],
)
def test_refunds_and_large_amounts(
    cells: str, total_fen: int, aid_fen: int, is_refund: bool
) -> None:
    """A refund is negative, or flagged, or both; separators of thousands are read."""
    (row,) = rows_of(f"{ID}\tMZ1\tP\t{cells}\n")

    assert (row.total_fen, row.aid_fen, row.is_refund) == (
        total_fen,
        aid_fen,
        is_refund,
    )


def test_sums_count_refunds_as_they_are_matched() -> None:
    """The hospital compares them with its own before anything is matched."""
    _, _, facts = read(
        f"{NATIONAL_LINE}\n{ID}\tMZ1\tP\t250.00\t15.50\tnull\t1\n"
        f"{ID}\tMZ1\tP\t-1.00\t-0.50\tnull\t0\n".encode()
    )

    assert (facts.rows, facts.total_fen, facts.aid_fen) == (3, -100, -50)


def test_empty_cells_between_tabs_are_cells() -> None:
    """A list that begins with spaces does not lose them later."""
    rows = rows_of(f"{ID} MZ1 P 250.00 15.50\n{ID}\t\tP\t250.00\t15.50\t9.00\t\n")

    assert rows == [ROW, ROW._replace(line=2, visit_no="")]


def test_lines_keep_their_numbers() -> None:
    """Blank lines are none, and count."""
    rows = rows_of(f"\n\n{NATIONAL_LINE}\n\n{NATIONAL_LINE}\n")

    assert [row.line for row in rows] == [3, 5]


# What is left out ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        (f"{ID}\tMZ1\tP\t250.00", "", "MA-6401"),
        (ID, "", "MA-6401"),
        ("null\tnull\tP\t250.00\t15.50", "", "MA-6402"),
        ("a+b\tMZ1\tP\t250.00\t15.50", "settlement_id", "MA-6403"),
        (f"{ID}\t{PERSON_NAME}\tP\t250.00\t15.50", "visit_no", "MA-6403"),
        (f"{ID}\t{'M' * 65}\tP\t250.00\t15.50", "visit_no", "MA-6403"),
        (f"{ID}\t=cmd|' /C calc'!A0\tP\t250.00\t15.50", "visit_no", "MA-6403"),
        (f"{ID}\tMZ{IDENTITY_NUMBER}\tP\t1.00\t1.00", "visit_no", "MA-6404"),
        (f"{IDENTITY_NUMBER}\tMZ1\tP\t1.00\t1.00", "settlement_id", "MA-6404"),
        (f"{ID}\tMZ1\tP\tnull\t15.50", "total", "MA-6405"),
        (f"{ID}\tMZ1\tP\t250.00\t\t", "aid", "MA-6405"),
        (f"{ID}\tMZ1\tP\t2O0.00\t15.50", "total", "MA-6406"),
        (f"{ID}\tMZ1\tP\t1e3\t15.50", "total", "MA-6406"),
        (f"{ID}\tMZ1\tP\t.\t15.50", "total", "MA-6406"),
        (f"{ID}\tMZ1\tP\t--1\t15.50", "total", "MA-6406"),
        (f"{ID}\tMZ1\tP\t12,34\t15.50", "total", "MA-6406"),
        (f"{ID}\tMZ1\tP\t=1+1\t15.50", "total", "MA-6406"),
        (f"{ID}\tMZ1\tP\t250.00\t15.505", "aid", "MA-6407"),
        (f"{ID}\tMZ1\tP\t10000000.01\t1", "total", "MA-6408"),
        (f"{ID}\tMZ1\tP\t-10000000.01\t1", "total", "MA-6408"),
        (f"{ID}\tMZ1\tP\t{'9' * 5000}\t1", "total", "MA-6408"),
        (f"{ID}\tMZ1\tP\t250.00\t15.50\tnull\t7", "refund", "MA-6409"),
    ],
)
def test_line_at_fault_is_left_out_and_told_to_the_place(
    line: str, column: str, reason: str
) -> None:
    """The others are read; line, column and code are told, never the value."""
    content = f"{NATIONAL_LINE}\n{line}\n{NATIONAL_LINE}\n"

    assert refused_lines(content) == [(2, column, reason)]
    rows, _, facts = read(content.encode())
    assert [row.line for row in rows] == [1, 3]
    assert facts.rows == 2


@pytest.mark.parametrize(
    "line",
    [f'{ID},"MZ1,,25000,1550,', f'{ID},"MZ1"x,,25000,1550,', f'"{ID}\n",MZ1,,1,1,'],
)
def test_broken_quotes_cost_their_line_alone(line: str) -> None:
    """An open quote does not swallow the rest of the list."""
    faults = refused_lines(OURS + f"{line}\n{ID},MZ1,,25000,1550,\n")

    assert faults[0] == (2, "", "MA-6410")
    rows, _, _ = read((OURS + f"{line}\n{ID},MZ1,,25000,1550,\n").encode())
    assert len(rows) == 1


def test_fen_have_no_decimals() -> None:
    """A table in fen with amounts in yuan is not read as a hundredth."""
    assert refused_lines(OURS + f"{ID},MZ1,,250.50,15,\n") == [(2, "total", "MA-6407")]


def test_first_line_at_fault_is_no_header() -> None:
    """A list whose first line is refused goes on with the second."""
    content = f"nothing of ours\n{NATIONAL_LINE}\n"

    assert refused_lines(content) == [(1, "", "MA-6401")]
    assert refused_lines(f'{ID},"MZ1\n{ID},MZ1,P,1,1\n')[0] == (1, "", "MA-6401")


# What is refused as a whole ------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("settlement_id,visit_no,total_fen", "no column for aid"),
        ("settlement_id,visit_no,refund", "no column for total, aid"),
        ("total_fen,aid_fen,refund", "settlement_id or visit_no"),
        ("setl_id,total_fen,medfee_sumamt,aid_fen", "two columns for total"),
        ("setl_id,settlement_id,total_fen,aid_fen", "two columns for settlement_id"),
    ],
)
def test_header_that_does_not_do_is_refused(header: str, detail: str) -> None:
    """What is missing, or there twice, is told by our name of it."""
    refused = refusal(f"{header}\n{ID},1,1,1,1\n")

    assert refused.reason == "MA-6309"
    assert detail in refused.detail


@pytest.mark.parametrize("content", ["", "\n \n\t\n", "\ufeff"])
def test_empty_list_is_refused(content: str) -> None:
    """An upload that was cut off looks like it; a header alone is a list of nothing."""
    assert refusal(content).reason == "MA-6301"
    assert rows_of(OURS) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "MA-6307"),
        (b"%PDF-1.7 ...", "MA-6307"),
        (b"\x1f\x8b\x08\x00 ...", "MA-6307"),
        (b"Rar!\x1a\x07\x01\x00", "MA-6307"),
        (b"7z\xbc\xaf\x27\x1c", "MA-6307"),
        (NATIONAL_LINE.encode() + b"\n\x00\x00\n", "MA-6307"),
        (NATIONAL_LINE.encode() + b"\n\xff\xff\n", "MA-6308"),
        (NATIONAL_LINE.encode() + b"\n\x81", "MA-6308"),
        (b"\xff\xfeM", "MA-6308"),
    ],
)
def test_what_is_no_text_is_refused(content: bytes, reason: str) -> None:
    """Old Excel files, archives of other kinds and plain noise."""
    assert refusal(content).reason == reason
    assert refusal(zip_of(content)).reason == reason


def test_encoding_is_learnt_from_the_whole_list() -> None:
    """One Chinese character at the end of a long list is enough."""
    lines = f"{NATIONAL_LINE}\n" * 2_000
    content = lines.encode() + f"{NATIONAL_LINE}\t备注\n".encode("gbk")
    rows, _, facts = read(content)

    assert len(rows) == 2_001
    assert facts.encoding == "gb18030"
