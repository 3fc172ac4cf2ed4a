"""`medaid demo`: the pilot's first three months, replayed and verified."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
from rich.console import Console

from gateway.demo.folder import scratch_folder
from gateway.demo.run import DemoOptions, run_demo


@click.command(epilog="Example: medaid demo --once")
@click.option(
    "--once", is_flag=True, help="End by itself; status 0 only when all of it held."
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/demo"),
    show_default=True,
    help="Scratch folder: emptied at each start.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of the gateway on 127.0.0.1.  [default: one that is free]",
)
def demo(once: bool, data_dir: Path, port: int) -> None:
    """Replay the pilot district's first three months through a sandbox gateway.

    Starts PostgreSQL and the gateway, makes roster and bills from a fixed seed, and
    has 20 hospitals settle them side by side over HTTP. Then verifies every record
    offline, checks the books, and prints the months beside the pilot's published
    figures. Stays up afterwards with three things to try by hand.
    """
    console = Console()
    with scratch_folder(data_dir, "demo") as folder:
        options = DemoOptions(data_dir=folder, port=port, once=once)
        held = asyncio.run(run_demo(options, console))
    if not held:
        raise SystemExit(1)
