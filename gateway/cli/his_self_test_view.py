"""What `medaid his self-test` shows on a terminal: a pass list, Chinese first."""

from __future__ import annotations

import json

import click

from gateway.his_self_test.lines import Report, Result, State
from settlement.domain.decision import Text

WORDS = {
    State.PASSED: Text("通过", "PASS"),
    State.FAILED: Text("不通过", "FAIL"),
    State.NOT_RUN: Text("未测", "NOT RUN"),
}
_MARKS = {State.PASSED: "✔", State.FAILED: "✘", State.NOT_RUN: "–"}
_COLOURS = {State.PASSED: "green", State.FAILED: "red", State.NOT_RUN: "yellow"}
_MOST_SHOWN = 6


def show_report(report: Report, *, as_json: bool) -> None:
    """Print every line, or all of it as JSON."""
    if as_json:
        click.echo(json.dumps(report.document(), ensure_ascii=False))
        return
    click.echo(f"{report.url}  {report.at}")
    click.echo(sandbox_text(report))
    for result in report.results:
        _show(result)
    click.echo("")
    click.echo(summary(report))


def sandbox_text(report: Report) -> str:
    """What the other side is."""
    told = {
        True: "是 yes",
        False: "否 no",
        None: "未表明 does not show it",
    }[report.is_sandbox]
    ours = "是 yes" if report.is_ours else "否 no"
    return f"沙箱 sandbox: {told} · 有本网关代码 answers our codes: {ours}"


def summary(report: Report) -> str:
    """How many of each."""
    return " · ".join(
        f"{word.zh} {word.en} {report.count(state)}" for state, word in WORDS.items()
    )


def _show(result: Result) -> None:
    line, word = result.line, WORDS[result.state]
    head = f"{_MARKS[result.state]} {word.zh} {word.en}"
    click.echo("")
    click.echo(
        click.style(head, fg=_COLOURS[result.state])
        + f"  {line.id}  {line.title.zh} · {line.title.en}"
    )
    _row("应为 expected", line.expected.zh, line.expected.en)
    for exchange in result.exchanges[-_MOST_SHOWN:]:
        click.echo(f"    发送 sent      {exchange.sent}")
        click.echo(f"    应答 came      {exchange.came}")
    for note in result.notes:
        _row("说明 note    ", note.zh, note.en)
    if result.why is not None:
        _row("原因 why     ", result.why.zh, result.why.en)
    if result.state is State.FAILED:
        _row("处理 do      ", line.advice.zh, line.advice.en)


def _row(name: str, zh: str, en: str) -> None:
    click.echo(f"    {name}  {zh} · {en}" if zh != en else f"    {name}  {zh}")
