"""`medaid alerts replay`: new alert rules over past months, and nothing is raised."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.cli.alerts_desk import run_alerts
from gateway.cli.alerts_words import about
from gateway.cli.policy_desk import bar
from gateway.cli.policy_view import console_for_tables
from gateway.cli.reconcile_desk import yield_to_settling
from gateway.location import json_option, location_options, open_database
from settlement.domain.calendar import month_name
from settlement.domain.month_range import MonthRange, parse_month, range_fault
from settlement.domain.watch.rules import AlertRules, RulesError, read_rules
from settlement.domain.watch.signal import SubjectKind
from settlement.domain.watch.wording import title_of
from settlement.service.watch.rehearsal import rehearse
from settlement.service.watch.rehearsed import Example, Rehearsal, Tally
from settlement.store.transaction import our_errors

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_PPM = 1_000_000
_IDS_SHOWN = 4


@click.command(
    "replay",
    epilog="Example: medaid alerts replay --rules draft.yaml --months 2026-01..2026-03",
)
@click.option(
    "--rules", "file", type=_FILE, required=True, help="The document to try, YAML."
)
@click.option(
    "--months", required=True, metavar="A..B", help="YYYY-MM..YYYY-MM, or one YYYY-MM."
)
@location_options
@json_option
def replay_command(
    file: Path, months: str, data_dir: Path, dsn: str | None, *, as_json: bool
) -> None:
    """Try rules on past months and show what would change; raises nothing.

    As though they had been in force, whatever their dates. Reads one snapshot, in which
    PostgreSQL itself refuses to write. An alert that would be is right where it shares
    a claim with a confirmed case, wrong where it shares one with a dismissed case;
    recall is the share of the confirmed cases that are found again.
    """
    rules, stretch = _rules(file), _months(months)
    yield_to_settling()

    async def work() -> Rehearsal:
        async with open_database(data_dir, dsn, max_size=2, gives_way=True) as database:
            with our_errors(), bar("试算 rehearsing", is_shown=not as_json) as progress:
                return await rehearse(database, rules, stretch, progress)

    found = run_alerts(work())
    if as_json:
        click.echo(json.dumps(rehearsal_document(found, stretch)))
    else:
        print_rehearsal(console_for_tables(), found, stretch)


def _rules(file: Path) -> AlertRules:
    try:
        return read_rules(file.read_bytes())
    except RulesError as error:
        raise click.ClickException(
            f"{file} cannot be used: {len(error.faults)} faults, the first in line"
            f" {error.faults[0].line}; medaid alerts rules check {file} lists them"
        ) from error


def _months(text: str) -> MonthRange:
    first, separator, last = text.partition("..")
    numbers = parse_month(first), parse_month(last if separator else first)
    months = MonthRange(numbers[0] or 0, numbers[1] or 0)
    if None in numbers or range_fault(months) is not None:
        raise click.ClickException(
            f"--months {text}: give YYYY-MM..YYYY-MM, as 2026-01..2026-03"
        )
    return months


def rehearsal_document(found: Rehearsal, months: MonthRange) -> dict[str, Any]:
    """For `--json`: the whole, and each detector."""
    return {
        "rules": f"{found.rules.id}@{found.rules.version}",
        "sha256": found.rules.sha256,
        "months": [month_name(month) for month in months.months()],
        "all": _tally(found.whole),
        "detectors": {
            name: _tally(tally)
            | {
                "new_examples": [_example(e) for e in tally.new_examples],
                "gone_examples": [_example(e) for e in tally.gone_examples],
            }
            for name, tally in found.by_detector.items()
        },
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "as_is": tally.as_is,
        "would_be": tally.would_be,
        "same": tally.same,
        "new": tally.new,
        "gone": tally.gone,
        "right": tally.right,
        "wrong": tally.wrong,
        "precision": _share(tally.precision_ppm),
        "confirmed_cases": len(tally.confirmed),
        "found_cases": len(tally.found & tally.confirmed),
        "recall": _share(tally.recall_ppm),
    }


def _share(ppm: int | None) -> float | None:
    return None if ppm is None else ppm / _PPM


def _example(example: Example) -> dict[str, Any]:
    return {
        "alert_id": None if example.alert is None else example.alert.hex(),
        "person_token": _token(example, SubjectKind.PERSON),
        "household_token": _token(example, SubjectKind.HOUSEHOLD),
        "facility": example.facility,
        "operator": example.operator,
        "score": example.score,
        "text": {"zh": example.text.zh, "en": example.text.en},
        "settlement_ids": [claim.hex() for claim in example.claims],
    }


def _token(example: Example, kind: SubjectKind) -> str | None:
    if example.token is None or example.kind is not kind:
        return None
    return example.token.hex()


def print_rehearsal(console: Console, found: Rehearsal, months: MonthRange) -> None:
    """A line for each detector that says or said something, then examples."""
    span = " – ".join(sorted({month_name(months.first), month_name(months.last)}))
    console.print(
        f"[bold]试算 {escape(found.rules.id)}@{escape(found.rules.version)}[/bold]"
        f"  {span}  不产生提醒 nothing is raised"
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("检测\ndetector", overflow="fold")
    for head in ("现有\nis", "将有\nwould", "相同\nsame", "新增\nnew", "消失\ngone",
                 "查准\nprecision", "查全\nrecall"):  # fmt: skip
        table.add_column(head, justify="right", no_wrap=True)
    spoke = {n: t for n, t in found.by_detector.items() if t.as_is or t.would_be}
    for name, tally in spoke.items():
        table.add_row(f"{title_of(name).zh}\n{name}", *_figures(tally))
    table.add_section()
    table.add_row("合计 all", *_figures(found.whole))
    console.print(table)
    for name, tally in spoke.items():
        for word, examples in (("新增 new", tally.new_examples),
                               ("消失 gone", tally.gone_examples)):  # fmt: skip
            for example in examples:
                console.print(escape(f"{word} {name} {_line(example)}"))


def _figures(tally: Tally) -> Iterator[str]:
    for count in (tally.as_is, tally.would_be, tally.same, tally.new, tally.gone):
        yield f"{count:,}"
    for ppm, of in (
        (tally.precision_ppm, tally.right + tally.wrong),
        (tally.recall_ppm, len(tally.confirmed)),
    ):
        yield "—" if ppm is None else f"{ppm / _PPM:.1%} ({of})"


def _line(example: Example) -> str:
    is_person = example.kind is SubjectKind.PERSON
    who = about(
        example.token if is_person else None,
        None if is_person else example.token,
        example.facility,
        example.operator,
    )
    ids = " ".join(claim.hex()[:8] for claim in example.claims[:_IDS_SHOWN])
    more = "" if len(example.claims) <= _IDS_SHOWN else f" … ({len(example.claims)})"
    return (
        f"{example.score}分 {who} · {ids}{more}\n  {example.text.zh}"
        f"\n  {example.text.en}"
    )
