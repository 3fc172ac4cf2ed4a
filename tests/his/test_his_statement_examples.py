"""Every example of reconciling is sent, in order, and answered as the page says."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

from tests.his.desk import HisRoom, charge
from tests.his.examples import DOCS, FENCED, differences
from tests.his.test_his_statements import zipped


async def test_reconciling_is_answered_as_the_page_says(room: HisRoom) -> None:
    """With the settlement that the page speaks of, and its row in the file."""
    await room.house.enrol("C00000001")
    given = charge("C00000001")
    settled = await room.ask("2207", given)
    row = (
        settled.setlinfo["setl_id"], given["data"]["mdtrt_id"],
        given["data"]["psn_no"], "250.00", "217.60", "0.00", "0",
    )  # fmt: skip
    text = (DOCS / "reconciling.md").read_text(encoding="utf-8")
    blocks = [json.loads(each, parse_float=Decimal) for each in FENCED.findall(text)]
    assert len(blocks) == 10
    number = ""
    for asked, shown in zip(blocks[::2], blocks[1::2], strict=True):
        (node,) = asked["input"].values()
        _fill(node, number, zipped([row]))
        if asked["infno"] == "3202":
            node |= {
                "medfee_sumamt": "250.00", "fund_pay_sumamt": "217.60",
                "fixmedins_setl_cnt": 1,
            }  # fmt: skip
        told = await room.ask(asked["infno"], asked["input"], msgid=asked["msgid"])
        assert differences(asked["infno"], shown, told.body) == []
        info = told.output.get("fileinfo", told.output)
        number = info.get("file_qury_no", "")


def _fill(node: dict[str, Any], number: str, content: bytes) -> None:
    """What the page leaves out: the file, and the number of the answer before."""
    if node.get("in"):
        node["in"] = base64.b64encode(content).decode()
    if node.get("file_qury_no"):
        node["file_qury_no"] = number
