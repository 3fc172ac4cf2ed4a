# A vendor's program and none of ours: its clock, numbers and Decimal are its own.
# ruff: noqa: INP001, TID251, E501
"""2206 and 2207 over plain HTTP. Amounts are text or Decimal, never floats."""

import hashlib
import json
import time
import urllib.request
import uuid
from decimal import Decimal


def signed(paasid: str, secret: str) -> dict[str, str]:
    """x-tif headers: SHA-256 of timestamp + secret + nonce + timestamp, in hex."""
    at, nonce = str(int(time.time())), uuid.uuid4().hex
    signature = hashlib.sha256((at + secret + nonce + at).encode()).hexdigest()
    return {"Content-Type": "application/json", "x-tif-paasid": paasid,
            "x-tif-timestamp": at, "x-tif-nonce": nonce, "x-tif-signature": signature}  # fmt: skip


def send(url: str, paasid: str, secret: str, message: dict, tries: int = 5) -> dict:
    """The answer, once it is 0 or -2; the very same message again until then.

    `message` is the whole envelope. Store it before the first try: after the last one
    the outcome is unknown, and only the same msgid (or 2601) settles it. Never send
    the charge as a new message because an answer was lost.
    """
    body = json.dumps(message, ensure_ascii=False, default=str).encode()
    for number in range(tries):
        if number:
            time.sleep(min(2**number, 30))
        asked = urllib.request.Request(url, body, signed(paasid, secret))  # noqa: S310
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310
                told = json.loads(answer.read(), parse_float=Decimal)
        except (OSError, ValueError):  # lost on the way, or no answer of the gateway
            continue
        if int(told["infcode"]) != -1:  # 0: done. -2: decided, show err_msg as it is
            return told
    raise TimeoutError(f"outcome unknown: repeat or reverse msgid {message['msgid']}")
