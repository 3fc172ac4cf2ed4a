"""The lines of the staff's month list and of the payment list, in their columns.

The first columns are those that bureau staff work with, in their order. What the
gateway may not know, and what nothing in the scheme tells, stays empty; the bureau
fills in what the sealed bills say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from settlement.domain.month_entry import CategoryText, Entry, Hospital, MonthTally
from settlement.domain.statement import Figures, Ledger

STAFF_COLUMNS = (
    "项目代码", "医保分类", "清算期", "费款所属期", "结算id", "认定地", "镇街",
    "参保地", "参保类别", "身份证号", "姓名", "救助身份", "就诊地",
    "就诊医疗机构名称", "医保就诊类别", "医疗救助类别", "病种编码", "病种名称",
    "入院日期", "出院日期", "结算日期", "费用总额", "符合医保报销金额",
    "基本医疗保险报销金额", "大病报销金额", "大额报销金额", "进入医疗救助金额",
    "医疗救助", "倾斜救助", "扶贫济困", "商业补充", "个人账户", "个人现金",
    "其他基金支付", "冲正结算id", "补入", "机构编码", "政策文件", "日志序号",
)  # fmt: skip
PAYMENT_COLUMNS = (
    "月份", "机构编码", "机构名称", "结算笔数", "结算救助金额(元)", "冲正笔数",
    "冲正救助金额(元)", "应付净额(元)", "应付净额(分)",
)  # fmt: skip
SUMMARY_COLUMNS = (
    "分组", "项目", "笔数(净)", "费用总额", "基金支付", "医疗救助", "其中倾斜救助",
    "个人负担",
)  # fmt: skip
LOCAL_SHEET, ELSEWHERE_SHEET, SUMMARY_SHEET = "区内明细", "跨区明细", "汇总"
LATE_MARK = "是"

_CARE_TYPES = {
    "outpatient": "普通门诊",
    "outpatient_special": "门诊慢特病",
    "emergency": "急诊",
    "inpatient": "住院",
}
_GROUP_TEXTS = {
    "category": "救助身份",
    "subdistrict": "镇街",
    "care_type": "医保就诊类别",
}
_DISTRICT_DIGITS = 6
_SID, _REF = STAFF_COLUMNS.index("结算id"), STAFF_COLUMNS.index("冲正结算id")
_TOTAL = STAFF_COLUMNS.index("费用总额")
_DAY, _FACILITY = STAFF_COLUMNS.index("结算日期"), STAFF_COLUMNS.index("机构编码")
_THERE, _HOME = STAFF_COLUMNS.index("就诊地"), STAFF_COLUMNS.index("认定地")
_INDEX = STAFF_COLUMNS.index("日志序号")
CLEAR_COLUMNS = (_INDEX, _SID, _REF, _FACILITY, _DAY, _TOTAL)
"""Where a line repeats what a record says in clear: see `clear_cells`."""


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What only the bureau may add to a line."""

    identity: str = ""
    """Number of a resident id; empty where the bill came with another card."""
    diagnoses: tuple[str, ...] = ()


def yuan(fen: int) -> str:
    """An amount in yuan with two places, exact: `-0.05`."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02}"


def one_line(text: str) -> str:
    """A text without line breaks and other control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def staff_line(
    entry: Entry,
    hospital: Hospital,
    month: str,
    category_text: CategoryText,
    disclosed: Disclosed | None = None,
) -> list[str]:
    """One line of the list, a text for each of `STAFF_COLUMNS`."""
    bill = entry.bill
    sign = -1 if entry.is_reversal else 1
    personal = disclosed or Disclosed()
    return [
        "", "", month, entry.day.isoformat()[:7], entry.sid,
        bill.subdistrict[:_DISTRICT_DIGITS], bill.subdistrict,
        "", "", personal.identity, "",
        category_text(bill.policy, bill.category) if bill.category else "",
        hospital.subdistrict[:_DISTRICT_DIGITS], one_line(hospital.name),
        _CARE_TYPES.get(bill.care_type, bill.care_type), "",
        " ".join(personal.diagnoses), "",
        bill.service_start, bill.service_end, entry.day.isoformat(),
        yuan(sign * bill.total_fen), yuan(sign * bill.in_policy_fen),
        yuan(sign * bill.basic_insurance_fen), yuan(sign * bill.serious_illness_fen),
        "", yuan(sign * bill.base_fen),
        yuan(sign * (bill.aid_fen - bill.tilt_fen)), yuan(sign * bill.tilt_fen),
        yuan(sign * bill.charity_fen), yuan(sign * bill.commercial_fen),
        yuan(sign * bill.account_fen), yuan(sign * bill.cash_fen),
        yuan(sign * bill.other_funds_fen), entry.ref,
        LATE_MARK if entry.is_late else "", entry.facility, bill.policy,
        str(entry.index),
    ]  # fmt: skip


def is_elsewhere(line: Sequence[str]) -> bool:
    """Whether the facility lies in another district than the person's sub-district.

    Where one of them is not known, it counts as the same.
    """
    there, home = line[_THERE], line[_HOME]
    return bool(there and home) and there != home


def clear_cells(index: int, claims: Mapping[str, Any]) -> tuple[str, ...]:
    """What a record's line says in `CLEAR_COLUMNS`."""
    fen = claims["total_fen"]
    return (
        str(index),
        claims["sid"],
        claims["ref"],
        claims["facility"],
        claims["day"],
        yuan(-fen if claims["op"] == "reverse" else fen),
    )


def payment_lines(
    hospitals: Iterable[Hospital], tally: MonthTally, month: str
) -> list[list[str]]:
    """One line for each hospital, and the check totals."""
    lines = [
        _payment(month, each.facility, one_line(each.name), tally.of(each.facility))
        for each in hospitals
    ]
    return [*lines, _payment(month, "合计", f"{len(lines)} 家", tally.total())]


def _payment(month: str, code: str, name: str, ledger: Ledger) -> list[str]:
    net_fen = ledger.net.aid_fen
    return [
        month,
        code,
        name,
        str(ledger.settled.count),
        yuan(ledger.settled.aid_fen),
        str(ledger.reversed.count),
        yuan(ledger.reversed.aid_fen),
        yuan(net_fen),
        str(net_fen),
    ]


def summary_lines(
    hospitals: Iterable[Hospital], tally: MonthTally, month: str
) -> list[list[str]]:
    """The summary sheet: the month, its hospitals, and its groups."""
    total = tally.total()
    lines = [
        _summary("月份", month, total.net),
        _summary("结算", "", total.settled),
        _summary("冲正", "", total.reversed),
        _summary("补入(净)", "", total.late),
    ]
    lines += [
        _summary(
            "医疗机构",
            f"{each.facility} {one_line(each.name)}",
            tally.of(each.facility).net,
        )
        for each in hospitals
    ]
    for group, text in _GROUP_TEXTS.items():
        lines += [
            _summary(text, _CARE_TYPES.get(value, value), figures)
            for value, figures in sorted(total.groups[group].items())
        ]
    return lines


def _summary(group: str, value: str, figures: Figures) -> list[str]:
    return [
        group,
        value,
        str(figures.count),
        yuan(figures.total_fen),
        yuan(figures.funds_fen),
        yuan(figures.aid_fen),
        yuan(figures.tilt_fen),
        yuan(figures.patient_pays_fen),
    ]
