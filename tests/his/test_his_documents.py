"""Every example of settling and undoing is sent, in order, and answered as it says."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.his.desk import HisRoom

_DOCS = Path(__file__).resolve().parents[2] / "docs" / "his"
_FENCED = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DIFFERS = "…"


def _differences(path: str, shown: Any, told: Any) -> list[str]:
    """Where the answer lacks a field that is shown, or says another thing."""
    if isinstance(shown, dict):
        if not isinstance(told, dict):
            return [f"{path}: {told}"]
        found = [f"{path}.{name}: missing" for name in shown if name not in told]
        for name in shown.keys() & told.keys():
            found += _differences(f"{path}.{name}", shown[name], told[name])
        return found
    if isinstance(shown, str) and shown.endswith(_DIFFERS):
        is_alike = told and isinstance(told, str) and told.startswith(shown[:-1])
        return [] if is_alike else [f"{path}: {told}"]
    return [] if shown == told else [f"{path}: {told}"]


@pytest.mark.parametrize(("name", "pairs"), [("settling", 6), ("undoing", 6)])
async def test_examples_are_answered_as_the_page_says(
    room: HisRoom, name: str, pairs: int
) -> None:
    """A vendor who builds by the page builds by what the gateway does."""
    await room.house.enrol("C00000001")
    text = (_DOCS / f"{name}.md").read_text(encoding="utf-8")
    blocks = [json.loads(each, parse_float=Decimal) for each in _FENCED.findall(text)]
    assert len(blocks) == 2 * pairs
    setl_id = ""
    for asked, shown in zip(blocks[::2], blocks[1::2], strict=True):
        given = asked["input"]
        if given["data"].get("setl_id") == _DIFFERS:
            given["data"]["setl_id"] = setl_id
        told = await room.ask(asked["infno"], given, msgid=asked["msgid"])
        assert _differences(asked["msgid"], shown, told.body) == []
        if asked["infno"] == "2207" and told.infcode == 0:
            setl_id = told.setlinfo["setl_id"]
