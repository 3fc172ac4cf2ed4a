"""Every example of the look-ups' documents is sent, and answered as it stands there."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from settlement.store.database import Database
from tests.his.desk import HisRoom, charge, open_room
from tests.watching.watched import open_watched

_DOCS = Path(__file__).resolve().parents[2] / "docs" / "his"
_FENCED = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: What stands in the documents as settled before anything is asked.
_MSGID, _VISIT = "H99010000001202601051014090001", "MZ20260105001"


@pytest.fixture
async def settled(database: Database, tmp_path: Path) -> AsyncIterator[HisRoom]:
    """One person on the roster, with one settlement."""
    async with (
        open_watched(database, tmp_path / "var") as house,
        open_room(house) as room,
    ):
        await house.enrol("C00000001")
        given = charge(mdtrt_id=_VISIT)
        told = await room.ask("2207", given, msgid=_MSGID)
        assert told.infcode == 0, told.message
        yield room


def _differences(path: str, shown: Any, told: Any) -> list[str]:
    """Where the answer is another; what ends in an ellipsis need only begin alike."""
    if isinstance(shown, str) and shown.endswith("…"):
        begins = shown[:-1]
        is_alike = not begins or (isinstance(told, str) and told.startswith(begins))
        return [] if is_alike and told else [f"{path}: {told}"]
    if isinstance(shown, dict) and isinstance(told, dict):
        found = [f"{path}: {sorted(told)}"] if set(shown) != set(told) else []
        for name in shown.keys() & told.keys():
            found += _differences(f"{path}.{name}", shown[name], told[name])
        return found
    if isinstance(shown, list) and isinstance(told, list):
        found = [f"{path}: {len(told)} rows"] if len(shown) != len(told) else []
        for place, pair in enumerate(zip(shown, told, strict=False)):
            found += _differences(f"{path}[{place}]", *pair)
        return found
    return [] if shown == told else [f"{path}: {told}"]


async def test_examples_are_answered_as_they_stand(settled: HisRoom) -> None:
    """Whoever builds by a document builds by what the gateway does."""
    for name in ("persons", "lookups", "dictionaries", "alerts"):
        text = (_DOCS / f"{name}.md").read_text(encoding="utf-8")
        blocks = [
            json.loads(block, parse_float=Decimal) for block in _FENCED.findall(text)
        ]
        assert len(blocks) >= 4
        for asked, shown in zip(blocks[::2], blocks[1::2], strict=True):
            told = await settled.ask(asked["infno"], asked["input"])
            answer = {field: told.body[field] for field in shown}
            assert _differences(name, shown, answer) == []
