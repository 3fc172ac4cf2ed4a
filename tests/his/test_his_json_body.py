"""Bodies are read as they were written, and written as they were read."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.his.json_body import Number, encoded, read_json
from settlement.domain.errors import RequestRefused
from tests.his.desk import SANDBOX_TIME, HisRoom, charge, dumped, envelope

CARD = "C00000001"
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_DIGITS = st.text("0123456789", min_size=1, max_size=40)
_NUMBERS = st.builds(
    lambda sign, whole, places, power: f"{sign}{whole}{places}{power}",
    st.sampled_from(["", "-"]),
    st.just("0") | _DIGITS.filter(lambda text: text[0] != "0"),
    st.just("") | _DIGITS.map(".{}".format),
    st.sampled_from(["", "e5", "E-7", "e+400"]),
)


class _Raw:
    """A number by its text."""

    def __init__(self, text: str) -> None:
        self.text = text


_SCALARS = st.none() | st.booleans() | _TEXTS | st.builds(_Raw, _NUMBERS)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4)
    ),
    max_leaves=12,
)


def _written(value: Any) -> str:
    """JSON with spaces where they may stand, and numbers as they are given."""
    if isinstance(value, _Raw):
        return value.text
    if isinstance(value, list):
        return "[ " + " ,".join(_written(each) for each in value) + "\n]"
    if isinstance(value, dict):
        members = (f"{json.dumps(k)}\t: {_written(v)}" for k, v in value.items())
        return "{" + ",\r\n".join(members) + " }"
    return json.dumps(value, ensure_ascii=False)


def _as_texts(value: Any) -> Any:
    """Each number by the text that it was written as."""
    if isinstance(value, Number) or type(value) is int:
        return ("number", "0" if f"{value}" == "0" else f"{value}")
    if isinstance(value, list):
        return [_as_texts(each) for each in value]
    if isinstance(value, dict):
        return {name: _as_texts(each) for name, each in value.items()}
    return value


def _by_another(text: str) -> Any:
    """What the standard library reads, numbers by their texts."""
    return json.loads(
        text,
        parse_float=lambda number: ("number", number),
        parse_int=lambda number: ("number", "0" if number == "-0" else number),
    )


@given(
    st.dictionaries(_TEXTS, _VALUES, max_size=4), st.sampled_from(["utf-8", "gb18030"])
)
def test_reads_and_writes_every_digit(document: dict[str, Any], encoding: str) -> None:
    """Two readers see the same, before and after."""
    text = _written(document)
    read = read_json(text.encode(encoding), encoding)
    assert _as_texts(read) == _by_another(text)
    assert _by_another(encoded(read).decode()) == _by_another(text)


@given(st.dictionaries(_TEXTS, _SCALARS, min_size=1, max_size=4), st.data())
def test_name_that_stands_twice_is_refused(
    document: dict[str, Any], data: st.DataObject
) -> None:
    """However the second is spelt, and wherever it stands."""
    name = data.draw(st.sampled_from(sorted(document)))
    escaped = "".join(f"\\u{ord(each):04x}" for each in name if ord(each) < 0x10000)
    twice = escaped if len(escaped) == 6 * len(name) else json.dumps(name)[1:-1]
    text = f'{{"input":[{_written(document)[:-1]}, "{twice}":1}}]}}'
    with pytest.raises(RequestRefused) as refused:
        read_json(text.encode(), "utf-8")
    assert refused.value.reason == "MA-1102"
    assert [fault.reason for fault in refused.value.faults] == ["MA-1127"]
    shown = name if re.fullmatch("[A-Za-z_]{1,40}", name) else "?"
    assert refused.value.faults[0].path == f"input[0].{shown}"


async def test_the_platforms_numbers_come_back_as_they_came(room: HisRoom) -> None:
    """After the money has moved, whatever a platform calls a number."""
    await room.house.enrol(CARD)
    body = dumped(envelope("2207", charge(CARD)))
    odd = "[160.0000,1e2,0.1E-7,1e999,1234567890123456789012345678901,-0.0]"
    sent = body.replace('"张三"', odd).encode()
    headers = {"Content-Type": "application/json", "Medaid-Sandbox-Time": SANDBOX_TIME}
    async with room.http.post(f"{room.url}/his", data=sent, headers=headers) as answer:
        raw = await answer.text()
    assert raw.count(f'"psn_name":{odd}') == 1
    told = json.loads(raw, parse_float=Decimal)
    assert told["infcode"] == 0
    assert told["output"]["setlinfo"]["maf_pay"] == Decimal("57.60")
