"""`medaid his simulate`: a HIS and a national platform on loopback."""

from __future__ import annotations

import click


@click.command()
def simulate() -> None:
    """Play a day of hospitals against a gateway."""
    raise click.ClickException("not made yet")
