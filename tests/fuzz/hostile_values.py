"""Closed lists of hostile values, as the JSON text that stands for a field's value.

Each value must be refused at every field of its kind; what may pass as well is built
in `hostile_bodies`. The lists are the specification: a value is added, never removed.
"""

import json
from enum import Enum

#: A word that stands nowhere in the program: where it comes back, input was echoed.
CANARY = "zq7Canary0x"
#: Made up: 110101 is a real area, nobody was born there with this sequence.
OTHER_RESIDENT_ID = "11010119900101995X"


class Kind(Enum):
    """What a field holds."""

    AMOUNT = "amount"
    NUMBER = "number"
    DAY = "day"
    INSTANT = "instant"
    MONTH = "month"
    OPAQUE = "opaque"
    WORD = "word"
    FLAG = "flag"
    CODES = "codes"
    CARD = "card"
    CARD_NUMBER = "card number"


def _text(*texts: str) -> tuple[bytes, ...]:
    return tuple(json.dumps(text).encode() for text in texts)


#: What other languages call numbers, and RFC 8259 does not.
NO_JSON_NUMBERS = (
    b"NaN", b"-NaN", b"nan", b"Infinity", b"-Infinity", b"0x10", b"0o17", b"0b1",
    b"00012", b"-01", b"+1", b".5", b"5.", b"1e", b"1e+", b"--1", b"1_000", b"1e1.5",
    b"1 000", b"12n", b"1.2.3", b"undefined", b"None", b"True", b"\xef\xbc\x91",
    "２５０００".encode(), "٣".encode(), b"25000yuan", b"0 0",
)  # fmt: skip
FRACTIONS = (
    b"1.0", b"25000.0", b"0.1", b"-0.0", b"1E2", b"1e400", b"-1e400", b"1e-400",
    b"2.5e4", b"25000.00000000000000000000000001", b"1e5", b"0.0", b"1E+2",
    b"1." + b"0" * 5_000,
)  # fmt: skip
HUGE_INTEGERS = (
    *(
        str(number).encode()
        for number in (
            10**9 + 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30,
            -(2**63), -(2**64), -1, -(10**9),
        )
    ),
    b"1" + b"0" * 4_000, b"9" * 4_301, b"-" + b"9" * 5_000, b"8" * 40_000,
)  # fmt: skip
_NO_NUMBERS = (
    b"true", b"false", b"[]", b"{}", b"[25000]", b'{"fen":25000}',
    *_text("25000", "２５０００", "", " ", "0x61a8", "25000.00", "一万", CANARY),
)  # fmt: skip

_TRICKS = _text(
    "", " ", "a b", "a\tb", "a\nb", "a\r\nX-Injected: 1", "\x00", "a\x00b", "\x1b[31m",
    "\x7f", "\x85", "\u2028", "\ufeffMZ1", "\ufffe", "MZ\u200b1", "\u202e1ZM",
    "e\u0301",
    "Ａ１", "ＭＺ１", "①", "٣", "１２３", "病人", "🧑‍⚕️", "a" * 65, "a" * 20_000,
    "ａ" * 64, "%s%n%d", "{0}", "${jndi:ldap://x}", "' OR '1'='1", '"; DROP TABLE',
    "<script>", "a\\b", "a'b", "a,b", "a;b", "a|b", "a*b", "(a)", "a=b", "a@b", "~",
    f"{CANARY} ", f"{CANARY}?", f"患者{CANARY}",
)  # fmt: skip
#: Escapes and bytes that are no Unicode, or may not stand in a JSON string.
NO_UNICODE = (
    b'"\\ud800"', b'"\\udc00"', b'"\\udfff\\ud800"', b'"a\\ud800b"', b'"\\uD83D"',
    b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe4\xbd"',
    b'"\x80"', b'"a\x00b"', b'"a\nb"', b'"a\tb"', b'"\x1f"', b'"\\x41"', b'"\\u12"',
    b'"\\u{41}"', b'"\\', b'"', b"'MZ1'", b"MZ1", b"\xe2\x80\x9cMZ1\xe2\x80\x9d",
)  # fmt: skip
_NO_TEXTS = (b"7", b"0", b"1.5", b"true", b"[]", b"{}", b'["MZ1"]', b'{"no":"MZ1"}')

_NO_DAYS = _text(
    "", "0000-00-00", "0000-01-01", "0001-01-01", "1899-12-31", "2026-02-29",
    "2025-02-29", "2026-02-30", "2026-04-31", "2026-13-01", "2026-00-10", "2026-01-00",
    "2026-01-32", "2026-1-5", "26-01-05", "20260105", "2026-W02-1", "2026-005",
    "2026-01-05T00:00:00Z", "2026-01-05T02:14:09+08:00", "2026-01-05Z", "05.01.2026",
    "2026/01/05", "1/5/2026", "２０２６-01-05", "２０２６－０１－０５", " 2026-01-05",
    "2026-01-05 ", "2026-01-05\n", "+2026-01-05", "-2026-01-05", "10000-01-01",
    "+10000-01-01", "９９９９-12-31", "二〇二六年一月五日", "today", "now",
    "1767571200",
    "2026-01-05\x00", "٢٠٢٦-٠١-٠٥", "99999999-01-01", CANARY,
)  # fmt: skip
_NO_INSTANTS = _text(
    "", "2026-01-05", "2026-01-05T02:14:09", "2026-01-05T02:14:09+08:00",
    "2026-01-05T02:14:09+00:00", "2026-01-05T02:14:09-00:00", "2026-01-05 02:14:09Z",
    "2026-01-05t02:14:09z", "2026-01-05T24:00:00Z", "2026-01-05T23:60:00Z",
    "2016-12-31T23:59:60Z", "2026-01-05T02:14Z", "2026-01-05T02:14:09.1234567Z",
    "2026-01-05T02:14:09,5Z", "2026-01-05T02:14:09.Z", "20260105T021409Z",
    "2026-W02-1T00:00:00Z", "2026-02-30T00:00:00Z", "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-05T02:14:09Zz",
    "２０２６-01-05T02:14:09Z", "2026-01-05T02:14:09Z\n", "1767571200", "now", CANARY,
)  # fmt: skip
_NO_MONTHS = _text(
    "", "2026-13", "2026-00", "2026-1", "26-01", "202601", "2026-01-05", "2026/01",
    "2026-W02", "1899-12", "2151-01", "0000-01", "9999-12", "10000-01", "+2026-01",
    "-2026-01", " 2026-01", "2026-01 ", "2026-01\n", "2026-01\x00", "２０２６-01",
    "2026年1月", "January 2026", "1767571200", "null", CANARY,
)  # fmt: skip
_NO_WORDS = _text(
    "", "Outpatient", "OUTPATIENT", " outpatient", "outpatient ", "outpatient\x00",
    "ｏｕｔｐａｔｉｅｎｔ", "门诊", "null", "0", CANARY,
)  # fmt: skip
_NO_CODES = (
    b"null", b'"I10"', b"{}", b"7", b"[1]", b"[null]", b"[true]", b'[["I10"]]', b"[{}]",
    b'[""]', b'["I 10"]', b'["I10\\u0000"]', '["高血压"]'.encode(), b'["' + b"I" * 41
    + b'"]', b"[" + b'"I10",' * 64 + b'"I10"]', b"[" * 150 + b"]" * 150, b"[NaN]",
    b'["\\ud800"]', b'["I10",]', b'["I10" "I11"]', b"[,]", b"[",
)  # fmt: skip
_NO_CARDS = (
    b"[]", b"{}", b"7", b'"A12345678"', b'{"kind":"resident_id"}',
    b'{"number":"A12345678"}', b'{"kind":"passport","number":"A12345678"}',
    b'{"kind":"resident_id","number":"110101199001019980"}',
    b'{"kind":"resident_id","number":"A12345678"}', b'{"kind":"social_security_card",',
    b'{"kind":"social_security_card","number":"A12345678","pin":1}',
    b'{"kind":"social_security_card","number":"A12345678","number":"B12345678"}',
)  # fmt: skip

#: By the kind of field: what it never takes, `null` apart.
REFUSED: dict[Kind, tuple[bytes, ...]] = {
    Kind.AMOUNT: (*_NO_NUMBERS, *NO_JSON_NUMBERS, *FRACTIONS, *HUGE_INTEGERS),
    Kind.NUMBER: (*_NO_NUMBERS, *NO_JSON_NUMBERS, *FRACTIONS, *HUGE_INTEGERS),
    Kind.DAY: (*_NO_DAYS, *_NO_TEXTS, *NO_UNICODE),
    Kind.INSTANT: (*_NO_INSTANTS, *_NO_TEXTS, *NO_UNICODE),
    Kind.MONTH: (*_NO_MONTHS, *_NO_TEXTS, *NO_UNICODE),
    Kind.OPAQUE: (*_TRICKS, *_NO_TEXTS, *NO_UNICODE),
    Kind.WORD: (*_NO_WORDS, *_NO_TEXTS, *NO_UNICODE),
    Kind.FLAG: (b"0", b"1", b"1.0", b"NaN", b"[]", b"{}", b"TRUE", b"tru", b"True",
                *_text("true", "", "是", "1", CANARY)),
    Kind.CODES: _NO_CODES,
    Kind.CARD: _NO_CARDS,
    Kind.CARD_NUMBER: (*_TRICKS, *_NO_TEXTS, *NO_UNICODE, *_text("12345", "1" * 33)),
}  # fmt: skip


def hidden(number: str) -> tuple[bytes, ...]:
    """A number in clear inside of an opaque text: each must be refused.

    A card's own number is found through separators too; see `apart`.
    """
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in number)
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in number)
    return (
        *_text(number, number.lower(), number.upper(), f"MZ{number}", f"{number}-1",
               f"a.{number.lower()}.b", f"MZ:{number}/2", wide, f"MZ-{wide}"),
        f'"{escaped}"'.encode(),
    )  # fmt: skip


def apart(number: str) -> tuple[bytes, ...]:
    """A card's number with separators: refused as the number itself."""
    return _text(
        "-".join(number), ".".join(number.lower()), f"{number[:3]}-{number[3:]}",
        f"MZ_{number[:4]}:{number[4:6]}_{number[6:]}",
    )  # fmt: skip
