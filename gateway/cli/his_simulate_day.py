"""One run of `medaid his simulate`: a gateway, a day, and a look at what is stored."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import click
from rich.console import Console

from gateway.cli.his_simulate_sandbox import Audit, audit, own_gateway
from gateway.demo.folder import scratch_folder
from gateway.demo.progress import progress
from gateway.his_simulator.bad_line import BadLine
from gateway.his_simulator.clients import Client
from gateway.his_simulator.faults import Weather
from gateway.his_simulator.people import Person
from gateway.his_simulator.platform import NationalPlatform
from gateway.his_simulator.result import DayResult
from gateway.his_simulator.run import Order, listening, play
from gateway.wiring import wall_clock
from settlement.domain.calendar import SHANGHAI, shanghai_day

_NONCE_BYTES = 16
_TO_TRY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line asks for."""

    hospitals: int
    visits: int
    weather: Weather
    people: tuple[Person, ...]
    gateway: str | None
    clients: tuple[Client, ...]
    platform: str | None
    day: date | None
    patience_s: float
    workers: int
    data_dir: Path
    port: int


async def run_day(
    wanted: Wanted, log_file: Path | None, *, quiet: bool
) -> tuple[DayResult, Audit | None]:
    """Play it, and look into the sandbox afterwards where it is our own."""
    console = Console(stderr=True, quiet=quiet)
    async with AsyncExitStack() as stack:
        write_log = _log_writer(stack, log_file)
        sandbox, url, clients = None, wanted.gateway, wanted.clients
        if url is None:
            folder = stack.enter_context(
                scratch_folder(wanted.data_dir, "his simulate")
            )
            with console.status("Starting PostgreSQL, making hospitals and roster"):
                own = await stack.enter_async_context(
                    own_gateway(folder, wanted.hospitals, wanted.people, wanted.workers)
                )
            sandbox, url, clients = own.sandbox, own.url, own.clients
        order = _order(wanted, url, clients, write_log)
        with progress(console, "playing the day", wanted.visits) as show:
            result = await play(order, show)
        if sandbox is None:
            return result, None
        with console.status("Verifying every record, checking the books"):
            last = order.on if order.today is None else order.today()
            return result, await audit(sandbox, (order.on, last))


def _order(
    wanted: Wanted,
    url: str,
    clients: tuple[Client, ...],
    write_log: Callable[[Mapping[str, Any]], None],
) -> Order:
    headers = {}
    if wanted.day is not None:
        headers = {"Medaid-Sandbox-Time": f"{wanted.day.isoformat()}T04:00:00Z"}
    return Order(
        gateway_url=url,
        clients=clients,
        people=wanted.people,
        visits=wanted.visits,
        weather=wanted.weather,
        on=wanted.day or shanghai_day(wall_clock()),
        clock=lambda: wall_clock().timestamp(),
        nonce=lambda: os.urandom(_NONCE_BYTES).hex(),
        today=None if wanted.day else lambda: shanghai_day(wall_clock()),
        platform_url=wanted.platform,
        patience_s=wanted.patience_s,
        headers=headers,
        write_log=write_log,
    )


def _log_writer(
    resources: AsyncExitStack, path: Path | None
) -> Callable[[Mapping[str, Any]], None]:
    if path is None:
        return lambda _: None
    file = resources.enter_context(path.open("w", encoding="utf-8", buffering=1))
    return lambda row: print(json.dumps(row), file=file)


async def serve_platform(wanted: Wanted) -> None:
    """Until Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    platform = NationalPlatform(
        wanted.people, lambda: wall_clock().astimezone(SHANGHAI)
    )
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(listening(platform.server(), wanted.port))
        click.echo(f"ready {url}")
        for person in wanted.people[:_TO_TRY]:
            click.echo(
                f"card {person.card} psn_no {person.psn_no} insutype {person.insutype}"
            )
        if wanted.gateway is not None:
            http = await stack.enter_async_context(aiohttp.ClientSession())
            line = BadLine(wanted.weather, wanted.gateway, http, wanted.patience_s)
            port = wanted.port + 1 if wanted.port else 0
            line_url = await stack.enter_async_context(listening(line.server(), port))
            click.echo(f"bad line to the gateway at {line_url}")
        await stop.wait()
