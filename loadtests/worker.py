"""One generating process: `python -m loadtests worker` starts it."""

from __future__ import annotations

import gevent.monkey

gevent.monkey.patch_all()

from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from locust.env import Environment  # noqa: E402

from loadtests.locustfile import District  # noqa: E402
from loadtests.run_file import read_run  # noqa: E402


def work(folder: Path, master_host: str, master_port: int) -> None:
    """Join the run of this folder and do this process's share of it."""
    environment = Environment(user_classes=[District], host="")
    District.run_of_process = read_run(folder)
    environment.is_over = False
    runner = environment.create_worker_runner(master_host, master_port)

    def go(environment: Environment, msg: Any, **_: Any) -> None:
        District.begin_at = msg.data["begin_at"]
        District.go.set()

    def over(environment: Environment, msg: Any, **_: Any) -> None:
        environment.is_over = True

    runner.register_message("go", go)
    runner.register_message("over", over)
    runner.greenlet.join()
    gevent.sleep(0)
