"""Open a session with nothing but Python's standard library; prints the token.

A model for HIS engineers to write again in their own language. Usage:
python3 open_session.py http://127.0.0.1:8080 KEY_FILE OPERATOR
"""  # noqa: INP001  # an example, no package

import base64
import hashlib
import hmac
import json
import secrets
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

COMPONENTS = '("@method" "@authority" "@path" "content-type" "content-digest")'


def open_session(gateway: str, key: dict[str, str], operator: str) -> str:
    """Return the session's token; raises `urllib.error.HTTPError`."""
    key_id, secret = key["key_id"], base64.b64decode(key["secret"])
    body = json.dumps({"operator": operator}).encode()
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    parameters = (
        f"{COMPONENTS};created={int(time.time())}"  # noqa: TID251  # a program of its own
        f';nonce="{secrets.token_hex(16)}";keyid="{key_id}";tag="medaid"'
    )
    # What is signed: one line each, the last without a newline (RFC 9421, 2.5).
    base = (
        '"@method": POST\n'
        f'"@authority": {urlsplit(gateway).netloc.lower()}\n'
        '"@path": /v1/sessions\n'
        '"content-type": application/json\n'
        f'"content-digest": sha-256=:{digest}:\n'
        f'"@signature-params": {parameters}'
    )
    code = hmac.digest(secret, base.encode(), "sha256")
    request = urllib.request.Request(  # noqa: S310  # the gateway's own address
        f"{gateway}/v1/sessions",
        data=body,
        headers={
            "Content-Type": "application/json",
            "Content-Digest": f"sha-256=:{digest}:",
            "Signature-Input": f"sig1={parameters}",
            "Signature": f"sig1=:{base64.b64encode(code).decode()}:",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        token: str = json.load(answer)["token"]
    return token


if __name__ == "__main__":
    address, key_path, operator_id = sys.argv[1:]
    with open(key_path, encoding="utf-8") as file:  # noqa: PTH123  # no imports spared
        key_of_party = json.load(file)
    try:
        opened = open_session(address.rstrip("/"), key_of_party, operator_id)
    except urllib.error.HTTPError as refused:
        sys.exit(refused.read().decode())
    print(opened)  # noqa: T201  # the token is what was asked for
