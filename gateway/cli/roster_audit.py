"""`medaid roster audit`: cross-check the roster as it stands in the database."""

from __future__ import annotations

import asyncio
import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import TextIO

import click

from crypto.tokens import Tokenizer
from gateway.cli.policy_desk import write_page
from gateway.cli.reconcile_desk import yield_to_settling
from gateway.cli.roster_audit_view import audit_document, audit_page, audit_summary
from gateway.cli.roster_files import as_json_text, tokenizer_of
from gateway.location import json_option, location_options, open_database
from gateway.wiring import wall_clock
from settlement.domain.calendar import shanghai_day
from settlement.service.roster_audit import Audit, AuditRules, audit
from settlement.store.errors import StoreUnavailableError

_GZIP = b"\x1f\x8b"
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command(
    "audit", epilog="Example: medaid roster audit --ending-within 30 --html audit.html"
)
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    default=None,
    help="Day to look at.  [default: today in Shanghai]",
)
@click.option(
    "--ending-within", type=click.IntRange(0, 3_650), default=30, show_default=True,
    help="Windows that end within so many days.",
)  # fmt: skip
@click.option(
    "--reentered-within", type=click.IntRange(0, 3_650), default=365, show_default=True,
    help="Persons who came back within so many days.",
)  # fmt: skip
@click.option(
    "--contradicting", default="dibao,dishouru", show_default=True,
    help="Categories that members of one household cannot have side by side.",
)  # fmt: skip
@click.option(
    "--deaths", type=_FILE, default=None,
    help="CSV, also gzip, UTF-8, with the columns id_number and death_date, as a roster"
    " data file has them.",
)  # fmt: skip
@click.option(
    "--most", type=click.IntRange(0), default=1_000, show_default=True,
    help="Rows listed of each check; all are counted.",
)  # fmt: skip
@click.option(
    "--html", "html", type=click.Path(path_type=Path, dir_okay=False), default=None,
    help="Write the lists and a picture as one page.",
)  # fmt: skip
@json_option
@location_options
def audit_command(
    *,
    day: datetime | None,
    ending_within: int,
    reentered_within: int,
    contradicting: str,
    deaths: Path | None,
    most: int,
    html: Path | None,
    as_json: bool,
    data_dir: Path,
    dsn: str | None,
) -> None:
    """Look for what the bureau should look into, and count by place and category.

    The same person twice, households in contradiction, windows about to end, persons
    struck and re-entered, deaths reported. Changes nothing. Persons and households
    are shown as tokens alone.
    """
    rules = AuditRules(
        day=day.date() if day else shanghai_day(wall_clock()),
        most=most,
        ending_within=ending_within,
        reentered_within=reentered_within,
        excluding=[each.strip() for each in contradicting.split(",") if each.strip()],
    )
    yield_to_settling()
    try:
        found = asyncio.run(_audit(rules, deaths, data_dir, dsn))
    except StoreUnavailableError as error:
        raise click.ClickException(
            f"the database went away during the audit ({error}); run it again"
        ) from error
    if html is not None:
        write_page(html, audit_page(found))
    if as_json:
        click.echo(as_json_text(audit_document(found)))
        return
    for each in audit_summary(found):
        click.echo(each)
    if html is not None:
        click.echo(f"\n{html} has the lists and the picture")


async def _audit(
    rules: AuditRules, deaths: Path | None, data_dir: Path, dsn: str | None
) -> Audit:
    async with open_database(data_dir, dsn, max_size=2, gives_way=True) as database:
        if deaths is not None:
            tokenizer = await tokenizer_of(database, data_dir)
            rules = replace(rules, deaths=_deaths(deaths, tokenizer))
        return await audit(database, rules)


def _deaths(path: Path, tokenizer: Tokenizer) -> dict[bytes, date]:
    """The day of death by person token; a line at fault is named, never quoted."""
    found = {}
    with _opened(path) as file:
        rows = csv.DictReader(file)
        missing = {"id_number", "death_date"} - set(rows.fieldnames or ())
        if missing:
            raise click.ClickException(
                f"{path} has no column {' and '.join(sorted(missing))}"
            )
        for row in rows:
            if not row["death_date"]:
                continue
            try:
                day = date.fromisoformat(row["death_date"].strip())
            except ValueError as error:
                raise click.ClickException(
                    f"{path}, line {rows.line_num}: death_date is no day YYYY-MM-DD"
                ) from error
            found[tokenizer.person(row["id_number"] or "")] = day
    return found


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open("rb") as raw:
            is_zipped = raw.read(2) == _GZIP
            raw.seek(0)
            opener = gzip.open if is_zipped else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield file
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} cannot be read as UTF-8 text") from error
