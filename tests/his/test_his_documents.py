"""Every example of settling and undoing is sent, in order, and answered as it says."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from tests.his.desk import HisRoom
from tests.his.examples import DIFFERS, DOCS, FENCED, differences


@pytest.mark.parametrize(("name", "pairs"), [("settling", 6), ("undoing", 6)])
async def test_examples_are_answered_as_the_page_says(
    room: HisRoom, name: str, pairs: int
) -> None:
    """A vendor who builds by the page builds by what the gateway does."""
    await room.house.enrol("C00000001")
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    blocks = [json.loads(each, parse_float=Decimal) for each in FENCED.findall(text)]
    assert len(blocks) == 2 * pairs
    setl_id = ""
    for asked, shown in zip(blocks[::2], blocks[1::2], strict=True):
        given = asked["input"]
        if given["data"].get("setl_id") == DIFFERS:
            given["data"]["setl_id"] = setl_id
        told = await room.ask(asked["infno"], given, msgid=asked["msgid"])
        assert differences(asked["msgid"], shown, told.body) == []
        if asked["infno"] == "2207" and told.infcode == 0:
            setl_id = told.setlinfo["setl_id"]
