"""The yardstick: a bare aiohttp server that reads a bill and answers a constant.

The constant is as long as the answer to a settlement. Same loop, same HTTP parser,
nothing of ours in between. `python echo_server.py BYTES` prints its port.
"""

from __future__ import annotations

import asyncio
import sys

import orjson
import uvloop
from aiohttp import web


async def serve(length: int) -> None:
    """Answer until the process is ended."""
    answer = b'{"pad":"' + b"x" * (length - 10) + b'"}'

    async def echo(request: web.Request) -> web.Response:
        orjson.loads(await request.read())
        return web.Response(body=answer, content_type="application/json", status=201)

    app = web.Application()
    app.router.add_post("/echo", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
