"""Runs of `medaid his self-test` against a room, in a thread of their own."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from click.testing import CliRunner

from gateway.cli.his import his
from gateway.demo.identities import id_number

CARD, CODE = "C00000001", "H99010000001"
#: Invented: region 99 is no province's.
ID_NUMBER = id_number("990104", date(1951, 3, 7), 12)
SANDBOX_TIME = "2026-01-05T02:14:09Z"


@dataclass(frozen=True)
class Ran:
    """What the command left."""

    status: int
    text: str
    told: dict[str, Any]
    complaint: str = ""

    def ids(self, state: str) -> list[str]:
        """Lines that ended so."""
        return [each["id"] for each in self.told["lines"] if each["state"] == state]

    def line(self, name: str) -> dict[str, Any]:
        """One line."""
        found: dict[str, Any] = next(
            each for each in self.told["lines"] if each["id"] == name
        )
        return found

    @property
    def failed(self) -> list[str]:
        """Red lines."""
        return self.ids("fail")


async def run(
    url: str, *more: str, plain: bool = False, profile: str = "none", **env: str
) -> Ran:
    """The command, with a card and the sandbox's time unless `plain`."""
    arguments = ["self-test", "--url", url, "--fixmedins-code", CODE]
    arguments += ["--profile", profile]
    if not plain:
        arguments += ["--card", CARD, "--sandbox-time", SANDBOX_TIME]
    if "--html" not in more and "--text" not in more:
        arguments.append("--json")
    arguments += [each for each in more if each != "--text"]
    # The command has an event loop of its own.
    done = await asyncio.to_thread(CliRunner().invoke, his, arguments, env=env)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    is_json = "--json" in arguments and done.stdout.startswith("{")
    told = json.loads(done.stdout) if is_json else {}
    return Ran(done.exit_code, done.stdout, told, done.stderr)


def shown(ran: Ran) -> list[str]:
    """Of the red lines, what an engineer reads: for a failing assertion."""
    return [
        json.dumps(each, ensure_ascii=False)
        for each in ran.told["lines"]
        if each["state"] == "fail"
    ]
