"""A log's checkpoint and tiles over HTTP, from entries alone; can lie in many ways."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from crypto.add_checkpoint import parse_add_checkpoint
from crypto.checkpoint import CheckpointSigner
from crypto.errors import CryptoError
from crypto.merkle import RightEdge
from crypto.tiles import TILE_HEIGHT, parse_tile_path, tile_bytes
from tests.witness.made_up_log import LOG_KEY, ORIGIN, entries


class TileLog:
    """All that a gateway shows of a log with this history, at any size up to a most."""

    def __init__(self, history: str, most: int) -> None:
        self.size = most
        self.asked: list[str] = []
        """Paths, in order."""
        self.answers: dict[str, web.Response] = {}
        """What is answered in place of the truth."""
        self.before_checkpoint: Callable[[], Awaitable[None]] | None = None
        """What happens while somebody waits for the checkpoint."""
        self._entries = entries(history, most)
        grown = RightEdge().extend(self._entries)
        levels = range(0, most.bit_length(), TILE_HEIGHT)
        self._rows = {
            level: [node for _index, node in grown.complete_nodes(level)]
            for level in levels
        }

    def becomes(self, other: TileLog) -> None:
        """Tell the other log's history from now on."""
        self._entries, self._rows, self.size = other._entries, other._rows, other.size

    def note(self) -> str:
        """The signed checkpoint of the size that is shown."""
        root = RightEdge().extend(self._entries[: self.size]).root
        root = root if self.size else RightEdge().root
        return CheckpointSigner(ORIGIN, LOG_KEY).sign(self.size, root)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Checkpoint or tile; 404 for everything else."""
        path = request.path.removeprefix("/v1/log/")
        self.asked.append(path)
        if path in self.answers:
            return self.answers[path]
        if path == "checkpoint":
            if self.before_checkpoint is not None:
                await self.before_checkpoint()
            return web.Response(text=self.note())
        try:
            tile = parse_tile_path(path)
        except CryptoError:
            return web.Response(status=404)
        if tile.level is None or not tile.is_in(self.size):
            return web.Response(status=404)
        row = self._rows[tile.level * TILE_HEIGHT]
        return web.Response(body=tile_bytes(row[tile.begin : tile.begin + tile.width]))


@asynccontextmanager
async def shown(
    log: TileLog, more: Callable[[web.Application], None] = lambda _app: None
) -> AsyncIterator[str]:
    """Serve the log while the block runs; the address."""
    app = web.Application()
    more(app)
    app.router.add_get("/v1/log/{path:.*}", log.answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


class CannedWitness:
    """A witness that answers what it is told, one after the other."""

    def __init__(self, *answers: web.Response) -> None:
        self.answers = list(answers)
        self.old_sizes: list[int] = []
        """What it was asked, in order."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The next answer."""
        body = await request.read()
        self.old_sizes.append(parse_add_checkpoint(body).old_size)
        return self.answers.pop(0)

    def join(self, app: web.Application) -> None:
        """Answer at the same address as the log."""
        app.router.add_post("/add-checkpoint", self.answer)
