"""In which encoding a roster's text is: declared, and checked against what it holds."""

from __future__ import annotations

from settlement.domain.roster import RosterRefusedError

UTF8 = "utf-8"
GB18030 = "gb18030"
NOT_AS_DECLARED = "MA-6113"
_UTF8_MARK = b"\xef\xbb\xbf"
_NAMES = {
    "utf-8": UTF8,
    "utf8": UTF8,
    "gb18030": GB18030,
    "gbk": GB18030,
    "gb2312": GB18030,
    "cp936": GB18030,
}


def encoding_named(name: str) -> str | None:
    """The encoding of that name; `None` where rosters are not read in it.

    GB18030 contains GBK, and GBK contains GB 2312, so all of them are read as one.
    """
    return _NAMES.get(name.strip().strip('"').lower())


def require_declared(sample: bytes, encoding: str) -> None:
    """Refuse a text (MA-6113) whose beginning shows another encoding.

    A few damaged bytes are no other encoding: most lines must be damaged, and be
    whole in the other one. What cannot be told is read as declared.
    """
    if encoding == UTF8 and _is_gbk(sample):
        raise RosterRefusedError(
            NOT_AS_DECLARED,
            "the text is in GBK (GB18030), and UTF-8 was declared",
        )
    if encoding == GB18030 and sample.startswith(_UTF8_MARK):
        raise RosterRefusedError(
            NOT_AS_DECLARED, "the text is in UTF-8, and GB18030 was declared"
        )


def _is_gbk(sample: bytes) -> bool:
    whole = sample.rpartition(b"\n")[0] or sample
    told = [line for line in whole.split(b"\n") if not line.isascii()]
    damaged = [line for line in told if not _decodes(line, UTF8)]
    return len(damaged) * 2 > len(told) and all(
        _decodes(line, GB18030) for line in damaged
    )


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
