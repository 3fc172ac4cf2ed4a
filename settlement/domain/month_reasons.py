"""The reasons 42xx: months that are reconciled and closed.

They are part of the one ordered list, `settlement.domain.reasons.REASONS`.
"""

from __future__ import annotations

from settlement.domain.decision import Text
from settlement.domain.reason import Reason


def _month(code: str, text: tuple[str, str], next_step: tuple[str, str]) -> Reason:
    return Reason(code, Text(*text), Text(*next_step))


MONTH_REASONS: tuple[Reason, ...] = (
    _month("MA-4201", ("该月尚未开始对账。", "The month is not opened yet."),
           ("请结算网关值班人员先开始该月对账（medaid reconcile open）。",
            "Have the gateway's staff open it (medaid reconcile open).")),
    _month("MA-4202", ("该月尚未结束。", "The month is not over yet."),
           ("请在次月1日以后开始对账。",
            "Open it on the first day of the next month or later.")),
    _month("MA-4203", ("须按月份先后开始和结束对账。",
                       "Months are opened and closed in their order."),
           ("请先处理所示的月份。", "Take the month that is named first.")),
    _month("MA-4204", ("该院该月已结账，不再变动。",
                       "This hospital's month is closed and never changes."),
           ("迟到的结算和冲正计入以后的月份；请在其中处理。",
            "What comes late goes into a later month; deal with it there.")),
    _month("MA-4205", ("没有这项差异。", "There is no such difference."),
           ("请核对编号（medaid reconcile status）。",
            "Check the id (medaid reconcile status).")),
    _month("MA-4206", ("尚有未处理的差异，不能结账。",
                       "Differences are open; the month cannot be closed."),
           ("请逐项处理，或指名结转下月（medaid reconcile resolve）。",
            "Resolve each, or carry it over by its id (medaid reconcile resolve).")),
    _month("MA-4207", ("该院该月尚未核对。",
                       "This hospital's month has not been matched."),
           ("请先核对（medaid reconcile match）。",
            "Match it first (medaid reconcile match).")),
    _month("MA-4208", ("签名无效，或签名人不是有效的经办官员。",
                       "The signature does not hold, or is no officer's."),
           ("请由经办官员用本人密钥对现在的对账单重新签名。",
            "Have an officer sign the statement as it is now, with their own key.")),
    _month("MA-4209", ("没有这家医院。", "There is no such hospital."),
           ("请核对机构代码（medaid party list）。",
            "Check the code (medaid party list).")),
    _month("MA-4210", ("备注中有卡号或身份证号。",
                       "The note holds a card or identity number."),
           ("请改用结算编号或就诊号。",
            "Name the settlement or the visit in its place.")),
    _month("MA-4211", ("该差异已不存在或已处理。",
                       "The difference has gone or is resolved already."),
           ("无需处理。", "Nothing is to be done.")),
    _month("MA-4212", ("清单中没有一行属于该院该期。",
                       "No line of the list belongs to this hospital and period."),
           ("请核对是否发错了医院或月份的文件；本次未保存任何内容。",
            "See whose list of which month the file is; nothing was kept.")),
    _month("MA-4213", ("该院该月尚未结账，还没有对账单。",
                       "The month is not closed yet; there is no statement."),
           ("请在两名经办官员签名后再取。",
            "Fetch it when two officers have signed.")),
    _month("MA-4214", ("备注为空，或超过500字。",
                       "The note is empty, or longer than 500 characters."),
           ("请用500字以内写明做了什么、为什么。",
            "Say in at most 500 characters what was done and why.")),
    _month("MA-4220", ("还没有结算日志。", "There is no log yet."),
           ("网关从未启动过；请先启动（medaid serve）。",
            "No gateway has ever started on this database; start it (medaid serve).")),
)  # fmt: skip
