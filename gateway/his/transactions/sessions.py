"""9001 signs an operator in, 9002 out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.his.answers import Reply
from gateway.his.json_body import encoded
from gateway.his.setlinfo import local_time

if TYPE_CHECKING:
    from gateway.his.asked import Asked

_OPERATOR_CHARS, _NUMBER_CHARS = 20, 30


async def sign_in(asked: Asked) -> Reply:
    """9001: a number for the headers of the messages to come."""
    node = asked.envelope.node("signIn")
    node.text("opter_no", _OPERATOR_CHARS)
    asked.envelope.check()
    signed = await asked.door.sign_in(asked.admitted, asked.envelope)
    told = {"sign_time": local_time(signed.at), "sign_no": signed.sign_no}
    return Reply(encoded({"signinoutb": told}))


async def sign_out(asked: Asked) -> Reply:
    """9002: the number is good no more; one that is none is signed out already."""
    node = asked.envelope.node("signOut")
    number = node.text("sign_no", _NUMBER_CHARS, required=False)
    asked.envelope.check()
    at = await asked.door.sign_out(asked.admitted, number or asked.envelope.sign_no)
    return Reply(encoded({"signinoutb": {"sign_time": local_time(at)}}))
