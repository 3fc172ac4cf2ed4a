"""The sandbox that the guide's reader has: made by the README's commands."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.acceptance.gateway_process import GatewayProcess, must, wait_for
from tests.acceptance.hand_made import HandMade
from tests.acceptance.sandbox import Sandbox, open_sandbox
from tests.support import postgres


@dataclass(frozen=True, slots=True)
class Reader:
    """What somebody who connects a HIS has in front of them."""

    sandbox: Sandbox
    gateway: GatewayProcess
    key_file: Path

    @property
    def url(self) -> str:
        """Where the sandbox answers."""
        return self.gateway.url

    def terminal(self) -> HandMade:
        """A terminal that has signed in."""
        return HandMade(self.url, self.key_file)


@pytest.fixture(scope="session")
def reader() -> Iterator[Reader]:
    """Make the sandbox of the README's first settlement, and start its gateway."""
    folder = postgres.make_folder()
    try:
        with open_sandbox(folder / "var") as sandbox:
            key_file = _follow_the_readme(sandbox, folder)
            gateway = GatewayProcess(sandbox.data_dir, workers=1)
            gateway.start()
            try:
                wait_for(lambda: _is_ready(gateway.url), within_s=30)
                yield Reader(sandbox, gateway, key_file)
            finally:
                gateway.stop()
    finally:
        postgres.remove_folder(folder)


def _follow_the_readme(sandbox: Sandbox, folder: Path) -> Path:
    key_file, roster = folder / "h001.json", folder / "roster"
    sandbox.command(
        *("facility", "add", "H001", "--name", "第一社区卫生服务中心", "--level", "1"),
        *("--subdistrict", "990101001", "--key-out", str(key_file)),
    )
    must("roster", "generate", "--persons", "3000", "--out", str(roster))
    manifest = roster / "manifest.json"
    roster_key = sandbox.data_dir / "bureau" / "roster-key.json"
    must(
        *("roster", "sign", str(roster / "roster.csv"), "--kind", "full"),
        *("--version", "1", "--key", str(roster_key), "--out", str(manifest)),
    )
    sandbox.command("roster", "import", str(manifest))
    return key_file


def _is_ready(url: str) -> bool:
    assert url.startswith("http://127.0.0.1:")
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:  # noqa: S310  # see above
            return bool(answer.status == HTTPStatus.OK)
    except HTTPError as not_yet:
        not_yet.close()
        time.sleep(0.05)
        return False
