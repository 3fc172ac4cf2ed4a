"""`python -m gateway.loadtesting.restart DATA_DIR`: the embedded server, all at once.

Ends every connection without a word and recovers from the log, as after a crash: what
a load test of a failover does to a sandbox.
"""

from __future__ import annotations

import sys
from pathlib import Path

from settlement.store.embedded import EmbeddedPostgres


def restart(data_dir: Path) -> None:
    """Stop it immediately and start it again; returns when it answers."""
    server = EmbeddedPostgres(data_dir)
    server.start()
    try:
        command: list[str | Path] = [server.binaries / "pg_ctl", "restart", "-w"]
        command += ["-m", "immediate", "-D", server.place.pgdata]
        command += ["-l", server.place.pgdata / "restart.log"]
        server.place.account.run(command)
    finally:
        server.stop()


if __name__ == "__main__":
    restart(Path(sys.argv[1]))
