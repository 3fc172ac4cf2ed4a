"""Request bodies as strict pydantic models: the one place that names JSON fields.

They parse, and `/openapi.json` is made from them. Each field's `description` is
English; its Chinese text stands beside it under `x-zh`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.wire_described import say as _say
from settlement.domain.bill import (
    MAX_AMOUNT_FEN,
    CardKind,
    CareType,
    ConfirmReason,
    Place,
    RepeatReason,
)
from settlement.service.aid_statistics import By, Dimension
from settlement.service.reconcile.daily import MOST_DAYS

CODE_PATTERN = r"^[A-Za-z0-9._:/-]{1,64}$"
KEY_PATTERN = r"^[A-Za-z0-9._:-]{1,64}$"
OPERATOR_PATTERN = r"^[A-Za-z0-9._-]{1,32}$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
INSTANT_PATTERN = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$"
)
MAX_DIAGNOSES = 64
MAX_PRESCRIPTION_DAYS = 366
MAX_SEARCH_LIMIT = 100
MAX_DEADLINE_MS = 600_000
#: What numbers other than amounts may be, for who must correct one.
RANGES = {
    "prescription_days": (0, MAX_PRESCRIPTION_DAYS),
    "limit": (1, MAX_SEARCH_LIMIT),
    "Medaid-Deadline-Ms": (1, MAX_DEADLINE_MS),
}

Code = Annotated[str, StringConstraints(pattern=CODE_PATTERN)]
Key = Annotated[str, StringConstraints(pattern=KEY_PATTERN)]
Operator = Annotated[str, StringConstraints(pattern=OPERATOR_PATTERN)]
#: Text here, `date` after `gateway.wire`: pydantic's own dates accept more forms.
Day = Annotated[
    str, StringConstraints(pattern=_DATE), Field(json_schema_extra={"format": "date"})
]
Instant = Annotated[
    str,
    StringConstraints(pattern=INSTANT_PATTERN),
    Field(json_schema_extra={"format": "date-time"}),
]
Month = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}$")]
Fen = Annotated[int, Field(ge=0, le=MAX_AMOUNT_FEN)]
#: Of a day's sums, where reversals may outweigh settlements.
MAX_COUNT = 1_000_000
MAX_SUM_FEN = MAX_COUNT * MAX_AMOUNT_FEN
Count = Annotated[int, Field(ge=-MAX_COUNT, le=MAX_COUNT)]
SumFen = Annotated[int, Field(ge=-MAX_SUM_FEN, le=MAX_SUM_FEN)]
Diagnosis = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.+*/_-]{1,40}$")]


class Strict(BaseModel):
    """No coercion, no unknown field."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class CardIn(Strict):
    """The card as read at the desk."""

    kind: CardKind = _say(
        "卡的种类：社会保障卡或居民身份证", "what the patient handed over"
    )
    number: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{6,32}$")] = _say(
        "卡号；居民身份证为 18 位，校验位须正确",
        "card number; a resident identity number has 18 characters"
        " and a right check digit",
        examples=["A12345678"],
    )


class BillIn(Strict):
    """The bill as basic and serious-illness insurance left it. Amounts in fen."""

    card: CardIn = _say("患者的卡", "the patient's card")
    visit_no: Code = _say(
        "医院的就诊号；不得含卡号或身份证号",
        "the hospital's number of the visit; no card or identity number in it",
        examples=["MZ20260105-0001"],
    )
    bill_no: Code | None = _say(
        "同一就诊的账单序号；不填时由日期和金额区分",
        "number of the bill within the visit; without it,"
        " dates and amounts belong to the identity",
        default=None,
        examples=["1"],
    )
    care_type: CareType = _say(
        "就诊类别：门诊、门诊特殊病、急诊、住院", "scope of the care"
    )
    service_start: Day = _say(
        "服务开始日期（北京时间）",
        "first day of the service, in Shanghai",
        examples=["2026-01-05"],
    )
    service_end: Day = _say(
        "服务结束日期（北京时间），不得晚于今天",
        "last day of the service, in Shanghai; not after today",
        examples=["2026-01-05"],
    )
    occurred_at: Instant | None = _say(
        "窗口生成账单的时间（UTC）；不填为当前时间",
        "when the bill was made at the desk; now when left out",
        default=None,
        examples=["2026-01-05T02:14:09Z"],
    )
    diagnoses: Annotated[tuple[Diagnosis, ...], Field(max_length=MAX_DIAGNOSES)] = _say(
        "诊断编码，可为空", "diagnosis codes", default=(), examples=[["I10"]]
    )
    referred: bool = _say("是否按规定转诊", "whether the patient was properly referred")
    total_fen: Fen = _say(
        "医疗费总额 medfee_sumamt，等于以下四项之和",
        "total charge: the sum of the next four (medfee_sumamt)",
        examples=[25000],
    )
    self_funded_fen: Fen = _say(
        "全自费金额 fulamt_ownpay_amt",
        "outside insurance altogether (fulamt_ownpay_amt)",
        examples=[1000],
    )
    over_limit_fen: Fen = _say(
        "超限价金额 overlmt_selfpay",
        "above a price limit (overlmt_selfpay)",
        examples=[0],
    )
    pre_selfpay_fen: Fen = _say(
        "先行自付金额 preselfpay_amt",
        "paid by oneself first (preselfpay_amt)",
        examples=[800],
    )
    in_policy_fen: Fen = _say(
        "政策范围内金额 inscp_scp_amt",
        "within the insurance policy (inscp_scp_amt)",
        examples=[23200],
    )
    basic_insurance_fen: Fen = _say(
        "基本医疗保险支付 hifp_pay",
        "paid by basic insurance (hifp_pay)",
        examples=[16000],
    )
    serious_illness_fen: Fen = _say(
        "大病保险支付 hifmi_pay",
        "paid by serious-illness insurance (hifmi_pay)",
        examples=[0],
    )
    other_funds_fen: Fen = _say(
        "其他基金支付 *_pay，不含医疗救助",
        "paid by other funds, never medical aid (other *_pay)",
        examples=[0],
    )
    medical_aid_fen: Fen = _say(
        "已支付的医疗救助 maf_pay；大于 0 时不再救助",
        "medical aid that somebody already paid (maf_pay); above 0 is declined",
        default=0,
    )
    personal_account_fen: Fen = _say(
        "个人账户支付 acct_pay，患者自己的钱",
        "taken from the personal account, the patient's own money (acct_pay)",
        examples=[0],
    )
    deductible_fen: Fen | None = _say(
        "本账单计入的医保起付线", "insurance deductible within this bill", default=None
    )
    commercial_fen: Fen = _say(
        "商业保险支付", "paid by commercial insurance", default=0
    )
    charity_fen: Fen = _say("慈善救助支付", "paid by charities", default=0)
    prescription_days: Annotated[int, Field(ge=0, le=MAX_PRESCRIPTION_DAYS)] | None = (
        _say("处方天数", "days that the prescription covers", default=None)
    )
    med_type: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,16}$")] | None
    ) = _say(
        "国家医疗类别代码 med_type",
        "national code of the care (med_type)",
        default=None,
        examples=["11"],
    )
    place: Place = _say(
        "就医地点：本地、异地已备案、异地未备案",
        "where the care took place, seen from where the person is insured",
        default=Place.LOCAL,
    )
    repeat_reason: RepeatReason | None = _say(
        "同一就诊再次提交的原因；会产生提醒",
        "why a further bill for the same visit is no mistake; raises an alert",
        default=None,
    )
    expected_aid_fen: Fen | None = _say(
        "已告知患者的救助金额；不同则拒绝并请确认",
        "the aid that the patient was told; when it differs, declined to be confirmed",
        default=None,
    )
    confirm_reason: ConfirmReason | None = _say(
        "核对后确认的原因，用于被提醒规则挂起的结算（MA-2209）",
        "why the cashier lets a claim through that an alert rule held (MA-2209)",
        default=None,
    )


class EligibilityIn(Strict):
    """Whom and for which day eligibility is asked."""

    card: CardIn = _say("患者的卡", "the patient's card")
    service_date: Day = _say(
        "就诊日期（北京时间）",
        "day of the service, in Shanghai",
        examples=["2026-01-05"],
    )
    quota: bool = _say(
        "是否同时查询剩余额度；不需要时答复更快",
        "whether to read the remaining quota too; without it the answer is quicker",
        default=True,
    )


class ReversalIn(Strict):
    """Which settlement to undo: by its id, or by the key that it was sent under."""

    settlement_id: Key | None = _say(
        "要冲正的结算编号", "the settlement to undo", default=None
    )
    original_idempotency_key: Key | None = _say(
        "原结算请求的幂等键；结果未知时用它",
        "the key of the settle request whose outcome is not known",
        default=None,
    )
    card: CardIn | None = _say(
        "与 original_idempotency_key 同时填写",
        "goes with original_idempotency_key",
        default=None,
    )
    reason: Literal["refund", "timeout", "mistake"] = _say(
        "原因：退费、超时、录入错误", "why"
    )


class SearchIn(Strict):
    """Which settlements to list; every field narrows. In a body, never in a URL."""

    card: CardIn | None = _say("患者的卡", "the patient's card", default=None)
    visit_no: Code | None = _say("就诊号", "number of the visit", default=None)
    idempotency_key: Key | None = _say("幂等键", "key of the request", default=None)
    service_from: Day | None = _say(
        "服务日期不早于", "services on or after", default=None
    )
    service_to: Day | None = _say(
        "服务日期不晚于", "services on or before", default=None
    )
    state: Literal["settled", "reversed", "declined"] | None = _say(
        "状态", "state", default=None
    )
    limit: Annotated[int, Field(ge=1, le=MAX_SEARCH_LIMIT)] = _say(
        "最多条数", "at most so many", default=50
    )


class MonthsIn(Strict):
    """A stretch of months, both ends included; 120 months at most."""

    first: Month = _say("开始月份", "first month", alias="from", examples=["2026-01"])
    last: Month = _say("结束月份", "last month", alias="to", examples=["2026-03"])


class StatisticsIn(Strict):
    """What is to be counted."""

    months: MonthsIn = _say("月份", "which months")
    by: By = _say(
        "口径：service 按服务结束月份，扣除已冲正的；settled 按结算月份，"
        "冲正计入其发生的月份",
        "by service: month in which the service ended, net of reversals; by settled:"
        " month of settling, a reversal in its own month",
        default=By.SERVICE,
    )
    dimension: Dimension | None = _say(
        "分组：街道（乡镇）、医疗机构、救助对象类别、就诊类别",
        "what to divide by; null for the whole alone",
        default=None,
    )
    facility: Operator | None = _say(
        "只统计一家医疗机构（代码）", "code of the one facility to count", default=None
    )


class TotalIn(Strict):
    """What the hospital counts of one day and care type; a reversal takes away."""

    day: Day = _say(
        "结算或冲正日期（北京时间）",
        "Shanghai day of the settling, or of the reversal",
        examples=["2026-01-05"],
    )
    care_type: CareType = _say(
        "就诊类别：门诊、门诊特殊病、急诊、住院", "scope of the care"
    )
    count: Count = _say(
        "笔数：结算计 1，冲正计 -1", "settlements less reversals", examples=[12]
    )
    total_fen: SumFen = _say(
        "医疗费总额之和，冲正为负", "sum of the totals; a reversal's is negative"
    )
    aid_fen: SumFen = _say(
        "医疗救助之和，冲正为负", "sum of the aid; a reversal's is negative"
    )


class TotalsIn(Strict):
    """A hospital's own totals of at most 31 days."""

    first: Day = _say("开始日期", "first day", alias="from", examples=["2026-01-05"])
    last: Day = _say(
        "结束日期，不得晚于今天",
        "last day; not after today",
        alias="to",
        examples=["2026-01-05"],
    )
    totals: Annotated[
        tuple[TotalIn, ...], Field(max_length=MOST_DAYS * len(CareType))
    ] = _say(
        "每日每类一项；没有业务的可以不填",
        "one for each day and care type; those without any may be left out",
    )


class SessionIn(Strict):
    """Who sits at the terminal: an opaque id, never a name."""

    operator: Operator = _say(
        "操作员的内部编号，不得用姓名或身份证号",
        "opaque id of the person at the desk; no name, no identity number",
        examples=["win-03"],
    )
