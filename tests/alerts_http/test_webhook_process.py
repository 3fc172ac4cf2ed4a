"""Webhooks of a real gateway: by the operator's commands, over kills."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from pathlib import Path

from aiohttp import web

from settlement.service.watch.webhook_signing import secret_of
from settlement.store.database import Database
from tests.acceptance.desk import bill, new_name
from tests.acceptance.gateway_process import command_of, medaid, parent_of, wait_for
from tests.alerts_http.conftest import Callers, Watched
from tests.alerts_http.receivers import receiving
from tests.alerts_http.streams import put_alerts


def watch_pid(watched: Watched) -> int:
    """The process that watches and tells webhooks; 0 while there is none."""
    pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    found = [pid for pid in pids if b"gateway.watch_process" in command_of(pid)]
    own = [pid for pid in found if parent_of(pid) == watched.gateway.pid]
    return own[0] if own else 0


def webhook(watched: Watched, *arguments: str) -> str:
    """Run `medaid alerts webhook ARGUMENTS`, which has to succeed."""
    return watched.sandbox.command("alerts", "webhook", *arguments)


def listed(watched: Watched, url: str) -> dict[str, object]:
    """The one hook with this address, as the operator sees it."""
    (found,) = [
        each
        for each in json.loads(webhook(watched, "list", "--json"))
        if each["url"] == url
    ]
    assert isinstance(found, dict)
    return found


async def test_killed_between_answer_and_cursor(
    callers: Callers, watched: Watched, books: Database, tmp_path: Path
) -> None:
    """The receiver has it, the process is shot before it knows: the same id again."""
    answer = await callers["H001"].settle(new_name(), bill(watched.sandbox.tekun()))
    claim = answer.json()["settlement_id"]
    secret = tmp_path / "secret.json"
    async with receiving() as receiver:
        said = await asyncio.to_thread(
            webhook, watched, "add", "B001", receiver.url, "--key-out", str(secret)
        )
        shot: list[str] = []

        async def shoot(_request: web.BaseRequest) -> web.StreamResponse:
            if len(shot) < 3:
                pid = watch_pid(watched)
                assert pid
                shot.append(receiver.ids[-1])
                os.kill(pid, signal.SIGKILL)
                await asyncio.to_thread(wait_for, lambda: not command_of(pid), 10)
            return web.Response()

        receiver.behave = shoot
        seqs = await put_alerts(books, claim, 5)
        async with asyncio.timeout(120):
            while f"evt_{seqs[-1]}" not in receiver.ids:  # noqa: ASYNC110  # another process sends
                await asyncio.sleep(0.1)
            while (await asyncio.to_thread(listed, watched, receiver.url))["waiting"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        state = await asyncio.to_thread(listed, watched, receiver.url)
        await asyncio.to_thread(webhook, watched, "remove", str(state["webhook"]))

    key = secret_of(json.loads(secret.read_bytes())["secret"])
    ids = receiver.ids
    assert "secret, for its owner alone" in said
    assert "whsec_" not in said
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert all(taken.is_signed_with(key) for taken in receiver.got)
    # Each one that was shot at came again; in the end all of them, in order.
    assert len(shot) == 3
    assert all(ids.count(each) >= 2 for each in shot)
    once = list(dict.fromkeys(ids))
    wanted = [f"evt_{seq}" for seq in seqs]
    assert [each for each in once if each in wanted] == wanted
    assert once == sorted(once, key=lambda each: int(each.removeprefix("evt_")))


def test_the_operator_keeps_hooks(watched: Watched) -> None:
    """Added, listed without a secret, paused, resumed, removed."""
    url = "https://desk.example.org/medaid"
    said = webhook(watched, "add", "B002", url)
    number = str(listed(watched, url)["webhook"])

    assert said.count("whsec_") == 1
    assert "whsec_" not in webhook(watched, "list") + webhook(watched, "list", "--json")
    webhook(watched, "pause", number)
    assert listed(watched, url)["state"] == "paused"
    assert "paused" in webhook(watched, "list")
    webhook(watched, "resume", number)
    assert listed(watched, url)["state"] == "on"
    webhook(watched, "remove", number)
    assert url not in webhook(watched, "list", "--json")


def test_what_cannot_be_a_hook_is_said_in_a_sentence(
    watched: Watched, tmp_path: Path
) -> None:
    """No secret is written over; no hospital, no plain http, no unknown number."""
    stands = tmp_path / "secret.json"
    stands.write_text("mine")
    place = ("--data-dir", str(watched.sandbox.data_dir))
    for arguments, sentence in (
        (("add", "H001", "https://example.org/"), "there is no bureau H001"),
        (("add", "B001", "http://example.org/"), "an address is https"),
        (
            ("add", "B001", "https://a.example/", "--key-out", str(stands)),
            "overwritten",
        ),
        (("pause", "999"), "there is no webhook 999"),
        (("resume", "999"), "there is no webhook 999"),
        (("remove", "999"), "there is no webhook 999"),
    ):
        result = medaid("alerts", "webhook", *arguments, *place)
        assert result.status == 1, arguments
        assert sentence in result.err, arguments
    assert stands.read_text() == "mine"
