"""The pages of access and signing in say what the door does."""

from __future__ import annotations

import json
import re
from decimal import Decimal

from click.testing import CliRunner

from crypto.encdata import message_key
from crypto.tif import tif_signature
from gateway.cli.his_clients import allow_command
from gateway.his.paths import infno_of_path
from settlement.service.his_clients import PROFILES
from tests.his.desk import HisRoom
from tests.his.examples import DOCS, FENCED, differences


async def test_signing_in_is_answered_as_the_page_says(room: HisRoom) -> None:
    """Each example, in order."""
    text = (DOCS / "signing-in.md").read_text(encoding="utf-8")
    blocks = [json.loads(each, parse_float=Decimal) for each in FENCED.findall(text)]
    assert len(blocks) == 4
    for asked, shown in zip(blocks[::2], blocks[1::2], strict=True):
        told = await room.ask(asked["infno"], asked["input"], msgid=asked["msgid"])
        assert differences(asked["infno"], shown, told.body) == []


def test_page_of_access_has_the_vectors_the_profiles_and_the_options() -> None:
    """What an operator or a vendor copies from it works."""
    text = (DOCS / "access.md").read_text(encoding="utf-8")
    signature = tif_signature(
        "demo-secret-not-real", timestamp="1700000000", nonce="123456789012"
    )
    assert signature in text
    assert message_key("DEMO0000000000000001", "DEMOSECRET000001").decode() in text
    assert all(f"| `{profile}` |" in text for profile in PROFILES)
    shown = CliRunner().invoke(allow_command, ["--help"]).output
    for option in re.findall(r"--[a-z][a-z0-9-]+", text):
        is_others = option in {
            "--name", "--key-out", "--tls-cert", "--tls-key", "--tls-client-ca"
        }  # fmt: skip
        assert is_others or option in shown, option


async def test_envelopes_page_is_answered_as_it_says(room: HisRoom) -> None:
    """Its two refusals, and every address that it names."""
    text = (DOCS / "envelope.md").read_text(encoding="utf-8")
    blocks = [json.loads(each, parse_float=Decimal) for each in FENCED.findall(text)]
    assert len(blocks) == 4
    for asked, shown in zip(blocks[::2], blocks[1::2], strict=True):
        told = await room.ask(asked["infno"], asked["input"], msgid=asked["msgid"])
        assert differences(asked["infno"], shown, told.body) == []
    services = set(re.findall(r"[/…]([A-Za-z]+)`", text)) - {"his", "json"}
    assert {infno_of_path(each) for each in services} >= {
        "2206", "2207", "2208", "2601", "1101", "3201", "3202", "9101", "9102",
        "3101", "3102",
    }  # fmt: skip


def test_pages_lead_to_pages_that_are_there() -> None:
    """From the first page to every other."""
    first = (DOCS / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([^)#]+)\)", first))
    assert all((DOCS / each).exists() for each in linked)
    assert {page.name for page in DOCS.glob("*.md")} - {"README.md"} <= linked
