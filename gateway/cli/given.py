"""What several commands are given: months, hospitals, trust files, keys; and bars."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from crypto.errors import CryptoError
from crypto.keys import OpeningKey
from crypto.trust import Trust, parse_trust_file
from gateway.keyfiles import KeyFileFault, read_private_key
from settlement.domain.month_range import parse_month
from settlement.store.database import Database
from settlement.store.exporting import facility_no


def month_number(text: str) -> int:
    """`2026-01` as 202601; raises `click.ClickException`."""
    month = parse_month(text)
    if month is None:
        raise click.ClickException(f"--month {text}: give YYYY-MM, as 2026-01")
    return month


async def facility_number(database: Database, code: str | None) -> int | None:
    """The number of the hospital of this code; `None` for none given.

    Raises `click.ClickException` where nobody has the code.
    """
    if code is None:
        return None
    number = await facility_no(database, code)
    if number is None:
        raise click.ClickException(
            f"there is no facility {code}; medaid party list shows all"
        )
    return number


def read_trust(path: Path) -> Trust:
    """The keys that a verifier believes; raises `click.ClickException`."""
    try:
        return parse_trust_file(path.read_bytes())
    except OSError as error:
        raise click.ClickException(
            f"the trust file {path} cannot be read ({error.strerror}); get it from the"
            " gateway's operator and name it with --trust"
        ) from error
    except CryptoError as error:
        raise click.ClickException(
            f"the trust file {path} cannot be used: {error.code} {error}"
        ) from error


def read_bureau_key(path: Path) -> OpeningKey:
    """The key that opens records; raises `click.ClickException` in one sentence."""
    try:
        key = read_private_key(path)
    except KeyFileFault as fault:
        raise click.ClickException(str(fault)) from fault
    if not isinstance(key, OpeningKey):
        raise click.ClickException(f"{path} is not a key that opens records")
    return key


def counting_bar(*, is_shown: bool) -> Progress:
    """A bar that counts, on standard error, gone at the end."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not is_shown,
        transient=True,
    )
