"""What answers look like, for `/openapi.json`: described here, made elsewhere.

The renderer writes these members as bytes; a test holds the two together.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from gateway.wire_described import Answer as _Answer
from gateway.wire_described import say as _say

Fen = int
Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Day = Annotated[str, Field(json_schema_extra={"format": "date"})]


class TextOut(_Answer):
    """One sentence in both languages."""

    zh: str = _say("中文", "Chinese")
    en: str = _say("英文", "English")


class ReasonOut(_Answer):
    """Why, by a stable code."""

    code: str = _say("稳定的代码", "stable code", examples=["MA-2000"])
    text: TextOut = _say("说明", "the sentence")


class RetryOut(_Answer):
    """Whether to try again, and under which key."""

    allowed: bool = _say("是否可以重试", "whether trying again can help")
    same_key: bool = _say("是否用原幂等键", "with the same key or a new one")


class QuotaOut(_Answer):
    """What one pot holds for the person in a year."""

    pot: str = _say("额度名称", "as the pack names it", examples=["outpatient"])
    year: int = _say("年度", "year that the pot belongs to")
    cap_fen: Fen | None = _say("年度限额（分）；空为不限", "cap; null is no limit")
    used_fen: Fen = _say("已用（分）", "used so far")
    remaining_fen: Fen | None = _say("剩余（分）；空为不限", "left; null is no limit")


class RosterOut(_Answer):
    """Which state of the roster the answer rests on."""

    version: int = _say("名册版本", "version of the roster")
    as_of: Instant = _say("名册所述时间", "instant that it describes")
    age_s: int = _say("名册的年龄（秒）", "how old it is, in seconds")
    stale: bool = _say(
        "名册是否超过运行方设定的时限：答复有效，但可能没有最新变动",
        "whether it is past the operator's limit: the answer holds, yet may lack the"
        " newest changes",
    )


class EligibilityOut(_Answer):
    """May this card receive aid on this day: yes, no, or cannot tell."""

    status: Literal["eligible", "not_eligible", "unknown"] = _say(
        "是、否、暂时无法确认", "yes, no, or cannot tell"
    )
    reason: ReasonOut = _say("原因", "why")
    next_step: TextOut = _say("收费员现在怎么做", "what the cashier does now")
    category: str | None = _say("救助对象类别", "category of the person")
    category_text: TextOut | None = _say("类别名称", "its name")
    household: str | None = _say("家庭的代号", "token of the household")
    valid_from: Day | None = _say("资格开始日期", "first day of the window")
    valid_to: Day | None = _say("资格结束日期；空为未定", "last day; null while open")
    quota: list[QuotaOut] | None = _say(
        "本年度额度；数据库未应答时为空",
        "pots of the year; null when the database did not answer",
    )
    quota_reason: ReasonOut | None = _say(
        "没有额度的原因", "why there is no quota although it was asked for"
    )
    quota_as_of: Instant | None = _say("额度的时间", "when the quota was read")
    roster: RosterOut | None = _say("名册", "roster used; null before the first")


class AidPartOut(_Answer):
    """One kind of aid."""

    kind: Literal["basic", "tilt"] = _say("基本或倾斜救助", "basic aid or tilt")
    amount_fen: Fen = _say("金额（分）", "amount")


class PolicyOut(_Answer):
    """The document that decided."""

    id: str = _say("政策编号", "id of the pack")
    version: str = _say("版本", "its version")
    sha256: str = _say("文件的 SHA-256", "hash of its exact bytes")


class ExplanationOut(_Answer):
    """One step of the computation."""

    rule: str = _say("步骤", "stable id of the step", examples=["deductible"])
    text: TextOut = _say("说明", "the step in words")
    input_fen: Fen = _say("输入（分）", "amount before")
    result_fen: Fen = _say("结果（分）", "amount after")
    source: str = _say("依据", "document and article")


class AlertOut(_Answer):
    """Something to look at; it blocks nothing."""

    code: str = _say("代码", "stable code")
    text: TextOut = _say("说明", "the sentence")


class ReceiptOut(_Answer):
    """Proof that verifies offline alone, with the trust file."""

    record: str = _say("签名并加密的记录，原样", "the exact signed, sealed record")
    origin: str = _say("日志名称", "name of the log")
    index: int = _say("在日志中的序号", "place in the log")
    tree_size: int = _say("日志的大小", "size of the tree")
    path: list[str] = _say("包含证明（base64）", "inclusion path, base64")
    checkpoint: str = _say("签名的检查点", "signed note of the tree's root")


class DuplicateOut(_Answer):
    """The settlement that already holds this bill of the visit."""

    settlement_id: str = _say("首次结算编号", "id of the first settlement")
    aid_fen: Fen = _say("首次救助金额（分）", "its aid")
    patient_pays_fen: Fen = _say("首次患者应付（分）", "what the patient pays by it")
    receipt: ReceiptOut = _say("首次凭证", "its receipt")


class DecisionOut(_Answer):
    """What the bill gets. total = funds + aid + patient_pays, to the fen."""

    decision: Literal["approved", "declined"] = _say("批准或不予救助", "the decision")
    reason: ReasonOut = _say("原因", "why")
    next_step: TextOut = _say("收费员现在怎么做", "what the cashier does now")
    retry: RetryOut = _say("是否重试", "whether to try again")
    settlement_id: str | None = _say("结算编号；试算为空", "null in a quote")
    settled_at: Instant | None = _say("结算时间；试算为空", "null in a quote")
    aid_fen: Fen = _say("救助金额（分）", "aid")
    aid: list[AidPartOut] = _say("救助构成", "aid by kind")
    aidable_base_fen: Fen = _say("可救助金额（分）", "what aid may touch")
    patient_pays_fen: Fen = _say("患者应付（分）", "what is left to the patient")
    cash_fen: Fen = _say("收取现金（分）", "to collect in cash")
    account_return_fen: Fen = _say(
        "退回个人账户（分）", "to give back to the personal account"
    )
    policy: PolicyOut | None = _say("所依据的政策", "the pack applied")
    category: str | None = _say("给予救助的类别", "category that gave the aid")
    category_text: TextOut | None = _say("类别名称", "its name")
    explanation: list[ExplanationOut] = _say("逐步说明", "the computation, in order")
    quota: list[QuotaOut] = _say("结算后的额度", "pots after this settlement")
    roster: RosterOut | None = _say("名册", "roster used")
    alerts: list[AlertOut] = _say("提醒", "things to look at")
    duplicate_of: DuplicateOut | None = _say(
        "已结算的同一账单", "the first settlement, where this is a repeat"
    )
    receipt: ReceiptOut | None = _say(
        "凭证；试算和不予救助时为空", "null in a quote and in a decline"
    )


class ReversalOut(_Answer):
    """What the reversal undid."""

    reversal_id: str = _say("冲正编号", "id of the reversal")
    settlement_id: str | None = _say(
        "原结算编号；提前冲正时为空", "the settlement; null for a tombstone"
    )
    aid_fen: Fen = _say("退回的救助金额（分）", "aid given back")
    state: Literal["reversed", "declined", "tombstone"] = _say(
        "已冲正；原为不予救助；提前冲正", "state of the original"
    )
    alerts: list[AlertOut] = _say("提醒", "things to look at")
    already: bool = _say("此前已冲正", "it had been reversed before")
    receipt: ReceiptOut | None = _say("凭证", "proof of the reversal")


class FoundOut(DecisionOut):
    """A settlement as it was answered, with its present state."""

    model_config = ConfigDict(extra="allow")

    state: Literal["settled", "reversed", "declined"] = _say("状态", "present state")
    reversal: ReversalOut | None = _say(
        "冲正；未冲正时没有此字段", "the reversal, where there is one", default=None
    )


class ItemsOut(_Answer):
    """Settlements, newest first."""

    items: list[FoundOut] = _say("结算列表，新的在前", "newest first")


class FiguresOut(_Answer):
    """Bills with aid above 0, counted and added up."""

    citizens: int = _say("救助人数", "distinct persons with an aided visit")
    visits: int = _say("救助人次", "distinct visits with aid above 0")
    settlements: int = _say("结算笔数", "aided bills; a visit may have several")
    aid_fen: Fen = _say("救助金额（分）", "aid")
    tilt_fen: Fen = _say("其中倾斜救助（分）", "the part of it that is tilt")
    total_fen: Fen = _say("医疗费总额（分）", "total charge of these bills")
    funds_fen: Fen = _say("各项基金支付（分）", "paid by funds")
    patient_pays_fen: Fen = _say("患者负担（分）", "left to the patients")
    mean_aid_fen: Fen | None = _say(
        "次均救助（分）；没有人次时为空", "aid per visit; null without a visit"
    )
    mean_total_fen: Fen | None = _say("次均费用（分）", "total charge per visit")
    mean_patient_pays_fen: Fen | None = _say(
        "次均患者负担（分）", "left to the patient per visit"
    )
    minutes_saved: int = _say("节省工作人员分钟数", "staff time saved, in minutes")
    trips_saved: int = _say("减少群众往返次数", "trips that citizens were spared")


class GrowthOut(_Answer):
    """Against the month before; null where that has none."""

    citizens: int | None = _say("人数环比（千分比）", "of citizens, per thousand")
    visits: int | None = _say("人次环比（千分比）", "of visits, per thousand")
    aid: int | None = _say("救助金额环比（千分比）", "of aid, per thousand")


class MonthOfAidOut(FiguresOut):
    """One month."""

    month: str = _say("月份", "YYYY-MM", examples=["2026-01"])
    growth_per_mille: GrowthOut = _say("环比", "growth on the month before")


class GroupOut(_Answer):
    """One sub-district, hospital, category or care type."""

    key: str = _say("代码", "its code", examples=["H001"])
    name: str | None = _say("医疗机构名称；其他分组为空", "of a hospital: its name")
    total: FiguresOut = _say("所有月份合计", "all the months; a person counts once")
    series: list[MonthOfAidOut] = _say("逐月", "every month")


class MonthsOut(_Answer):
    """The months that were asked for."""

    first: str = _say("开始月份", "first month", alias="from")
    last: str = _say("结束月份", "last month", alias="to")


class MeasureOut(_Answer):
    """What the savings rest on."""

    minutes_per_visit: int = _say("每人次节省分钟数", "minutes for each visit")
    trips_per_visit: int = _say("每人次减少往返次数", "trips for each visit")
    text: TextOut = _say("说明", "in words")


class StatisticsOut(_Answer):
    """Citizens, visits and aid of a stretch of months."""

    months: MonthsOut = _say("月份", "which months")
    by: Literal["service", "settled"] = _say("口径", "which month a bill counts in")
    dimension: Literal["subdistrict", "hospital", "category", "care_type"] | None = (
        _say("分组方式", "what the groups are")
    )
    facility: str | None = _say("所统计的医疗机构", "the one facility counted")
    measure: MeasureOut = _say("节省的估算口径", "how savings are estimated")
    total: FiguresOut = _say("所有月份合计", "all the months; a person counts once")
    series: list[MonthOfAidOut] = _say("逐月", "every month")
    groups: list[GroupOut] | None = _say("分组，救助金额大的在前", "most aid first")


class SessionOut(_Answer):
    """A session."""

    token: str = _say("访问令牌，只显示这一次", "shown this once")
    party: str = _say("机构代码", "code of the party")
    expires_at: Instant = _say("失效时间", "end of the session")


class PublicKeyOut(_Answer):
    """One public key."""

    kid: str = _say("密钥编号", "key id")
    role: str = _say("用途", "its one use")
    suite: str = _say("算法套件", "suite")
    alg: str = _say("算法", "algorithm")
    public_key: str = _say("公钥（base64）", "base64")
    not_before: Day | None = _say("起始日", "first day; null is open")
    not_after: Day | None = _say("截止日", "last day; null is open")
    name: str | None = _say(
        "见证方名称；其他密钥没有此字段", "of a witness, where the operator names one",
        default=None,
    )  # fmt: skip


class KeysOut(_Answer):
    """The public keys of this gateway. A verifier believes its trust file instead."""

    origin: str = _say("日志名称", "name of the log")
    keys: list[PublicKeyOut] = _say("公钥", "the keys")


class AliveOut(_Answer):
    """The process answers."""

    status: Literal["alive"] = _say("进程有应答", "always this")


class FindingOut(_Answer):
    """Something that the operator should know."""

    code: str = _say("稳定的代码", "stable code", examples=["roster_old"])
    stops: bool = _say("是否因此停止结算", "whether settling stops for it")
    text: TextOut = _say("说明", "the sentence")


class ReadyOut(_Answer):
    """Whether the gateway can settle."""

    ready: bool = _say("能否结算", "able to settle")
    reasons: list[str] = _say("不能结算的原因", "why not")
    details: list[FindingOut] = _say(
        "原因和值得注意的情况", "why not, and what else is worth a look"
    )


class FieldOut(_Answer):
    """One field at fault."""

    path: str = _say("字段路径", "where it stands", examples=["card.number"])
    code: str = _say("代码", "stable code")
    message: str = _say("说明", "what is wrong")


class ProblemRetryOut(RetryOut):
    """Whether and when to try again, and under which key."""

    after_s: int | None = _say("多少秒后", "after so many seconds")


class ProblemOut(_Answer):
    """An error (RFC 9457), in the language of `Accept-Language`."""

    type: str = _say("说明的地址", "address of its description")
    status: int = _say("HTTP 状态", "status of the response")
    code: str = _say("稳定的代码", "stable code", examples=["MA-1102"])
    title: str = _say("一句话说明", "the sentence")
    detail: str = _say("具体说明", "what was wrong this time")
    next_step: str = _say("收费员现在怎么做", "what the cashier does now")
    retry: ProblemRetryOut = _say("是否重试", "whether to try again")
    fields: list[FieldOut] = _say(
        "有问题的字段；没有则无此项", "fields at fault, where there are", default=[]
    )
