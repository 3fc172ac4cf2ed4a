"""1901: the dictionaries of what this gateway answers and reads."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.his.care import MED_TYPES
from gateway.his.setlinfo import AID_FUND, TILT_FUND
from gateway.his.transactions.dictionaries import TYPES
from gateway.his.who import CERT_TYPES
from tests.his.desk import HisRoom

_FIELDS = [
    "type", "label", "value", "parent_value", "sort", "vali_flag", "create_user",
    "create_date", "version",
]  # fmt: skip


async def rows(room: HisRoom, name: str, **data: Any) -> list[dict[str, Any]]:
    """The rows of a dictionary."""
    told = await room.ask("1901", {"data": {"type": name} | data})
    assert told.infcode == 0, told.message
    found: list[dict[str, Any]] = told.output["list"]
    return found


async def test_every_dictionary_is_whole_and_in_order(room: HisRoom) -> None:
    """Each value once, with its label, in the shape that a HIS stores."""
    for name in TYPES:
        found = await rows(room, name, parentValue="", admdvs="990100", vali_Flag="1")
        assert found, name
        values = [row["value"] for row in found]
        assert len(set(values)) == len(values), name
        assert [row["sort"] for row in found] == list(range(1, len(found) + 1))
        for row in found:
            assert list(row) == _FIELDS
            assert row["type"] == name
            assert row["label"].strip()
            assert (row["vali_flag"], row["parent_value"]) == ("1", "")
            assert row["version"]


async def test_what_is_answered_elsewhere_stands_in_the_dictionaries(
    room: HisRoom,
) -> None:
    """A code that no dictionary explains would show as a number to the cashier."""

    async def values(name: str) -> set[str]:
        return {row["value"] for row in await rows(room, name)}

    assert {AID_FUND, TILT_FUND} <= await values("FUND_PAY_TYPE")
    assert await values("MED_TYPE") == set(MED_TYPES)
    assert await values("MDTRT_CERT_TYPE") == set(CERT_TYPES)
    assert {"000000", "000102", "000103"} <= await values("STMT_RSLT")
    assert {"1", "2"} == await values("SETL_TYPE")
    assert {"0", "1"} == await values("REFD_SETL_FLAG")
    assert {"1", "2", "3"} == await values("SEV_DEG")
    assert {"390", "310"} <= await values("INSUTYPE")


async def test_identities_are_those_of_the_policy_in_force(room: HisRoom) -> None:
    """The best first, with the policy's own version; no pack, no list."""
    found = await rows(room, "psn_idet_type", date="2026-01-05")
    assert [(row["value"], row["label"]) for row in found][:4] == [
        ("7131", "特困人员"),
        ("7041", "孤儿"),
        ("7141", "孤儿"),
        ("7019", "最低生活保障对象"),
    ]
    assert {row["version"] for row in found} == {"2000.1"}
    told = await room.ask(
        "1901", {"data": {"type": "PSN_IDET_TYPE", "date": "1999-12-31"}}
    )
    assert (told.infcode, told.code) == (-2, "MA-1117")


async def test_nothing_is_invalid_and_nothing_has_a_parent(room: HisRoom) -> None:
    """Who asks for those gets none."""
    assert await rows(room, "CLR_WAY", vali_Flag="0") == []
    assert await rows(room, "CLR_WAY", parentValue="1") == []


@pytest.mark.parametrize("name", ["NATY", "X", "../etc"])
async def test_an_unknown_dictionary_names_those_that_there_are(
    room: HisRoom, name: str
) -> None:
    """All of them, within the 200 characters of a message."""
    told = await room.ask("1901", {"data": {"type": name}})
    assert (told.infcode, told.code) == (-2, "MA-1232")
    assert all(each in told.message for each in TYPES)
    assert len(told.message) <= 200


async def test_what_is_malformed_is_named(room: HisRoom) -> None:
    """Type missing, flag of another kind, a day that is none."""
    for data, field in (
        ({}, "type"),
        ({"type": "CLR_WAY", "vali_Flag": "2"}, "vali_Flag"),
        ({"type": "CLR_WAY", "date": "昨天"}, "date"),
    ):
        told = await room.ask("1901", {"data": data})
        assert told.infcode == -2
        assert field in told.message
