"""The words of the calls about alerts, for `/openapi.json` and `/docs`."""

from __future__ import annotations

from gateway import wire_alert_answers as alert
from gateway import wire_alerts as queue
from gateway.openapi_words import BODY, CallText, Parameter

_ALERT_PAGE = (
    Parameter("state", "query", "状态；不填为 raised；all 为全部",
              "state; `raised` when left out, `all` for every one",
              queue.ALERT_STATE_PATTERN),
    Parameter("detector", "query", "检测规则", "stable name of a detector",
              queue.DETECTOR_PATTERN),
    Parameter("case_id", "query", "案件编号", "alerts of one case", queue.ID_PATTERN),
    Parameter("after", "query", "从该序号之后开始：上一页的 next",
              "begin behind this `no`: `next` of the page before",
              queue.NUMBER_PATTERN),
    Parameter("limit", "query", "最多条数，1 至 1000，默认 100",
              "at most so many, 1 to 1000; 100 when left out",
              queue.LIMIT_PATTERN, example="100"),
)  # fmt: skip
_CASE_STATE = Parameter(
    "state", "query", "状态；不填为 new 和 assigned；all 为全部",
    "state; `new` and `assigned` when left out, `all` for every one",
    queue.CASE_STATE_PATTERN,
)  # fmt: skip
_ALERT_ID = Parameter("alert", "path", "提醒编号", "id of the alert", queue.ID_PATTERN,
                      is_required=True)  # fmt: skip
_CASE_ID = Parameter("case", "path", "案件编号", "id of the case", queue.ID_PATTERN,
                     is_required=True)  # fmt: skip
_RESUME = (
    Parameter("Last-Event-ID", "header", "从该事件之后继续；优先于 after",
              "go on behind this event; counts before `after`", queue.NUMBER_PATTERN),
    Parameter("after", "query", "从该事件之后开始；不填从现在开始",
              "begin behind this event; now when left out", queue.NUMBER_PATTERN),
)  # fmt: skip
_WORK = (*BODY, "MA-1104", "MA-4108", "MA-4109")

ALERT_TEXTS: dict[str, CallText] = {
    "alerts": CallText(
        group="alerts", zh="提醒列表", en="The queue of alerts",
        detail_zh="按提出先后；next 不为空时还有下一页。医疗机构不能查看。"
        "内容只有代号，没有姓名和卡号。",
        detail_en="In the order in which they were raised; there is another page while"
        " `next` is not null. Not for facilities. Tokens, no names and no cards.",
        gives=alert.AlertsOut, parameters=_ALERT_PAGE, problems=("MA-1102",),
    ),
    "alert_stream": CallText(
        group="alerts", zh="提醒实时推送", en="Alerts as they come, as a stream",
        detail_zh="Server-Sent Events：id 为事件序号，event 为 raised、changed、"
        "withdrawn、muted，data 为一行 JSON（同提醒列表）。"
        "断开后带 Last-Event-ID 重连，不丢不重。"
        "每 15 秒一条注释；令牌到期或被吊销、网关停机时结束。"
        "不及时读取的会被断开，可按序号继续。",
        detail_en="Server-Sent Events: `id` is the event's number, `event` is raised,"
        " changed, withdrawn or muted, `data` an alert on one line. Resumes without"
        " loss or doubling by Last-Event-ID. A comment each 15 seconds; ends with the"
        " session, and when the gateway drains. Who does not read is cut, and resumes.",
        media_type="text/event-stream", parameters=_RESUME,
        problems=("MA-1102", "MA-1107"),
    ),
    "alert": CallText(
        group="alerts", zh="一条提醒", en="One alert",
        gives=alert.RaisedAlertOut, parameters=(_ALERT_ID,), problems=("MA-4101",),
    ),
    "alert_cases": CallText(
        group="alerts", zh="案件列表", en="Cases, the strongest first",
        gives=alert.CasesOut, parameters=(_CASE_STATE, _ALERT_PAGE[-1]),
        problems=("MA-1102",),
    ),
    "alert_case": CallText(
        group="alerts", zh="案件及其依据", en="A case with its evidence",
        detail_zh="提醒、结算和经过。", detail_en="Its alerts, claims and history.",
        gives=alert.OpenedCaseOut, parameters=(_CASE_ID,), problems=("MA-4108",),
    ),
    "assign_case": CallText(
        group="alerts", zh="分派案件", en="Assign a case",
        detail_zh="仅民政部门和经办官员。", detail_en="Bureau and officers alone.",
        takes=queue.AssignIn, gives=alert.CaseWorkedOut, parameters=(_CASE_ID,),
        problems=_WORK,
    ),
    "confirm_case": CallText(
        group="alerts", zh="认定违规并追回", en="Confirm misuse",
        detail_zh="recover 中的结算追回救助，列入对账差异。"
        "答复丢失时重试得到 409，请查看案件。仅民政部门和经办官员。",
        detail_en="Aid of the settlements in `recover` is asked back; reconciliation"
        " names it. A retry after a lost answer is 409: look at the case. Bureau and"
        " officers alone.",
        takes=queue.ConfirmIn, gives=alert.CaseWorkedOut, parameters=(_CASE_ID,),
        problems=_WORK,
    ),
    "dismiss_case": CallText(
        group="alerts", zh="排除", en="Dismiss a case",
        detail_zh="同一规则对同一对象排除两次后不再提醒。仅民政部门和经办官员。",
        detail_en="A detector dismissed twice about the same subject is silent from"
        " then on. Bureau and officers alone.",
        takes=queue.DismissIn, gives=alert.CaseWorkedOut, parameters=(_CASE_ID,),
        problems=_WORK,
    ),
}  # fmt: skip
