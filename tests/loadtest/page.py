"""A page opened in a real browser, with every address that it asked for."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

_STARTED_WITHIN_S = 60
_SHOWN_WITHIN_S = 12


@dataclass(slots=True)
class Opened:
    """What the browser fetched, showed and complained of."""

    fetched: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    text: str = ""
    picture: bytes = b""


class Tab:
    """A tab of a browser that runs, empty so far."""

    def __init__(self, line: aiohttp.ClientWebSocketResponse) -> None:
        self._line = line

    async def open(self, url: str, word: str) -> Opened:
        """Open a page, let its scripts run until they show this word, and look."""
        return await _look(self._line, url, word)


@asynccontextmanager
async def tab(program: str, profile: Path) -> AsyncIterator[Tab]:
    """A browser as long as the block runs; its start takes time on a busy machine."""
    # Its own sandbox refuses root; here it only shows our pages.
    unsafe = ["--no-sandbox"] if os.geteuid() == 0 else []
    process = await asyncio.create_subprocess_exec(
        program, "--headless", "--disable-gpu", *unsafe, "--no-first-run",
        f"--user-data-dir={profile}", "--remote-debugging-port=0",
        "--remote-allow-origins=*", "--window-size=1200,900", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(await _address(http, port), max_msg_size=0) as line,
        ):
            yield Tab(line)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _address(http: aiohttp.ClientSession, port: int) -> str:
    """Of the first page, which is there a moment after the port."""
    async with asyncio.timeout(_STARTED_WITHIN_S):
        while True:
            async with http.get(f"http://127.0.0.1:{port}/json") as answer:
                for one in await answer.json():
                    if one["type"] == "page":
                        return str(one["webSocketDebuggerUrl"])
            await asyncio.sleep(0.1)


async def _port(path: Path) -> int:
    for _ in range(_STARTED_WITHIN_S * 10):
        if path.exists() and path.read_text("ascii"):
            return int(path.read_text("ascii").split()[0])
        await asyncio.sleep(0.1)
    raise TimeoutError("the browser did not start")


async def _look(line: aiohttp.ClientWebSocketResponse, url: str, word: str) -> Opened:
    opened, numbers = Opened(), itertools.count(1)

    async def say(method: str, **parameters: Any) -> int:
        number = next(numbers)
        document = {"id": number, "method": method, "params": parameters}
        await line.send_json(document)
        return number

    async def answer(method: str, **parameters: Any) -> dict[str, Any]:
        number = await say(method, **parameters)
        while True:
            message = await asyncio.wait_for(line.receive_json(), 30)
            if message.get("id") == number:
                return dict(message["result"])
            _note(opened, message)

    await answer("Network.enable")
    await answer("Page.enable")
    await answer("Page.navigate", url=url)
    for _ in range(_SHOWN_WITHIN_S):
        await asyncio.sleep(1)
        text = await answer("Runtime.evaluate", expression="document.body.innerText")
        opened.text = str(text["result"].get("value", ""))
        if word in opened.text:
            break
    picture = await answer("Page.captureScreenshot", format="png")
    opened.picture = base64.b64decode(picture["data"])
    return opened


def _note(opened: Opened, message: dict[str, Any]) -> None:
    if message.get("method") == "Network.requestWillBeSent":
        opened.fetched.append(message["params"]["request"]["url"])
    elif message.get("method") == "Network.loadingFailed":
        opened.failed.append(message["params"]["errorText"])
