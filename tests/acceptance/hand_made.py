"""A hospital's client made by hand: one page of Python, no client of the gateway's.

What a vendor would write from the documents: HTTP of the standard library, and a
signature (RFC 9421) to sign in with.
"""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from crypto.http_signature import HttpRequest, sign_request
from crypto.key_files import parse_private_key_file
from crypto.keys import OpeningKey


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers and bytes."""

    status: int
    headers: Message
    body: bytes

    @property
    def code(self) -> str:
        """The problem's code."""
        return str(orjson.loads(self.body)["code"])


class HandMade:
    """One facility's terminal."""

    def __init__(self, url: str, key_file: Path) -> None:
        """Sign in with the key that the operator handed over."""
        self.url = url
        key = parse_private_key_file(key_file.read_bytes())
        assert not isinstance(key, OpeningKey)
        body = orjson.dumps({"operator": "win-07"})
        content_type = {"content-type": "application/json"}
        request = HttpRequest(
            "POST", urlsplit(url).netloc, "/v1/sessions", content_type, body
        )
        signature = sign_request(
            request, key, created=int(time.time()), nonce=os.urandom(12).hex()
        )
        reply = call(f"{url}/v1/sessions", body, content_type | signature)
        assert reply.status == 201, reply.body
        token = orjson.loads(reply.body)["token"]
        self._headers = {"Authorization": f"Bearer {token}"} | content_type

    def post(self, path: str, document: object, **headers: str) -> Reply:
        """Post JSON; header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = orjson.dumps(document)
        return call(self.url + path, body, self._headers | named)


def call(
    url: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> Reply:
    """One HTTP call; whatever its status, it is a reply."""
    assert url.startswith("http://127.0.0.1:")
    request = urllib.request.Request(url, body, headers or {})  # noqa: S310  # see above
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            return Reply(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.headers, error.read())
