"""Run it: `python -m loadtests.peers DATA_DIR DSN [CONNECTIONS]`, one worker.

Prints `ready URL` when it answers, on a port of the kernel's; ends at SIGTERM.
"""

from __future__ import annotations

import gc
import socket
import sys
from pathlib import Path

import uvicorn

from loadtests.peers.app import make_app

#: As in our worker: what requests leave is searched for seldom.
_COLLECT_AFTER = 20_000


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say where it listens, once it does."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER)
        if sockets and self.started:
            port = sockets[0].getsockname()[1]
            sys.stdout.write(f"ready http://127.0.0.1:{port}\n")
            sys.stdout.flush()


def main() -> None:
    """Serve until told to stop."""
    data_dir, dsn, *pool = sys.argv[1:]
    config = uvicorn.Config(
        make_app(Path(data_dir), dsn, *map(int, pool)),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
    )
    bound = socket.create_server(("127.0.0.1", 0), backlog=config.backlog)
    _Server(config).run(sockets=[bound])


if __name__ == "__main__":
    main()
