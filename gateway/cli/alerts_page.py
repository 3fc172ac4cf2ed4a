"""A case as one page for the file: the picture, the alerts, the claims, the history.

Tokens stand for persons; a page never holds a card or a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.alert_documents import alert_text
from gateway.cli.alerts_timeline import timeline
from gateway.cli.alerts_view import claim_cells, event_cells
from gateway.cli.alerts_words import ALERT_STATES, CASE_STATES, about_case
from gateway.cli.policy_html import Cell, heading, line, page, table
from settlement.domain.watch.wording import title_of
from settlement.service.watch.work import ListedAlert, OpenedCase

_CLAIMS = ("日期 day", "机构 hospital", "就诊 care", "救助 aid", "结果 state")
_HISTORY = ("时间 at", "谁 who", "做了什么 action", "备注 note")


def members_of(alerts: Sequence[ListedAlert]) -> frozenset[bytes]:
    """Claims of the alerts that hold."""
    return frozenset(
        claim
        for alert in alerts
        if alert.state == "raised"
        for claim in alert.settlement_ids
    )


def case_title(opened: OpenedCase) -> str:
    """The case by its whole id."""
    return f"案件 case {opened.case.id.hex()}"


def case_picture(opened: OpenedCase) -> str:
    """The claims in time; empty where there is none."""
    return timeline(case_title(opened), opened.claims, members_of(opened.alerts))


def case_page(opened: OpenedCase) -> str:
    """The whole page."""
    title = case_title(opened)
    return page(title, title, _parts(opened))


def _parts(opened: OpenedCase) -> Iterator[str]:
    case = opened.case
    yield heading("案件", f"Case {case.id.hex()}", 1)
    assignee = f"，{case.assignee}" if case.assignee else ""
    yield line(
        f"{about_case(case)} · {case.score}分 · {CASE_STATES[case.state]}{assignee}"
    )
    yield case_picture(opened)
    yield heading("提醒", "Alerts")
    yield table(
        ("分 score", "提醒 alert", "说明 what it says", "编号 id"),
        [_alert(alert) for alert in sorted(opened.alerts, key=lambda a: -a.score)],
    )
    yield heading("结算，按时间", "Claims in the order of time")
    yield table(_CLAIMS, [list(claim_cells(claim)) for claim in opened.claims])
    yield heading("经过", "History")
    yield table(_HISTORY, [list(event_cells(event)) for event in opened.history])


def _alert(alert: ListedAlert) -> list[str]:
    title, text = title_of(alert.detector), alert_text(alert)
    state = ALERT_STATES[alert.state]
    return [
        Cell(str(alert.score), "n"),
        f"{title.zh}\n{title.en}\n{state}".strip(),
        f"{text.zh}\n{text.en}",
        Cell(alert.id.hex(), "id"),
    ]
