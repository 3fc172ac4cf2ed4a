"""Bodies that are encrypted and signed as a whole, in each vendor's variant."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from crypto import sm2
from crypto.encdata import Agreed, seal, unseal
from tests.his.desk import Told, dumped, envelope
from tests.his.doors import GuardedRoom

pytestmark = pytest.mark.skipif(
    not sm2.is_available(), reason="no wheel of gmssl-pyx for this machine"
)
APP_ID, SECRET = "DEMO0000000000000001", "DEMOSECRET000001"


@dataclass
class Wrapped:
    """A hospital that wraps everything."""

    room: GuardedRoom
    agreed: Agreed

    def wrapped(self, body: dict[str, Any], **fields: str) -> dict[str, Any]:
        """The message as it goes over the wire."""
        now_ms = int(self.room.house.gateway.now().timestamp() * 1_000)
        outer = {
            "appId": self.agreed.app_id, "encType": "SM4", "signType": "SM2",
            "version": "2.0.1", "timestamp": f"{now_ms}",
        } | fields  # fmt: skip
        return dict(seal(self.agreed, outer, dumped(body).encode()))

    async def ask(self, body: dict[str, Any], **fields: str) -> dict[str, Any]:
        """Send it, and unwrap the answer."""
        told = await self.room.send(self.wrapped(body, **fields))
        answer: dict[str, Any] = json.loads(unseal(self.agreed, told.body).data)
        return answer


@pytest.fixture
async def wrapped(guarded: GuardedRoom) -> Wrapped:
    """Its key and the gateway's, each known to the other."""
    own_private, own_public = sm2.new_keys()
    gateway_private, gateway_public = sm2.new_keys()
    await guarded.allowed(
        "encdata",
        key_id=APP_ID,
        secrets={
            "secret": SECRET,
            "private": gateway_private.hex(),
            "public": gateway_public.hex(),
        },
        public_key=own_public,
    )
    agreed = Agreed(
        app_id=APP_ID, secret=SECRET, private=own_private, public=own_public,
        others=gateway_public,
    )  # fmt: skip
    return Wrapped(guarded, agreed)


def asking(**header: Any) -> dict[str, Any]:
    """A message that needs nobody."""
    return envelope("1901", {"data": {"type": "PSN_IDET_TYPE"}}, **header)


def refusal(told: Told) -> tuple[int, str]:
    """Of an answer in plain."""
    return told.infcode, told.code


async def test_wrapped_message_gets_a_wrapped_answer(wrapped: Wrapped) -> None:
    """Refusals too, once it is known whose it is."""
    assert (await wrapped.ask(asking()))["infcode"] == 0
    refused = await wrapped.ask(envelope("9999", {}))
    assert refused["infcode"] == -2
    assert refused["err_msg"].startswith("[MA-1201]")


async def test_wrapped_message_is_good_once(wrapped: Wrapped) -> None:
    """Another spelling of the signature is the same one."""
    body = wrapped.wrapped(asking())
    assert "encData" in (await wrapped.room.send(body)).body
    body["encData"] = body["encData"].lower()
    assert refusal(await wrapped.room.send(body)) == (-1, "MA-3109")


@pytest.mark.parametrize("milliseconds", ["0", "now", "", "9" * 15])
async def test_wrapped_message_is_of_now(wrapped: Wrapped, milliseconds: str) -> None:
    """Signed or not."""
    told = await wrapped.room.send(wrapped.wrapped(asking(), timestamp=milliseconds))
    assert refusal(told) == (-2, "MA-3103")


async def test_wrapping_of_nobody_is_refused(wrapped: Wrapped) -> None:
    """An unknown account, a changed byte, an account of another profile."""
    paasid = await wrapped.room.allowed()
    body = wrapped.wrapped(asking())
    for change in ({"appId": "nobody"}, {"version": "3"}, {"appId": paasid}):
        told = await wrapped.room.send(body | change)
        assert refusal(told) == (-2, "MA-3102")


async def test_wrapping_is_a_signature_over_the_body(guarded: GuardedRoom) -> None:
    """Where what settles must be signed, nothing more is asked for."""
    private, public = sm2.new_keys()
    await guarded.allowed(
        "encdata", key_id=APP_ID, public_key=public, must_sign=True,
        secrets={"secret": SECRET, "private": private.hex(), "public": public.hex()},
    )  # fmt: skip
    agreed = Agreed(
        app_id=APP_ID, secret=SECRET, private=private, public=public, others=public
    )
    undo = {"data": {"psn_no": "1", "omsgid": "never-came", "oinfno": "2207"}}
    answer = await Wrapped(guarded, agreed).ask(envelope("2601", undo))
    assert answer["infcode"] == 0, answer


async def test_account_of_wrapping_signs_no_headers(wrapped: Wrapped) -> None:
    """Its secret is another's way."""
    room = wrapped.room
    told = await room.send(asking(), room.tif(APP_ID))
    assert told.code == "MA-3102"
