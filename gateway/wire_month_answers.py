"""What answers about days and months look like, for `/openapi.json`."""

from __future__ import annotations

from typing import Literal

from gateway.wire_answers import Day, Fen, Instant, TextOut
from gateway.wire_described import Answer as _Answer
from gateway.wire_described import say as _say


class SumsOut(_Answer):
    """How many, and what they come to."""

    count: int = _say("笔数", "settlements; a reversal takes one away where it is net")
    total_fen: Fen = _say("医疗费总额（分）", "sum of the totals")
    aid_fen: Fen = _say("医疗救助（分）", "sum of the aid")


class OurDayOut(_Answer):
    """What the gateway counts of a day and care type."""

    settled: SumsOut = _say("当日结算", "settled on the day")
    reversed: SumsOut = _say(
        "当日冲正，以正数表示", "reversed on the day, as positive numbers"
    )
    net: SumsOut = _say("结算减冲正", "settled less reversed")


class DayOfCareOut(_Answer):
    """One day and care type on both sides."""

    day: Day = _say("日期（北京时间）", "Shanghai day")
    care_type: str = _say("就诊类别", "scope of the care", examples=["outpatient"])
    flat: bool = _say("双方是否一致", "whether both sides say the same")
    hospital: SumsOut | None = _say(
        "医院的合计；未填为空，按 0 比较", "the hospital's; null counts as nothing"
    )
    gateway: OurDayOut = _say("网关的合计", "the gateway's")


class TotalsOut(_Answer):
    """A hospital's totals beside ours."""

    flat: bool = _say("全部一致", "whether everything agrees")
    stmt_rslt: str = _say(
        "对账结果（国家代码）：000000 一致，000103 不一致",
        "national code: 000000 flat, 000103 not",
    )
    items: list[DayOfCareOut] = _say(
        "任一方有业务的日期和类别", "days and care types that either side has"
    )
    gateway_total: SumsOut = _say("网关合计（净额）", "all of ours, net")
    hospital_total: SumsOut = _say("医院合计", "all of the hospital's")


class LeftOutOut(_Answer):
    """A line of the list that was left out."""

    line: int = _say("行号，从 1 起", "line, from 1")
    column: str | None = _say("列；整行有误为空", "column; null for the whole line")
    code: str = _say("稳定的代码", "stable code", examples=["MA-6406"])
    text: TextOut = _say("说明", "what is wrong")


class ListOut(_Answer):
    """How the list was read: compare rows and sums with your own."""

    form: Literal["zip", "text", "xlsx"] = _say("文件形式", "what the file is")
    layout: Literal["national", "header"] = _say(
        "列的识别方式", "columns by place, or by their names"
    )
    encoding: str | None = _say("文本编码", "of a text", examples=["utf-8"])
    rows: int = _say("读入的行数", "lines that were read")
    total_fen: Fen = _say("读入的医疗费总额", "sum of the totals that were read")
    aid_fen: Fen = _say("读入的救助金额", "sum of the aid that was read")
    refused: list[LeftOutOut] = _say("未读入的行", "lines that were left out")


class SideOut(_Answer):
    """What one side adds up to."""

    count: int = _say("笔数", "settlements and reversals that count")
    total_fen: Fen = _say("医疗费总额（分）", "sum of the totals")
    aid_fen: Fen = _say("医疗救助（分）", "sum of the aid")


class TallyOut(_Answer):
    """What was counted; pairs that cancel are netted first."""

    gateway: SideOut = _say("网关", "ours")
    hospital: SideOut = _say("医院", "the hospital's")
    bureau: SideOut = _say("民政部门；此处不核对", "the bureau's; not compared here")
    flat: SideOut = _say("各方一致的", "on which all agree")
    lines: int = _say("清单行数", "lines of the list")
    differences: int = _say("差异数", "differences")


class SideAmountsOut(_Answer):
    """What a side counts for the settlement, with its sign."""

    total_fen: Fen = _say("医疗费总额（分）", "total")
    aid_fen: Fen = _say("医疗救助（分）", "aid")


class AmountsOut(_Answer):
    """Each side; null where it has nothing."""

    hospital: SideAmountsOut | None = _say("医院", "the hospital's list")
    gateway: SideAmountsOut | None = _say("网关", "our ledger")
    bureau: SideAmountsOut | None = _say("民政部门", "the bureau's records")


class RepairOut(_Answer):
    """What the owner does about it."""

    action: str = _say("处理办法代码", "stable word", examples=["settle_again"])
    zh: str = _say("中文", "Chinese")
    en: str = _say("英文", "English")


class EventOut(_Answer):
    """One thing that somebody did with a difference."""

    at: Instant = _say("时间", "when")
    who: str = _say("经办", "who")
    action: str = _say("动作", "what")
    note: str = _say("备注", "why")


class DifferenceOut(_Answer):
    """One difference, with the keys that are needed to repair it."""

    id: str = _say("编号，再次核对时不变", "stays the same from match to match")
    month: str = _say("月份", "the month")
    facility: str = _say("医疗机构代码", "the hospital's code")
    kind: str = _say("差异种类", "stable word", examples=["missing_at_gateway"])
    text: TextOut = _say("说明", "the sentence")
    owner: Literal["hospital", "gateway", "bureau"] = _say("责任方", "who has to act")
    stmt_rslt: str | None = _say("国家代码", "national code", examples=["000102"])
    settlement_id: str | None = _say("结算编号", "of ours")
    reversal_id: str | None = _say("冲正编号", "of our reversal")
    listed_id: str | None = _say("清单中的编号", "as the list has it, if none of ours")
    visit_no: str | None = _say("就诊号", "number of the visit")
    idempotency_key: str | None = _say("幂等键", "key of the settlement")
    lines: list[int] = _say("清单行号", "lines of the list")
    amounts: AmountsOut = _say("各方金额", "amounts by side")
    actual_day: Day | None = _say("应属日期", "day to which it really belongs")
    repair: RepairOut = _say("处理办法", "what to do")
    state: Literal["open", "carried_over", "resolved", "gone"] | None = _say(
        "状态；未保存的为空", "state; null where nothing is kept"
    )
    history: list[EventOut] = _say("经过", "who did what")


class ListMatchedOut(_Answer):
    """A hospital's list beside our ledger."""

    period: str = _say("日期或月份", "day or month")
    flat: bool = _say("没有差异", "whether nothing differs")
    kept: bool = _say("是否保存", "whether list and differences were kept")
    stmt_rslt: str = _say("对账结果（国家代码）", "national code")
    listed: ListOut = _say("清单", "the list as it was read", alias="list")
    tally: TallyOut = _say("计数", "what was counted")
    kinds: dict[str, int] = _say("各种差异的数目", "how many of each kind")
    differences: list[DifferenceOut] = _say("前 1000 项差异", "the first 1,000")
    more: bool = _say("是否还有", "whether there are more")


class NetOut(_Answer):
    """A hospital's month: settlements less reversals."""

    count: int = _say("笔数", "settlements less reversals")
    total_fen: Fen = _say("医疗费总额（分）", "totals")
    funds_fen: Fen = _say("各项基金支付（分）", "paid by funds")
    aid_fen: Fen = _say("医疗救助（分）", "aid")
    tilt_fen: Fen = _say("其中倾斜救助（分）", "the part of it that is tilt")
    patient_pays_fen: Fen = _say("患者负担（分）", "left to the patients")


class HospitalMonthOut(_Answer):
    """How a hospital's month stands."""

    facility: str = _say("医疗机构代码", "the hospital's code")
    name: str = _say("名称", "its name")
    state: Literal["closed", "ready", "differences", "no list", "not matched"] = _say(
        "状态", "how it stands"
    )
    net: NetOut = _say("净额", "net of reversals")
    differences: dict[str, int] = _say("各状态的差异数", "how many in each state")
    carried_in: int = _say(
        "以前月份结转未清的差异数", "of earlier months, carried over, not resolved"
    )
    has_list: bool = _say("是否收到清单", "whether a list has come")
    matched_at: Instant | None = _say("最近核对时间", "last match")
    with_bureau: bool | None = _say(
        "是否与民政部门的记录核对", "whether the bureau's records took part"
    )
    officers: list[str] = _say("已签名的经办官员", "officers who have signed")


class MonthOut(_Answer):
    """How a month stands."""

    month: str = _say("月份", "the month")
    first_index: int = _say("日志起点", "place in the log at which it begins")
    tree_size: int = _say("日志终点", "size of the log at which it was cut")
    opened_at: Instant = _say("开始对账时间", "when it was opened")
    opened_by: str = _say("经办", "by whom")
    closed: bool = _say(
        "所示医疗机构均已结账", "whether all that are shown have closed"
    )
    hospitals: list[HospitalMonthOut] = _say("医疗机构", "hospital by hospital")


class DifferencesOut(_Answer):
    """A page of differences."""

    month: str = _say("月份", "the month")
    differences: list[DifferenceOut] = _say("按编号排列", "in the order of their ids")
    next: str | None = _say(
        "下一页的 after；没有则为空", "`after` of the next page; null at the end"
    )


class OfficersSignatureOut(_Answer):
    """An officer's signature over the statement's bytes."""

    officer: str = _say("经办官员代码", "the officer's code")
    key_id: str = _say("密钥编号", "key id")
    signature: str = _say("签名（base64）", "base64")
    signed_at: Instant = _say("签名时间", "when")


class StatementOut(_Answer):
    """A hospital's closed month."""

    month: str = _say("月份", "the month")
    facility: str = _say("医疗机构代码", "the hospital's code")
    name: str = _say("名称", "its name")
    statement: str = _say("对账单原文（JSON）", "the JSON text, byte for byte")
    sha256: str = _say("原文的 SHA-256", "of that text")
    closed_at: Instant = _say("结账时间", "when the second officer signed")
    signatures: list[OfficersSignatureOut] = _say("有效签名", "those that hold")
