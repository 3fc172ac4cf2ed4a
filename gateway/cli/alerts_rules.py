"""`medaid alerts rules`: the dated documents that detectors go by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.cli.alerts_desk import names_nobody, reading, run_alerts, today, writing
from gateway.cli.policy_view import console_for_tables
from gateway.cli.reconcile_desk import by_option
from gateway.location import json_option, location_options
from gateway.wiring import wall_clock
from settlement import alert_rules
from settlement.domain.calendar import SHANGHAI, rfc3339
from settlement.domain.policy.tree import ListNode, MapNode, Node, TextNode, read_tree
from settlement.domain.watch.rules import (
    AlertRules,
    DetectorRule,
    RulesError,
    read_rules,
)
from settlement.domain.watch.worked_cases import RuleCaseResult, run_cases
from settlement.service.watch.shelf import RulesShelf
from settlement.store.alert_rules import RulesRow, put_rules, read_rules_rows

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
#: Members of a detector's group that have columns of their own.
_OWN_COLUMNS = frozenset({"action", "score", "cases"})
_ACTIONS = {
    "deny": "拒绝 deny",
    "hold": "待确认 hold",
    "alert": "提示 alert",
    "off": "停用 off",
}


@click.group("rules")
def rules_group() -> None:
    """Alert rules: what detectors look for, as dated documents that people edit."""


@rules_group.command("list", epilog="Example: medaid alerts rules list --json")
@location_options
@json_option
def list_rules(data_dir: Path, dsn: str | None, *, as_json: bool) -> None:
    """List the documents, and say which of them is in use today."""

    async def work() -> list[RulesRow]:
        async with reading(data_dir, dsn) as session:
            return await read_rules_rows(session)

    rows = run_alerts(work())
    in_use = _in_use(rows)
    documents = [_row_document(row, in_use) for row in rows]
    if as_json:
        click.echo(json.dumps(documents))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("规则\nrules", "启用\nknown since", "由\nby", "状态\nstate"):
        table.add_column(head, overflow="fold")
    for row, each in zip(rows, documents, strict=True):
        at = row.known_since.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
        state = "在用 in use" if each["in_use"] else ""
        table.add_row(escape(each["rules"]), at, escape(row.put_by), state)
    console_for_tables().print(table)


def _in_use(rows: Sequence[RulesRow]) -> int | None:
    """The number of the document in force today."""
    try:
        found = RulesShelf(rows).in_force(today(), wall_clock())
    except RulesError as error:
        raise click.ClickException(
            f"a stored document cannot be read: {error.faults[0]}"
        ) from error
    return None if found is None else found.no


def _row_document(row: RulesRow, in_use: int | None) -> dict[str, Any]:
    return {
        "rules": f"{row.id}@{row.version}",
        "sha256": row.sha256,
        "known_since": rfc3339(row.known_since),
        "put_by": row.put_by,
        "in_use": row.no == in_use,
    }


@rules_group.command(
    "show", epilog="Example: medaid alerts rules show --yaml > draft.yaml"
)
@click.argument("reference", metavar="[ID@VERSION|FILE]", required=False)
@click.option(
    "--yaml", "as_yaml", is_flag=True, help="The exact bytes, to begin a new version."
)
@location_options
def show_rules(
    reference: str | None, as_yaml: bool, data_dir: Path, dsn: str | None
) -> None:
    """Show a document, detector by detector; without a name the one in use."""
    document = _document_of(reference, data_dir, dsn)
    if as_yaml:
        click.echo(document, nl=False)
        return
    _print_rules(console_for_tables(), _read(document, reference or "rules"), document)


def _document_of(reference: str | None, data_dir: Path, dsn: str | None) -> bytes:
    path = Path(reference or "")
    if path.suffix in {".yaml", ".yml"} and path.is_file():
        return path.read_bytes()

    async def work() -> list[RulesRow]:
        async with reading(data_dir, dsn) as session:
            return await read_rules_rows(session)

    rows = run_alerts(work())
    if reference is None:
        number = _in_use(rows)
        found = [row for row in rows if row.no == number]
    else:
        found = [row for row in rows if f"{row.id}@{row.version}" == reference]
    if not found:
        raise click.ClickException(
            f"没有规则 {reference or ''}；medaid alerts rules list 列出全部。"
            " There are no such rules; medaid alerts rules list shows all."
        )
    return found[0].document


@rules_group.command("check", epilog="Example: medaid alerts rules check draft.yaml")
@click.argument("file", type=_FILE, required=False)
@json_option
def check_rules(file: Path | None, *, as_json: bool) -> None:
    """Read a document and run its worked cases; without FILE the program's own.

    Every fault is named at once, with its line, its field and what to do. Ends with
    status 1 when there is one.
    """
    name = alert_rules.DEFAULT if file is None else str(file)
    document = alert_rules.read(name) if file is None else file.read_bytes()
    checked = _check(document)
    if as_json:
        click.echo(json.dumps({"file": name} | checked.as_json()))
    else:
        _print_checked(name, checked)
    if not checked.is_sound:
        raise SystemExit(1)


@rules_group.command(
    "put", epilog="Example: medaid alerts rules put draft.yaml --by li"
)
@click.argument("file", type=_FILE)
@by_option
@location_options
def put_command(file: Path, by: str, data_dir: Path, dsn: str | None) -> None:
    """Take a document into use, from now on.

    It is checked first, with its worked cases. Running gateways take it over within a
    second or two. Claims that were settled before stay under the rules of their time.
    """
    document = file.read_bytes()
    checked = _check(document)
    if checked.rules is None or not checked.is_sound:
        _print_checked(str(file), checked)
        raise SystemExit(1)
    rules, known_since = checked.rules, wall_clock()

    async def work() -> bool:
        async with writing(data_dir, dsn) as session:
            return await put_rules(
                session, rules, document, known_since, names_nobody(by)
            )

    is_new = run_alerts(work())
    had = "" if is_new else "（原已有 was there already）"
    click.echo(f"{rules.id}@{rules.version} sha256 {rules.sha256}{had}")
    if is_new:
        at = known_since.astimezone(SHANGHAI).isoformat(timespec="seconds")
        click.echo(f"自此刻起适用 / decides from {at} on")
    if rules.in_force_from > today():
        click.echo(f"施行日 / in force from {rules.in_force_from}")


@dataclass(frozen=True, slots=True)
class _Checked:
    """What is wrong with a document; nothing where it is sound."""

    rules: AlertRules | None
    fault: RulesError | None
    results: Sequence[RuleCaseResult]

    @property
    def failed(self) -> list[RuleCaseResult]:
        """Worked cases that came out otherwise."""
        return [each for each in self.results if not each.passed]

    @property
    def is_sound(self) -> bool:
        """Whether it can be taken into use."""
        return self.fault is None and not self.failed

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        faults = [] if self.fault is None else self.fault.faults
        rules = self.rules
        return {
            "ok": self.is_sound,
            "rules": None if rules is None else f"{rules.id}@{rules.version}",
            "sha256": None if rules is None else rules.sha256,
            "faults": [
                {
                    "code": fault.code,
                    "line": fault.line,
                    "field": fault.field,
                    "text": {"zh": fault.text.zh, "en": fault.text.en},
                }
                for fault in faults
            ],
            "cases": len(self.results),
            "failed_cases": [
                {
                    "detector": each.detector,
                    "name": each.name,
                    "line": each.line,
                    "expected": each.expected,
                    "found": each.found,
                }
                for each in self.failed
            ],
        }


def _check(document: bytes) -> _Checked:
    try:
        rules = read_rules(document)
    except RulesError as error:
        return _Checked(None, error, ())
    return _Checked(rules, None, run_cases(rules))


def _print_checked(name: str, checked: _Checked) -> None:
    for fault in () if checked.fault is None else checked.fault.faults:
        click.echo(f"{name}:{fault}")
    for each in checked.failed:
        click.echo(
            f"{name}:{each.line}: {each.detector} 算例“{each.name}”应为"
            f" {_groups(each.expected)}，实为 {_groups(each.found)}。"
            f" The worked case must give {_groups(each.expected)} and gives"
            f" {_groups(each.found)}: correct the numbers or the case."
        )
    if checked.rules is not None and checked.is_sound:
        rules = checked.rules
        click.echo(
            f"{rules.id}@{rules.version}: {len(checked.results)} 个算例全部通过"
            f" / all {len(checked.results)} worked cases pass"
        )


def _groups(groups: tuple[tuple[str, ...], ...]) -> str:
    return " ".join(f"[{' '.join(ids)}]" for ids in groups) or "[]"


def _read(document: bytes, name: str) -> AlertRules:
    try:
        return read_rules(document)
    except RulesError as error:
        lines = "\n".join(f"{name}:{fault}" for fault in error.faults)
        raise click.ClickException(f"the rules cannot be used\n{lines}") from error


def _print_rules(console: Console, rules: AlertRules, document: bytes) -> None:
    fictional = "  [red]虚构 FICTIONAL[/red]" if rules.is_fictional else ""
    console.print(f"[bold]{rules.id}@{rules.version}[/bold]{fictional}")
    console.print(escape(f"{rules.title.zh}\n{rules.title.en}\nsha256 {rules.sha256}"))
    console.print(f"施行 in force from {rules.in_force_from}")
    groups = read_tree(document).entries["detectors"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True)
    for head in ("检测\ndetector", "动作\naction", "分\nscore", "数字\nnumbers"):
        table.add_column(head, overflow="fold")
    for rule in rules.detectors.values():
        group = groups.entries[rule.name] if isinstance(groups, MapNode) else groups
        table.add_row(*map(escape, _cells(rule, group)))
    console.print(table)
    for key, source in rules.sources.items():
        console.print(escape(f"{key}（{source.kind}）{source.says.zh}"))


def _cells(rule: DetectorRule, group: Node) -> Iterator[str]:
    title = rule.detector.title
    yield f"{title.zh}\n{title.en}\n{rule.name}"
    yield _ACTIONS[rule.action.value]
    yield str(rule.detector.score)
    lines = []
    for key, node in group.entries.items() if isinstance(group, MapNode) else ():
        if key not in _OWN_COLUMNS:
            lines.append(f"{key}: {_words(node)}")
    yield "\n".join([*lines, f"{len(rule.cases)} 个算例 worked cases"])


def _words(node: Node) -> str:
    """A number as it is written, with its source behind it."""
    match node:
        case TextNode(text=text):
            return text
        case ListNode(items=items):
            return "；".join(_words(item) for item in items)
        case MapNode(entries=entries):
            told = dict(entries)
            source = told.pop("source", None)
            if set(told) == {"value"}:
                words = _words(told["value"])
            else:
                words = "，".join(f"{key} {_words(n)}" for key, n in told.items())
            return words if source is None else f"{words}（{_words(source)}）"
