"""The sub-districts that an installation knows, where its operator has listed them."""

from __future__ import annotations

import re
from pathlib import Path

FILE_NAME = "subdistricts.txt"
_CODE = re.compile(r"[0-9]{9}")
#: A country has some forty thousand.
_BYTES_MAX = 4 << 20


class SubdistrictsFault(Exception):
    """The list cannot be read, or a line of it is no code."""


def read_subdistricts(folder: Path) -> frozenset[str] | None:
    """The codes in the folder's `subdistricts.txt`; `None` where there is none.

    One code of nine digits a line; what follows a space or a comma is a comment.
    Raises `SubdistrictsFault`.
    """
    path = folder / FILE_NAME
    try:
        with path.open("rb") as file:
            text = file.read(_BYTES_MAX).decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SubdistrictsFault(f"{path} cannot be read as UTF-8 text") from error
    codes = set()
    for number, line in enumerate(text.splitlines(), start=1):
        code = re.split(r"[\s,#]", line.strip(), maxsplit=1)[0]
        if not code:
            continue
        if not _CODE.fullmatch(code):
            raise SubdistrictsFault(
                f"line {number} of {path} does not begin with a code of nine digits"
            )
        codes.add(code)
    return frozenset(codes)
