"""The list of what a retroactive pack would have decided otherwise; changes none."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson

from gateway.cli.policy_desk import (
    bar,
    bureau_key_option,
    find_pack,
    need_reader,
    pack_name,
    run_desk,
)
from gateway.cli.policy_figures import LEFT_OUT, settlement_json, signed
from gateway.cli.policy_simulation_view import settlement_row
from gateway.cli.policy_view import console_for_tables, table_of
from gateway.location import json_option, location_options, open_database
from settlement.domain.policy import CompiledPack
from settlement.service.policy_past import Reader
from settlement.service.policy_replay import LeftOut, Redecided
from settlement.service.policy_retroactive import differing
from settlement.store.database import Database

_Command = TypeVar("_Command", bound=Callable[..., Any])
_HEADERS = ("结算 settlement", "类别 category", "前 before, 元", "后 after, 元",
            "差额, 元", "原因 reason")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Retroactive:
    """Every settlement in force that the pack would decide otherwise."""

    pack: CompiledPack
    settlements: Sequence[Redecided]
    persons: int
    left_out: int
    """Settlements whose bills leave out a field that the pack's rules rest on."""

    @property
    def difference_fen(self) -> int:
        """What all of them together would differ by."""
        return sum(each.difference_fen for each in self.settlements)


def csv_option(command: _Command) -> _Command:
    """Add `--csv`: parameter `csv_file: Path | None`."""
    return click.option(
        "--csv",
        "csv_file",
        type=click.Path(path_type=Path, dir_okay=False),
        default=None,
        help="Write the settlements that would differ as CSV, amounts in fen.",
    )(command)


@click.command(
    "retroactive",
    epilog="Example: medaid policy retroactive beijing@2026.1 --csv differing.csv",
)
@click.argument("reference", metavar="PACK")
@bureau_key_option
@csv_option
@json_option
@location_options
def retroactive_pack(
    reference: str,
    bureau_key: Path | None,
    csv_file: Path | None,
    data_dir: Path,
    dsn: str | None,
    *,
    as_json: bool,
) -> None:
    """List each settlement on the pack's own days that it would decide otherwise.

    PACK is a YAML file or ID[@VERSION]. The list is all: what is settled stays as it
    is, and nothing is written to the database.
    """
    reader = need_reader(data_dir, bureau_key)

    async def work() -> Retroactive:
        async with open_database(data_dir, dsn, max_size=2) as database:
            pack = await find_pack(database, reference)
            return await retroactive(database, reader, pack, is_shown=not as_json)

    found = run_desk(work())
    if csv_file is not None:
        write_csv(csv_file, found)
    if as_json:
        document = retroactive_json(found)
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    else:
        print_retroactive(found)


async def retroactive(
    database: Database, reader: Reader, pack: CompiledPack, *, is_shown: bool
) -> Retroactive:
    """Decide everything on the pack's days again; raises `CryptoError`."""
    settlements: list[Redecided] = []
    persons = left_out = 0
    with bar("追溯 retroactive", is_shown=is_shown) as progress:
        async for result in differing(database, reader, pack, progress):
            settlements += result.redecided
            persons += bool(result.redecided)
            left_out += result.left_out[LeftOut.MISSING_FIELD]
    settlements.sort(key=lambda each: (each.month, each.id))
    return Retroactive(pack, settlements, persons, left_out)


def print_retroactive(found: Retroactive) -> None:
    """All of them in a table, and what they add up to."""
    begins = found.pack.document.in_force_from
    if found.settlements:
        shown = table_of(*_HEADERS, title="追溯：结果会不同的结算 / would differ")
        for each in found.settlements:
            shown.add_row(*settlement_row(each, found.pack))
        for column in shown.columns[2:5]:
            column.justify = "right"
        console_for_tables().print(shown)
    click.echo(
        f"{pack_name(found.pack)}：{begins} 以来 since,"
        f" {len(found.settlements):,} 笔结算会不同 would differ，"
        f"{found.persons:,} 人 persons，合计 {signed(found.difference_fen)} 元；"
        "均不改动 / none is changed"
    )
    if found.left_out:
        zh, en = LEFT_OUT[LeftOut.MISSING_FIELD]
        click.echo(f"{found.left_out:,} 笔未能重算 not decided again: {zh} / {en}")


def retroactive_json(found: Retroactive) -> dict[str, Any]:
    """The list, amounts in fen."""
    return {
        "policy": pack_name(found.pack),
        "in_force_from": found.pack.document.in_force_from,
        "settlements": [settlement_json(each) for each in found.settlements],
        "persons": found.persons,
        "difference_fen": found.difference_fen,
        "not_decided_again": found.left_out,
    }


def write_csv(path: Path, found: Retroactive) -> None:
    """One line a settlement; raises `click.ClickException`."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerows(_lines(found.settlements))
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be written: {error.strerror}"
        ) from error


def _lines(settlements: Sequence[Redecided]) -> Iterator[Sequence[Any]]:
    names = (
        "settlement_id", "month", "care_type", "category_before", "category_after",
        "reason_before", "reason_after", "aid_before_fen", "aid_after_fen",
        "difference_fen",
    )  # fmt: skip
    yield names
    for each in settlements:
        values = settlement_json(each)
        yield [values[name] for name in names]
