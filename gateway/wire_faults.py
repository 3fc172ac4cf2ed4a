"""Every fault of one request, collected under the path of its field."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn

from settlement.domain.bill import BillFault
from settlement.domain.errors import RequestRefused

if TYPE_CHECKING:
    from pydantic import ValidationError

#: More help nobody, and an answer must not grow with the request.
MAX_FAULTS = 50
#: Nor with the depth of what the request nests.
_MAX_PATH = 100
#: Names that a sender invents are shown only if they cannot be a personal number.
_HARMLESS_NAME = re.compile(r"[A-Za-z_]{1,40}")
#: The path of the whole body.
WHOLE_BODY = "$"

_REASON_OF_ERROR = {
    "missing": "MA-1120",
    "extra_forbidden": "MA-1121",
    "enum": "MA-1123",
    "literal_error": "MA-1123",
    "string_pattern_mismatch": "MA-1126",
    "too_long": "MA-1126",
    "greater_than_equal": "MA-1130",
    "less_than_equal": "MA-1130",
    "int_parsing_size": "MA-1130",
}
#: A wrong form or range of these says more with the code of its own kind.
DAYS = frozenset({"service_start", "service_end", "service_date", "service_from",
                   "service_to", "from", "to", "day"})  # fmt: skip
INSTANTS = frozenset({"occurred_at"})
#: Members of these objects are months, whatever they are called.
_MONTHS = "months"
#: Amounts within these are sums of many bills, of either sign.
_SUMS = "totals"


class Faults:
    """Faults in the order found; empty is false."""

    def __init__(self) -> None:
        self._found: list[BillFault] = []
        self.is_json = True

    def __bool__(self) -> bool:
        return bool(self._found) or not self.is_json

    def add(self, path: str, reason: str) -> None:
        """Note one fault; beyond `MAX_FAULTS` they are dropped."""
        if len(self._found) < MAX_FAULTS:
            if len(path) > _MAX_PATH:
                path = path[:_MAX_PATH] + "..."
            self._found.append(BillFault(path, reason))

    def replace_by(self, fault: BillFault, *, is_json: bool) -> None:
        """Note this fault alone: what cannot be read has no others that count."""
        self._found = []
        self.is_json = is_json
        self.add(fault.path, fault.reason)

    def has(self, path: str) -> bool:
        """Whether this very path is at fault already."""
        return any(fault.path == path for fault in self._found)

    def add_pydantic(self, invalid: ValidationError) -> None:
        """Note what pydantic found, without any value that was sent."""
        for error in invalid.errors(
            include_url=False, include_context=False, include_input=False
        ):
            kind, location = error["type"], error["loc"]
            if kind == "json_invalid":
                self.is_json = False
                return
            self.add(_path(location, kind), _reason(location, kind))

    def refusal(self) -> RequestRefused:
        """The exception that carries them all, under the code that fits best."""
        if not self.is_json:
            return RequestRefused("MA-1101", faults=tuple(self._found))
        reasons = {fault.reason for fault in self._found}
        if "MA-1104" in reasons:
            code = "MA-1104"
        elif reasons == {"MA-1110"}:
            code = "MA-1110"
        else:
            code = "MA-1102"
        return RequestRefused(code, faults=tuple(self._found))


def _reason(location: tuple[int | str, ...], kind: str) -> str:
    name = location[-1] if location else ""
    is_text_form = kind == "string_pattern_mismatch"
    if isinstance(name, str):
        if name.endswith("_fen") and kind not in ("missing", "extra_forbidden"):
            is_range = _REASON_OF_ERROR.get(kind) == "MA-1130"
            if not is_range:
                return "MA-1122"
            return "MA-1130" if location[0] == _SUMS else "MA-1110"
        if is_text_form and location[0] == _MONTHS:
            return "MA-1132"
        if is_text_form and name in DAYS:
            return "MA-1124"
        if is_text_form and name in INSTANTS:
            return "MA-1125"
    return _REASON_OF_ERROR.get(kind, "MA-1128")


def _path(location: tuple[int | str, ...], kind: str) -> str:
    path = ""
    for place, step in enumerate(location):
        if isinstance(step, int):
            path += f"[{step}]"
            continue
        is_invented = kind == "extra_forbidden" and place == len(location) - 1
        name = shown_name(step) if is_invented else step
        path += f".{name}" if path else name
    return path or WHOLE_BODY


def shown_name(name: str) -> str:
    """A member's name as an error may show it; `?` where it could be personal."""
    return name if _HARMLESS_NAME.fullmatch(name) else "?"


class _Member(dict[str, Any]):
    """A JSON object that remembers which names stood more than once."""

    repeated: tuple[str, ...] = ()


def _keep_repeats(pairs: list[tuple[str, Any]]) -> _Member:
    member = _Member(pairs)
    if len(member) != len(pairs):
        # Counted in one pass: a body may repeat thousands of names.
        times = Counter(name for name, _ in pairs)
        member.repeated = tuple(name for name in times if times[name] > 1)
    return member


class NoJsonError(ValueError):
    """A constant that Python's reader takes and RFC 8259 does not know."""


def _no_constant(_name: str) -> NoReturn:
    raise NoJsonError


def duplicate_keys(raw: bytes, faults: Faults) -> None:
    """Note every name that stands twice in one object.

    RFC 8259 leaves their meaning open, so two readers may see two bills. `raw` was
    read by pydantic; raises `NoJsonError` where it holds `NaN` or an infinity.
    """
    body = json.loads(raw, object_pairs_hook=_keep_repeats, parse_constant=_no_constant)
    _note_repeats(body, "", faults)


def _note_repeats(value: object, path: str, faults: Faults) -> None:
    if isinstance(value, _Member):
        for name in sorted(value.repeated):
            faults.add(joined(path, shown_name(name)), "MA-1127")
        for name, inner in value.items():
            _note_repeats(inner, joined(path, shown_name(name)), faults)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            _note_repeats(inner, f"{path}[{place}]", faults)


def joined(path: str, name: str) -> str:
    """The path of a member of the object at `path`."""
    return f"{path}.{name}" if path else name
