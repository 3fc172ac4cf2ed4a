"""Alerts and cases on the terminal: cases strongest first, 80 columns are enough."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.alert_documents import alert_text
from gateway.cli.alerts_words import (
    ACTIONS,
    ALERT_STATES,
    CARE,
    CASE_STATES,
    about_alert,
    about_case,
    became_of,
    short,
)
from settlement.domain.calendar import SHANGHAI
from settlement.domain.money import yuan_text
from settlement.domain.watch.wording import title_of
from settlement.service.watch.work import (
    CaseClaim,
    CaseEvent,
    ListedAlert,
    ListedCase,
    OpenedCase,
)

#: Hospitals and visits named of one alert; the rest is counted.
_NAMED = 4


def print_alerts(
    console: Console, alerts: Sequence[ListedAlert], cases: Sequence[ListedCase]
) -> None:
    """Alerts by case, the strongest case first, and in it the strongest alert."""
    by_case: dict[bytes | None, list[ListedAlert]] = {}
    for alert in alerts:
        by_case.setdefault(alert.case_id, []).append(alert)
    for case in cases:
        if case.id in by_case:
            print_case_line(console, case)
            _print_alert_table(console, by_case[case.id])
    if None in by_case:
        console.print("\n[bold]无案件[/bold] in no case")
        _print_alert_table(console, by_case[None])
    console.print(f"\n{len(alerts):,} 条提醒 alerts")


def print_case_line(console: Console, case: ListedCase) -> None:
    """What a case is about and how it stands."""
    assignee = f" {escape(case.assignee)}" if case.assignee else ""
    console.print(
        f"\n[bold]案件 case {short(case.id)}[/bold]  {case.score}分"
        f"  {CASE_STATES[case.state]}{assignee}  {escape(about_case(case))}"
    )


def _print_alert_table(console: Console, alerts: Iterable[ListedAlert]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    for alert in sorted(alerts, key=lambda each: (-each.score, each.no)):
        table.add_row(short(alert.id), str(alert.score), _alert_cell(alert))
    console.print(table)


def _alert_cell(alert: ListedAlert) -> str:
    text = alert_text(alert)
    state = ALERT_STATES[alert.state]
    title = title_of(alert.detector)
    head = f"[bold]{escape(title.zh)}[/bold] {escape(title.en)} ({alert.detector})"
    where = some(alert.facilities)
    visits = some(alert.visit_nos)
    return "\n".join(
        line
        for line in (
            f"{head} {state}".rstrip(),
            escape(text.zh),
            escape(text.en),
            escape(f"{where} · {visits} · {yuan_text(alert.aid_fen)} 元 yuan"),
        )
        if line
    )


def some(names: Sequence[str]) -> str:
    """The first names, and how many there are where it is more."""
    shown = " ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} … ({len(names)})"


def print_cases(console: Console, cases: Sequence[ListedCase]) -> None:
    """One line or two for each case."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("案件\ncase", no_wrap=True)
    table.add_column("分\nscore", justify="right", no_wrap=True)
    table.add_column("状态\nstate", overflow="fold")
    table.add_column("关于\nabout", overflow="fold")
    table.add_column("提醒\nalerts", overflow="fold")
    for case in cases:
        assignee = f"\n{escape(case.assignee)}" if case.assignee else ""
        table.add_row(
            short(case.id),
            str(case.score),
            CASE_STATES[case.state] + assignee,
            escape(about_case(case)),
            f"{case.alerts} · {', '.join(case.detectors)}",
        )
    console.print(table)
    console.print(f"{len(cases):,} 个案件 cases")


def print_opened(console: Console, opened: OpenedCase) -> None:
    """A case with its alerts, its claims in the order of time, and its history."""
    print_case_line(console, opened.case)
    _print_alert_table(console, opened.alerts)
    print_claims(console, opened.claims)
    print_history(console, opened.history)


def print_alert(
    console: Console, alert: ListedAlert, claims: Sequence[CaseClaim]
) -> None:
    """An alert that is in no case."""
    console.print(f"\n[bold]{escape(about_alert(alert))}[/bold]")
    _print_alert_table(console, [alert])
    print_claims(console, claims)


def print_claims(console: Console, claims: Sequence[CaseClaim]) -> None:
    """When, where, what for, how much, and what became of it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("日期 day", "机构 hospital", "就诊 care", "救助 aid", "结果 state"):
        zh, en = head.split(" ")
        table.add_column(f"{zh}\n{en}", overflow="fold")
    for claim in claims:
        table.add_row(*map(escape, claim_cells(claim)))
    console.print(table)


def claim_cells(claim: CaseClaim) -> Iterator[str]:
    """The cells of a claim; the id of its settlement stands beneath the day."""
    ends = claim.service_end
    until = "" if ends == claim.service_start else f"\n– {ends}"
    at = claim.occurred_at.astimezone(SHANGHAI).strftime("%H:%M")
    yield f"{claim.service_start} {at}{until}\n{short(claim.id)}"
    yield f"{claim.facility}\n{claim.operator}"
    yield f"{CARE.get(claim.care_type, claim.care_type)}\n{claim.visit_no}"
    yield yuan_text(claim.aid_fen)
    yield became_of(claim)


def print_history(console: Console, history: Sequence[CaseEvent]) -> None:
    """Who did what, from the beginning."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("时间\nat", "谁\nwho", "做了什么\naction", "备注\nnote"):
        table.add_column(head, overflow="fold")
    for event in history:
        table.add_row(*map(escape, event_cells(event)))
    console.print(table)


def event_cells(event: CaseEvent) -> Iterator[str]:
    """The cells of a line of the history."""
    yield event.at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
    yield event.who
    yield ACTIONS.get(event.action, event.action)
    yield event.note
