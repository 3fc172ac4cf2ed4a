"""What kind of text stands in a cell, for whoever looks for the fault: never the text.

A class says which characters there are and how many. It tells a number of the first
generation from one that lacks a digit, and nothing about whose it is.
"""

from __future__ import annotations

import re
import unicodedata

#: More characters than this are one class: the length of an essay says who wrote it.
_LONGEST = 99
_UNDECODED = "\ufffd"
_KINDS = (
    ("date", re.compile(r"[0-9]{1,4}([-/.][0-9]{1,2}){1,2}|[0-9年月日]*[年月日]")),
    ("digits", re.compile(r"[0-9]+")),
    ("digits-x", re.compile(r"[0-9]+[Xx]")),
    ("letters", re.compile(r"[A-Za-z]+")),
    ("letters-digits", re.compile(r"[A-Za-z0-9]+")),
    ("han", re.compile(r"[\u3400-\u9fff]+")),
)


def value_class(text: str) -> str:
    """`empty`, `undecoded`, or a kind and a length as `digits:15`.

    Full-width characters count as their ASCII ones, with `wide-` before the kind.
    """
    if _UNDECODED in text:
        return "undecoded"
    plain = unicodedata.normalize("NFKC", text).strip()
    if not plain:
        return "empty"
    kind = next((name for name, form in _KINDS if form.fullmatch(plain)), "mixed")
    wide = "wide-" if plain != text.strip() else ""
    return f"{wide}{kind}:{min(len(plain), _LONGEST)}"
