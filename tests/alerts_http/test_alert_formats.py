"""The page about stream and webhook says what the gateway does."""

from __future__ import annotations

import re

from gateway.alert_streams import COMMENT_EVERY_S, MOST_STREAMS, SLOW_S, TOO_SLOW
from gateway.calls import CALLS
from gateway.limit_settings import DEFAULTS
from gateway.webhook_sender import WITHIN_S
from settlement.service.watch.delivery import SHELF_EVENTS
from settlement.service.watch.webhook_signing import secret_of, signed_headers
from tests.alerts_http.receivers import Taken
from tests.support.sources import PROJECT

PAGE = (PROJECT / "docs" / "formats" / "alert-webhook.md").read_text(encoding="utf-8")


def test_the_message_of_the_page_is_authentic() -> None:
    """By our code, and by what receivers do."""
    secret = secret_of(re.findall(r"`(whsec_[^`]+)`", PAGE)[0])
    (message,) = re.findall(r"```http\n(POST /medaid.*?)\n```", PAGE, re.DOTALL)
    head, _, body = message.partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    made = signed_headers(secret, "evt_17", 1_767_578_400, body.encode())
    taken = Taken("evt_17", 1_767_578_400, made["webhook-signature"], body.encode())

    assert {name: headers[name] for name in names} == made
    assert taken.is_signed_with(secret)
    assert not taken.is_signed_with(secret[:-1] + b"x")


def test_the_numbers_of_the_page_hold() -> None:
    """Seconds, events and streams."""
    assert f"after {COMMENT_EVERY_S:.0f} seconds of silence" in PAGE
    assert f"unread for {SLOW_S:.0f} seconds" in PAGE
    assert f"more than {SHELF_EVENTS:,} events behind" in PAGE
    assert f"hold {DEFAULTS['stream_at_once']} streams" in PAGE
    assert f"a worker {MOST_STREAMS:,} in all" in PAGE
    assert f"2xx within {WITHIN_S:.0f} seconds" in PAGE
    assert f"`{TOO_SLOW.decode().strip()}`" in PAGE


def test_every_call_about_alerts_is_in_the_table_of_the_page() -> None:
    """With those who may, as the code has it."""
    rows = dict(
        re.findall(
            r"^\| `(\w+ /v1/alert[^`]*)` \| [^|]+ \| ([^|]+) \|", PAGE, re.MULTILINE
        )
    )
    staff, overseers = "bureau, officer", "bureau, officer, auditor"

    assert rows == {
        f"{call.method} {call.path}": overseers if call.method == "GET" else staff
        for call in CALLS
        if call.path.startswith("/v1/alert")
    }
