"""What answers about alerts and cases look like, for `/openapi.json`."""

from __future__ import annotations

from typing import Literal

from gateway.wire_answers import Day, Fen, Instant, TextOut
from gateway.wire_described import Answer as _Answer
from gateway.wire_described import say as _say

_CaseState = Literal["new", "assigned", "confirmed", "dismissed", "recovered"]


class RaisedAlertOut(_Answer):
    """One alert; tokens stand for persons and households."""

    alert_id: str = _say("提醒编号", "id of the alert")
    no: int = _say("序号，按提出先后", "which of two alerts is the older")
    case_id: str | None = _say("所属案件", "the case in which it is")
    case_state: _CaseState | None = _say("案件状态", "how that case stands")
    detector: str = _say("检测规则", "stable name", examples=["exact-repeat"])
    title: TextOut = _say("规则名称", "what the detector is called")
    score: int = _say("分值，0 至 100", "0 to 100")
    state: Literal["raised", "withdrawn", "muted"] = _say("状态", "how it stands")
    text: TextOut = _say("说明", "the sentence")
    person_token: str | None = _say("人员代号", "the person, as a token")
    household_token: str | None = _say("家庭代号", "the household, as a token")
    facility: str | None = _say("医疗机构代码", "the hospital that it is about")
    operator: str | None = _say("操作员编号", "the operator that it is about")
    facilities: list[str] = _say("涉及的医疗机构", "hospitals of its claims")
    settlement_ids: list[str] = _say("涉及的结算", "its claims")
    visit_nos: list[str] = _say("涉及的就诊号", "their visits, in the same order")
    latest_settlement_id: str = _say("触发的结算", "the claim that completes it")
    aid_fen: Fen = _say("涉及的救助金额（分）", "aid of its claims")
    rules: str = _say("所用规则文件", "alert rules, id@version")
    raised_at: Instant = _say("提出时间", "when it was raised")
    changed_at: Instant = _say("最近变化", "when it changed last")


class AlertsOut(_Answer):
    """A page of the queue."""

    items: list[RaisedAlertOut] = _say(
        "按提出先后", "in the order in which they were raised"
    )
    next: int | None = _say(
        "下一页的 after；没有则为空", "`after` of the next page; null at the end"
    )


class CaseOut(_Answer):
    """Alerts about one person, household or hospital."""

    case_id: str = _say("案件编号", "id of the case")
    state: _CaseState = _say("状态", "how it stands")
    score: int = _say("分值，0 至 100", "0 to 100")
    assignee: str | None = _say("经办人", "who works on it")
    person_token: str | None = _say("人员代号", "the person, as a token")
    household_token: str | None = _say("家庭代号", "the household, as a token")
    facility: str | None = _say("医疗机构代码", "the hospital")
    alerts: int = _say("有效提醒数", "alerts that hold")
    detectors: list[str] = _say("检测规则", "their detectors")
    opened_at: Instant = _say("立案时间", "when it was opened")
    closed_at: Instant | None = _say("办结时间", "when it was closed")


class CasesOut(_Answer):
    """Cases, the strongest first."""

    items: list[CaseOut] = _say("分值高的在前", "the highest score first")


class CaseClaimOut(_Answer):
    """One claim of a case."""

    settlement_id: str = _say("结算编号", "id of the settlement")
    visit_no: str = _say("就诊号", "number of the visit")
    facility: str = _say("医疗机构代码", "the hospital")
    place: str = _say("街道代码", "its sub-district")
    person_token: str | None = _say("人员代号", "the person, as a token")
    operator: str = _say("操作员编号", "the operator")
    care_type: str = _say("就诊类别", "scope of the care", examples=["outpatient"])
    service_start: Day = _say("服务开始日期", "first day of the service")
    service_end: Day = _say("服务结束日期", "last day of the service")
    occurred_at: Instant = _say("窗口生成账单的时间", "when the bill was made")
    settled_at: Instant = _say("结算时间", "when it was settled")
    total_fen: Fen = _say("医疗费总额（分）", "total charge")
    aid_fen: Fen = _say("医疗救助（分）", "aid")
    state: Literal["settled", "reversed", "declined"] = _say("状态", "how it stands")
    reason: str = _say("代码", "stable code", examples=["MA-2000"])
    confirm_reason: str | None = _say("窗口确认的原因", "why the cashier confirmed it")
    repeat_reason: str | None = _say("再次结算的原因", "why it was settled again")
    reversed_at: Instant | None = _say("冲正时间", "when it was undone")
    recovery_ordered_at: Instant | None = _say("追回时间", "when aid was asked back")


class CaseEventOut(_Answer):
    """One line of a case's history."""

    no: int = _say("序号", "its number")
    at: Instant = _say("时间", "when")
    who: str = _say("经办", "who")
    action: str = _say("动作", "what")
    note: str = _say("备注", "why")


class OpenedCaseOut(CaseOut):
    """A case with its evidence."""

    alert_list: list[RaisedAlertOut] = _say("提醒", "its alerts")
    claims: list[CaseClaimOut] = _say("结算，按时间先后", "claims in the order of time")
    history: list[CaseEventOut] = _say("经过", "who did what")


class RecoveryOut(_Answer):
    """Aid that is asked back."""

    settlement_id: str = _say("结算编号", "id of the settlement")
    aid_fen: Fen = _say("追回的救助金额（分）", "aid that is asked back")


class CaseWorkedOut(_Answer):
    """What a step has done."""

    case: CaseOut = _say("案件现状", "the case as it stands now")
    recoveries: list[RecoveryOut] = _say("新追回的结算", "recoveries ordered now")
    muted: list[str] = _say(
        "从现在起对该对象不再提醒的规则",
        "detectors that are silent about it from now on",
    )
