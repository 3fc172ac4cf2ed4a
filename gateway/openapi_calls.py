"""What each call is for, takes and gives: the words of `/openapi.json` and `/docs`."""

from __future__ import annotations

from gateway import wire_answers as out
from gateway import wire_models as wire
from gateway import wire_month_answers as month
from gateway import wire_reconciliation as address
from gateway.openapi_alerts import ALERT_TEXTS
from gateway.openapi_roster import ROSTER_TEXTS
from gateway.openapi_words import BODY, CallText, Parameter

_NOTE = "text/plain"
#: Without a session the caller's address is what is limited.
_ADDRESS = ("MA-3105",)
_TIME = ("MA-1107", "MA-1108")
_BILL = ("MA-1104", "MA-1110", "MA-1111", "MA-1112", "MA-1113", "MA-1114", "MA-1115",
         "MA-1116", "MA-1117", "MA-2104", "MA-2106", "MA-5106")  # fmt: skip
_ONCE = ("MA-1103", "MA-3102", "MA-3103", "MA-4102", "MA-4103", "MA-5102",
         "MA-5103", "MA-5104")  # fmt: skip

DEADLINE = Parameter(
    "Medaid-Deadline-Ms", "header",
    "在多少毫秒内开始处理，否则返回 503；默认 10000",
    "begin within so many milliseconds or answer 503; 10000 when left out",
    "^[0-9]{1,6}$", example="10000",
)  # fmt: skip
SANDBOX_TIME = Parameter(
    "Medaid-Sandbox-Time", "header",
    "仅沙箱：以此时间结算",
    "sandbox only: the instant of settling",
    wire.INSTANT_PATTERN,
)  # fmt: skip
KEY = Parameter(
    "Idempotency-Key", "header",
    "每一笔业务一个键；重试时用同一个键",
    "one key for each intent; a retry sends the same",
    wire.KEY_PATTERN, is_required=True, example="0f8b2c66-1",
)  # fmt: skip
SETTLEMENT_ID = Parameter(
    "id", "path", "结算编号（记录和证明也可用冲正编号）",
    "id of a settlement; for record and proof also of a reversal",
    wire.KEY_PATTERN, is_required=True,
)  # fmt: skip
SIGNATURE_HEADERS = (
    Parameter("Content-Digest", "header", "请求体摘要（RFC 9530）",
              "digest of the body (RFC 9530)", "^sha-256=:.+:$", is_required=True),
    Parameter("Signature-Input", "header", "签名内容（RFC 9421，标签 sig1）",
              "what is signed (RFC 9421, label sig1)", "^sig1=.+$", is_required=True),
    Parameter("Signature", "header", "签名", "the signature", "^sig1=:.+:$",
              is_required=True),
)  # fmt: skip
_DESK = (DEADLINE, SANDBOX_TIME)
_MONTH = Parameter(
    "period", "path", "月份", "the month", address.MONTH_PATTERN,
    is_required=True, example="2026-01",
)  # fmt: skip
_PERIOD = Parameter(
    "period", "path", "日期或月份", "a day or a month", address.PERIOD_PATTERN,
    is_required=True, example="2026-01-05",
)  # fmt: skip
_FACILITY = Parameter(
    "facility", "query", "医疗机构代码；医疗机构只能填本机构",
    "code of a hospital; a facility may name itself alone", wire.OPERATOR_PATTERN,
)  # fmt: skip
_PAGE = (
    Parameter("after", "query", "从该差异之后开始：上一页的 next",
              "begin behind this difference: `next` of the page before",
              address.AFTER_PATTERN),
    Parameter("limit", "query", "最多条数，1 至 1000，默认 100",
              "at most so many, 1 to 1000; 100 when left out",
              address.LIMIT_PATTERN, example="100"),
    Parameter("state", "query", "状态；不填为除 gone 以外的全部",
              "state; without it all but those that are gone", address.STATE_PATTERN),
)  # fmt: skip
#: A list that is refused as a whole, and months that take none.
_LIST = ("MA-1102", "MA-1105", "MA-1106", "MA-1107", "MA-1140", "MA-4204", "MA-4212",
         "MA-6301", *(f"MA-{number}" for number in range(6303, 6316)))  # fmt: skip

TEXTS: dict[str, CallText] = {
    "open_session": CallText(
        group="access", zh="签到", en="Sign in",
        detail_zh="请求须按 RFC 9421 签名，覆盖 @method、@authority、@path、"
        "content-type、content-digest；created 与服务器时间相差不超过 60 秒，"
        "每个 nonce 只能用一次。"
        "令牌最长 12 小时有效。",
        detail_en="Signed by HTTP Message Signatures (RFC 9421) over @method,"
        " @authority, @path, content-type and content-digest, with created, nonce,"
        ' keyid and tag="medaid"; within 60 seconds, each nonce once. Tokens live 12'
        " hours at most.",
        takes=wire.SessionIn, gives=out.SessionOut, status=201, needs_session=False,
        parameters=SIGNATURE_HEADERS,
        problems=(*BODY, "MA-1104", "MA-3102", "MA-3103", "MA-3105", "MA-5104",
                  "MA-5105"),
    ),
    "eligibility": CallText(
        group="desk", zh="查询救助资格", en="Ask whether a card may receive aid",
        detail_zh="从缓存回答，不访问数据库；额度仅供参考，不构成承诺。",
        detail_en="Answered from the cache; the quota advises and does not bind.",
        takes=wire.EligibilityIn, gives=out.EligibilityOut,
        parameters=_DESK, problems=(*BODY, *_TIME, "MA-1112", "MA-1117", "MA-5106"),
    ),
    "quote": CallText(
        group="desk", zh="试算", en="Quote a bill",
        detail_zh="与结算同样的计算，不写入任何内容，不构成承诺。"
        "alerts 列出此时结算会提示的内容；会被提示规则拒绝或要求确认的，"
        "答复同结算，但不产生提示。",
        detail_en="The same computation as settling; binds nobody, writes nothing. "
        "alerts has what settling would tell now; a bill that alert rules would "
        "hold or deny is declined as it would be. Asking raises no alert.",
        takes=wire.BillIn, gives=out.DecisionOut,
        parameters=_DESK, problems=(*BODY, *_TIME, *_BILL),
    ),
    "settle": CallText(
        group="desk", zh="结算", en="Settle a bill",
        detail_zh="同一个键只结算一次；重试得到逐字节相同的答复，并带 "
        "Idempotent-Replayed: true。按规则不予救助也是答复（201），会被保留。",
        detail_en="Exactly once for a key: a retry gets the same bytes with"
        " Idempotent-Replayed: true. A decline by rule is an answer too (201) and is"
        " kept.",
        takes=wire.BillIn, gives=out.DecisionOut, status=201, may_replay=True,
        parameters=(KEY, *_DESK), problems=(*BODY, *_TIME, *_BILL, *_ONCE),
    ),
    "reverse": CallText(
        group="desk", zh="冲正", en="Reverse a settlement",
        detail_zh="全额冲正。结果未知时用 original_idempotency_key 和 card；"
        "原请求还未到达时会被作废。",
        detail_en="In full. For an unknown outcome send original_idempotency_key and"
        " card; an original that has not arrived yet is stopped.",
        takes=wire.ReversalIn, gives=out.ReversalOut, status=201, may_replay=True,
        parameters=(KEY, *_DESK),
        problems=(*BODY, *_TIME, *_ONCE, "MA-1104", "MA-4101", "MA-4104", "MA-4107"),
    ),
    "find_settlements": CallText(
        group="lookup", zh="按幂等键或就诊号查询", en="Find by key or visit number",
        detail_zh="须且只能提供一个参数。按键查询得到一笔结算；404 表示尚未结算。"
        "按就诊号得到 items，新的在前。",
        detail_en="Exactly one parameter. By key: one settlement, where 404 means not"
        " yet. By visit: items, newest first.",
        gives=out.FoundOut,
        parameters=(
            Parameter("idempotency_key", "query", "结算请求的幂等键",
                      "key of the settle request", wire.KEY_PATTERN),
            Parameter("visit_no", "query", "就诊号", "number of the visit",
                      wire.CODE_PATTERN),
        ),
        problems=("MA-1102", "MA-4101"),
    ),
    "search": CallText(
        group="lookup", zh="搜索结算", en="Search settlements",
        detail_zh="卡号只能放在请求体中，不能放在网址里。",
        detail_en="A card belongs into a body, never into a URL.",
        takes=wire.SearchIn, gives=out.ItemsOut, problems=BODY,
    ),
    "settlement": CallText(
        group="lookup", zh="查询一笔结算", en="One settlement with its state",
        gives=out.FoundOut, parameters=(SETTLEMENT_ID,), problems=("MA-4101",),
    ),
    "record": CallText(
        group="lookup", zh="签名并加密的记录", en="The signed, sealed record",
        media_type="application/jose", parameters=(SETTLEMENT_ID,),
        problems=("MA-4101",),
    ),
    "proof": CallText(
        group="lookup", zh="包含证明", en="Proof of inclusion",
        detail_zh="对最新检查点的包含证明（C2SP tlog-proof）。",
        detail_en="Against the latest checkpoint (C2SP tlog-proof).",
        media_type=_NOTE, parameters=(SETTLEMENT_ID,), problems=("MA-4101",),
    ),
    "statistics": CallText(
        group="lookup", zh="救助统计", en="Citizens, visits and aid by month",
        detail_zh="只统计救助金额大于 0 的账单。医疗机构只能看到本机构的；"
        "结果中没有任何个人信息。耗时过长时为 503 MA-5101，请缩短月份。",
        detail_en="Bills with aid above 0 alone. A facility sees its own; nothing of"
        " any person is in it. What takes too long is 503 MA-5101: ask for fewer"
        " months.",
        takes=wire.StatisticsIn, gives=out.StatisticsOut,
        problems=(*BODY, "MA-4101"),
    ),
    "reconcile_totals": CallText(
        group="months", zh="核对每日合计", en="Do our daily totals match",
        detail_zh="按北京时间的结算日期和就诊类别核对；冲正计入其发生的日期，"
        "笔数为 -1，金额为负。最多 31 天。",
        detail_en="By Shanghai day of settling and care type. A reversal counts on its"
        " own day: -1, with negative amounts. At most 31 days.",
        takes=wire.TotalsIn, gives=month.TotalsOut, problems=(*BODY, "MA-1110"),
    ),
    "reconcile_list": CallText(
        group="months", zh="上传明细并逐笔核对", en="Upload the details of a period",
        detail_zh="请求体就是文件：zip（内含一个文本）、文本、CSV 或 XLSX，"
        "最大 32 MiB，120 秒内送完。某日或尚未开始对账的月份：只核对，不保存。"
        "已开始对账的月份：保存清单和差异，以最后收到的清单为准；重复上传结果相同。同一机构一次一份。",
        detail_en="The body is the file: a zip with one text, a text, a CSV or an XLSX,"
        " at most 32 MiB, within 120 seconds. Of a day, and of a month that is not"
        " opened yet, nothing is kept. Of an opened month the list and its differences"
        " are kept; the list received last counts, and sending it again changes"
        " nothing. One at a time for each facility. Lines that cannot be read are left"
        " out and told; `fields` of a refusal name line and column.",
        takes_file=True, gives=month.ListMatchedOut, parameters=(_PERIOD,),
        problems=_LIST,
    ),
    "reconcile_month": CallText(
        group="months", zh="月份对账状态", en="How a month stands",
        detail_zh="医疗机构只能看到本机构的。",
        detail_en="A facility sees its own state alone.",
        gives=month.MonthOut, parameters=(_MONTH, _FACILITY),
        problems=("MA-1102", "MA-4101", "MA-4201"),
    ),
    "reconcile_differences": CallText(
        group="months", zh="月份差异", en="A month's differences",
        detail_zh="按编号排列；next 不为空时还有下一页。医疗机构只能看到本机构的。",
        detail_en="By id; there is another page while `next` is not null. A facility"
        " sees its own.",
        gives=month.DifferencesOut, parameters=(_MONTH, _FACILITY, *_PAGE),
        problems=("MA-1102", "MA-4101", "MA-4201"),
    ),
    "reconcile_statement": CallText(
        group="months", zh="月份对账单", en="A closed month's statement",
        detail_zh="statement 为签名时的原文，逐字节不变。医疗机构得到本机构的；"
        "其他须用 facility 指明。",
        detail_en="`statement` is the very text that was signed. A facility gets its"
        " own; others name one with `facility`.",
        gives=month.StatementOut, parameters=(_MONTH, _FACILITY),
        problems=("MA-1102", "MA-4101", "MA-4201", "MA-4213"),
    ),
    **ROSTER_TEXTS,
    **ALERT_TEXTS,
    "checkpoint": CallText(
        group="log", zh="最新检查点", en="Latest checkpoint",
        detail_zh="C2SP 签名便条。", detail_en="A C2SP signed note.",
        media_type=_NOTE, needs_session=False, problems=_ADDRESS,
    ),
    "tile": CallText(
        group="log", zh="日志分块", en="A tile of the log",
        detail_zh="路径按 C2SP tlog-tiles。", detail_en="Paths as in C2SP tlog-tiles.",
        media_type="application/octet-stream", needs_session=False,
        parameters=(Parameter("path", "path", "分块的路径", "path of the tile",
                              r"^[0-9x/.p]+$|^entries/[0-9x/.p]+$", is_required=True,
                              example="0/000"),),
        problems=(*_ADDRESS, "MA-4101"),
    ),
    "keys": CallText(
        group="log", zh="公钥", en="Public keys", gives=out.KeysOut,
        needs_session=False, problems=_ADDRESS,
    ),
    "healthz": CallText(
        group="health", zh="进程是否在运行", en="Alive", gives=out.AliveOut,
        needs_session=False,
    ),
    "readyz": CallText(
        group="health", zh="能否结算；不能时为 503 并给出原因",
        en="Able to settle; 503 with reasons when not", gives=out.ReadyOut,
        needs_session=False, problems=_ADDRESS,
    ),
    "metrics": CallText(
        group="health", zh="Prometheus 指标（沙箱；否则在本机端口）",
        en="Prometheus metrics (in a sandbox; else on the loopback port)",
        media_type=_NOTE, needs_session=False, problems=_ADDRESS,
    ),
    "openapi": CallText(
        group="health", zh="本接口的 OpenAPI 描述", en="This description",
        needs_session=False, problems=_ADDRESS,
    ),
    "docs": CallText(
        group="health", zh="本接口的说明页", en="The same as a page",
        media_type="text/html", needs_session=False, problems=_ADDRESS,
    ),
}  # fmt: skip

GROUPS = {
    "access": ("签到", "Access"),
    "desk": ("收费窗口", "At the desk"),
    "lookup": ("查询", "Look-ups"),
    "months": ("对账", "Reconciliation"),
    "roster": ("名册", "Roster"),
    "alerts": ("提醒", "Alerts"),
    "log": ("日志与密钥", "Log and keys"),
    "health": ("运行", "Operation"),
}
