"""The client that vendors are shown: settles, repeats what was lost, stops at -2."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import io
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.his.desk import HisRoom, charge, envelope
from tests.settlement.house import assert_books_clean

_FILE = Path(__file__).resolve().parents[2] / "docs" / "his" / "clients" / "client.py"
_VECTOR = "9b0f71bab282c2a356fe66915312517c3ef26d16a967f294651a1ec5fd2cfe69"
_SECRET = "demo-secret-not-real"  # of the published vector


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """As it stands in the documents; nothing is waited for."""
    spec = importlib.util.spec_from_file_location("shown_client", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.time, "sleep", lambda _seconds: None)
    return module


def test_signature_is_that_of_the_published_vector(
    client: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Timestamp, secret, nonce and timestamp, in this order."""
    monkeypatch.setattr(client.time, "time", lambda: 1700000000.0)
    sent = client.signed("account", _SECRET)
    at, nonce = sent["x-tif-timestamp"], sent["x-tif-nonce"]
    rule = hashlib.sha256((at + _SECRET + nonce + at).encode()).hexdigest()
    assert sent["x-tif-signature"] == rule

    class Fixed:
        """The vector's nonce."""

        hex = "123456789012"

    monkeypatch.setattr(client.uuid, "uuid4", Fixed)
    assert client.signed("account", _SECRET)["x-tif-signature"] == _VECTOR


async def _send(client: ModuleType, room: HisRoom, message: dict[str, Any]) -> Any:
    return await asyncio.to_thread(
        client.send, room.url + "/his", "account", _SECRET, message
    )


async def test_a_lost_answer_is_asked_for_under_the_same_msgid(
    client: ModuleType, room: HisRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settled once, and the amounts come as decimals."""
    await room.house.enrol("C00000001")
    real, calls = client.urllib.request.urlopen, []

    def losing(asked: Any, timeout: int) -> Any:
        calls.append(asked.data)
        answer = real(asked, timeout=timeout)
        if len(calls) == 1:
            answer.close()
            raise OSError
        return answer

    monkeypatch.setattr(client.urllib.request, "urlopen", losing)
    told = await _send(client, room, envelope("2207", charge()))
    assert told["output"]["setlinfo"]["maf_pay"] == Decimal("57.60")
    assert len(calls) == 2
    assert calls[0] == calls[1]
    await assert_books_clean(room.house)


async def test_what_is_decided_is_not_sent_again(
    client: ModuleType, room: HisRoom
) -> None:
    """-2 comes back as it is, with the cashier's text."""
    message = envelope("2207", charge(psn_part_amt="95.00"))
    told = await _send(client, room, message)
    assert told["infcode"] == -2
    assert told["err_msg"].startswith("[MA-1205]")


def test_what_may_come_later_is_sent_again_and_then_said_to_be_unknown(
    client: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """-1 is no outcome: after the last try neither is reported."""
    calls = []

    def busy(asked: Any, timeout: int) -> io.BytesIO:
        calls.append((asked.data, timeout))
        return io.BytesIO(b'{"infcode": "-1"}')

    monkeypatch.setattr(client.urllib.request, "urlopen", busy)
    with pytest.raises(TimeoutError, match="M1"):
        client.send("http://x/his", "account", _SECRET, {"msgid": "M1"}, tries=3)
    assert len(calls) == 3
    assert len(set(calls)) == 1
