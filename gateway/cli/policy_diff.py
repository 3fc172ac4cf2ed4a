"""`medaid policy diff`: two packs beside each other, and whom the change touches."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console

from gateway.cli.given import month_number
from gateway.cli.policy_desk import (
    bar,
    bureau_key_option,
    find_pack,
    look_up,
    month_text,
    need_reader,
    pack_name,
    run_desk,
)
from gateway.cli.policy_figures import signed
from gateway.cli.policy_page import OUTCOMES
from gateway.cli.policy_view import console_for_tables, table_of
from gateway.location import json_option, location_options, open_database
from settlement.domain.policy import CompiledPack
from settlement.domain.policy.comparison import (
    CaseChange,
    Change,
    Kind,
    case_changes,
    changes,
)
from settlement.service.policy_past import Reader
from settlement.service.policy_simulation import Stretch, Touched, touched

_KINDS = {
    Kind.ADDED: "新增 added",
    Kind.REMOVED: "删除 removed",
    Kind.CHANGED: "变更 changed",
    Kind.RESOURCED: "出处变更 source",
}


@click.command(
    "diff",
    epilog="Example: medaid policy diff beijing@2023.1 beijing@2023.2 --month 2026-01",
)
@click.argument("old", metavar="A")
@click.argument("new", metavar="B")
@click.option(
    "--month",
    default=None,
    help="Also decide this month, YYYY-MM, again under both: whom the change touches.",
)
@bureau_key_option
@json_option
@location_options
def diff_packs(
    old: str,
    new: str,
    month: str | None,
    bureau_key: Path | None,
    data_dir: Path,
    dsn: str | None,
    *,
    as_json: bool,
) -> None:
    """Show what B states otherwise than A, in the decree's words.

    A and B are YAML files or ID[@VERSION], of the program or in the database. A's
    worked cases are run under B, its dates left aside. --month needs the bureau's
    key; nothing is written.
    """
    number = None if month is None else month_number(month)
    touched_month: Touched | None = None
    if number is None:
        before, after = look_up(data_dir, dsn, old, new)
    else:
        reader = need_reader(data_dir, bureau_key)
        before, after, touched_month = run_desk(
            _touched(data_dir, dsn, reader, (old, new), number, is_shown=not as_json)
        )
    stated = changes(before, after)
    cases = list(case_changes(before, after))
    if as_json:
        document = _document(before, after, stated, cases)
        if touched_month is not None:
            document["month"] = {"month": month} | asdict(touched_month)
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        return
    console = console_for_tables()
    console.print(f"[bold]{pack_name(before)} → {pack_name(after)}[/bold]")
    _print_changes(console, stated)
    _print_cases(console, cases)
    if touched_month is not None:
        console.print(
            f"{month}：{touched_month.persons:,} 人 persons，"
            f"{touched_month.settlements:,} 笔 settlements，"
            f"B 较 A / B against A {signed(touched_month.difference_fen)} 元",
            soft_wrap=True,
        )


async def _touched(
    data_dir: Path,
    dsn: str | None,
    reader: Reader,
    references: tuple[str, str],
    month: int,
    *,
    is_shown: bool,
) -> tuple[CompiledPack, CompiledPack, Touched]:
    async with open_database(data_dir, dsn, max_size=2) as database:
        old = await find_pack(database, references[0])
        new = await find_pack(database, references[1])
        with bar(month_text(month), is_shown=is_shown) as progress:
            found = await touched(
                database, reader, old, new, Stretch(month, month), progress
            )
    return old, new, found


def _print_changes(console: Console, stated: list[Change]) -> None:
    if not stated:
        console.print("内容相同 / both state the same")
        return
    shown = table_of(
        "", "规则 rule", "原 old", "新 new", "出处 source",
        title="变更 / what is stated otherwise", lines=True,
    )  # fmt: skip
    for change in stated:
        sources = [change.old_source, change.new_source]
        shown.add_row(
            _KINDS[change.kind],
            f"{change.title}\n{change.path}",
            change.old or "—",
            change.new or "—",
            " → ".join(dict.fromkeys(source for source in sources if source)),
        )
    console.print(shown)
    console.print(f"{len(stated):,} 处 differences")


def _print_cases(console: Console, cases: list[CaseChange]) -> None:
    if not cases:
        console.print("原有算例结果均不变 / every worked case of A comes out the same")
        return
    shown = table_of(
        "算例 case", "结果 outcome", "原 old", "新 new",
        title="结果不同的算例 / worked cases of A that come out otherwise under B",
    )  # fmt: skip
    for case in cases:
        for number, (outcome, before, after) in enumerate(case.outcomes):
            name = "" if number else f"{case.name}（第 {case.line} 行 line）"
            title = f"{OUTCOMES.get(outcome, outcome)} {outcome}"
            shown.add_row(name, title, before, after)
    console.print(shown)


def _document(
    before: CompiledPack,
    after: CompiledPack,
    stated: list[Change],
    cases: list[CaseChange],
) -> dict[str, Any]:
    return {
        "old": asdict(before.ref),
        "new": asdict(after.ref),
        "changes": [asdict(change) for change in stated],
        "cases": [
            {
                "name": case.name,
                "line": case.line,
                "outcomes": [
                    {"outcome": name, "old": old, "new": new}
                    for name, old, new in case.outcomes
                ],
            }
            for case in cases
        ],
    }
