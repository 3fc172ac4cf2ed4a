"""Three habits of addresses: one for all, one each, and the platform's own paths.

The number in the body decides; an address only must not contradict it. The paths are
the platform's, misspellings included (his-interface.md, 1.3).
"""

from __future__ import annotations

import re

_INFNO = re.compile(r"([0-9]{4})[A-Z]?")
#: The last segment, in lower case, where it says what is asked.
_SERVICES = {
    "presettletment": "2206",
    "savesettletment": "2207",
    "canclesettletment": "2208",
    "revsmethod": "2601",
    "querypsninfo": "1101",
    "stmttotal": "3201",
    "stmtdetail": "3202",
    "upload": "9101",
    "download": "9102",
    "beforeanalyze": "3101",
    "courseanalyze": "3102",
}


def infno_of_path(path: str) -> str:
    """The transaction that an address names; empty where it names none."""
    last = path.rstrip("/").rpartition("/")[2]
    number = _INFNO.fullmatch(last)
    if number is not None:
        return number.group(1)
    return _SERVICES.get(last.lower(), "")
