"""`medaid serve`: run the gateway."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import uvloop

from gateway.config import read_settings
from gateway.crash_dumps import forbid_crash_dumps
from gateway.endings import FORESEEN, sentence_of, status_of
from gateway.installation import Installation, held_alone
from gateway.location import location_options
from gateway.logs import configure_logs
from gateway.serving import place_of, serve_gateway

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command(epilog="Example: medaid serve --port 8080 --workers 2")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="0: any free one.  [default: 8080]"
)
@click.option("--workers", type=click.IntRange(1, 64), help="[default: 1]")
@click.option("--tls-cert", type=_FILE, help="Certificate chain, PEM.")
@click.option("--tls-key", type=_FILE, help="Its private key, PEM.")
@click.option(
    "--tls-client-ca", type=_FILE, help="Authorities of hospitals' certificates, PEM."
)
@click.option(
    "--behind-proxy",
    is_flag=True,
    default=None,
    help="A proxy on the way terminates TLS and keeps the Host header.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    help="Serve /metrics on loopback at this port.",
)
@click.option(
    "--config",
    type=_FILE,
    envvar="MEDAID_CONFIG",
    show_envvar=True,
    help="TOML file with these settings and more; options and MEDAID_* win.",
)
@location_options
def serve(config: Path | None, data_dir: Path, dsn: str | None, **options: Any) -> None:
    """Run the gateway until SIGTERM, then finish what is under way.

    Every setting can also be given as MEDAID_NAME. Without TLS or --behind-proxy it
    listens on loopback only. Prints `ready URL` when all workers answer.

    Ends with status 0 when it was told to, 1 after a fault that may pass, as a
    database that is away, and 2 where somebody has to mend settings, keys or data
    folder before it can start.
    """
    forbid_crash_dumps()
    configure_logs()
    try:
        settings = read_settings(options, os.environ, config)
        configure_logs(settings.log_level)
        Installation.load(data_dir)
        with held_alone(data_dir):
            uvloop.run(serve_gateway(settings, place_of(data_dir, dsn), click.echo))
    except FORESEEN as fault:
        click.ClickException(sentence_of(fault)).show()
        raise SystemExit(status_of(fault)) from fault
