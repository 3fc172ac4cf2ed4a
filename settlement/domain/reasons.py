"""Every reason and error of the gateway, in one ordered list.

Codes are stable and never reused; a retired one stays listed. The list knows no
wire format: `gateway.problems` maps codes to HTTP, other adapters to theirs.

Ranges: 1xxx the request is malformed or impossible; 2xxx decided by rule; 3xxx
who may ask; 4xxx keys, identities and state; 5xxx not now; 6xxx roster files
and hospitals' lists; 7xxx policy packs and alert rules; 8xxx records and
proofs; 9xxx commands and settings.
"""

from __future__ import annotations

from settlement.domain.decision import Text
from settlement.domain.file_reasons import FILE_REASONS
from settlement.domain.his_reasons import (
    HIS_ACCESS_REASONS,
    HIS_REASONS,
    HIS_STATE_REASONS,
)
from settlement.domain.month_reasons import MONTH_REASONS
from settlement.domain.reason import Reason
from settlement.domain.rule_reasons import RULE_REASONS

__all__ = ["REASONS", "Reason", "reason"]

#: Chinese for the cashier: 按原单重试 is the same key again, 新开一笔 is a new key.
#: Whom to turn to is always named: the hospital's own IT department (信息科), the
#: gateway's staff on duty (结算网关值班人员), the sub-district's reception centre.
_NONE = Text("无需其他操作。", "Nothing else to do.")
_FIX_BILL = Text(
    "本次未处理。请核对所列内容，更正后按原单重试；仍不行请通知本院信息科。",
    "Nothing was done this time. Correct what is named and send again; the same key is fine."
    " If it stays, tell the hospital's IT department.",
)
_FIX_PROGRAM = Text(
    "本次未处理。请通知本院信息科检查接口程序，更正后按原单重试。",
    "Nothing was done this time. Have the hospital's IT department correct the sending"
    " program; the same key is fine.",
)
_PATIENT_PAYS = Text(
    "按医保结算后的金额收费，请患者保留票据；如有疑问可到街道（乡镇）受理中心咨询。",
    "Collect the amount left after insurance and have the patient keep the bill; the"
    " sub-district's reception centre can advise.",
)
_COLLECT_FIRST = Text(
    "不要重复收费；按首次结算的金额收取，并打印首次的凭证。",
    "Do not charge twice; collect the first settlement's amounts and print its slip.",
)
_AGAIN = Text(
    "请稍候，按原单重试，不要新开一笔。",
    "Wait a moment, then send the same request again under the same key.",
)
_OTHER_MONTHS = Text("请更正月份后重新查询。", "Correct the months and ask again.")
_OTHER_DAYS = Text("请更正日期后重新提交。", "Correct the days and ask again.")
_ADDRESS = Text(
    "请通知本院信息科核对接口地址和方法。",
    "Have the hospital's IT department check address and method of the call.",
)


def _reasons(*reasons: Reason) -> dict[str, Reason]:
    table: dict[str, Reason] = {}
    for reason in reasons:
        if reason.code in table:
            raise ValueError(f"reason code {reason.code} stands twice")
        table[reason.code] = reason
    return table


def _bad(code: str, zh: str, en: str, next_step: Text = _FIX_BILL) -> Reason:
    return Reason(code, Text(zh, en), next_step, retry_allowed=True, same_key=True)


def _decided(
    code: str, zh: str, en: str, next_step: Text, *, retry: bool = False
) -> Reason:
    return Reason(code, Text(zh, en), next_step, retry_allowed=retry, same_key=False)


REASONS = _reasons(
    # 1xxx: malformed or impossible
    _bad("MA-1101", "请求内容的格式有误，无法读取。", "The request is not valid JSON.",
         _FIX_PROGRAM),
    _bad("MA-1102", "有内容缺失、写法不对或无法识别。",
         "A field is missing, unknown or of the wrong type."),
    _bad("MA-1103", "请求缺少幂等键，或幂等键的写法不对。",
         "The Idempotency-Key header is missing or malformed.",
         Text("本次未处理。请通知本院信息科：每笔业务一个幂等键，最长 64 位。",
              "Nothing was done this time. Send a key of 1 to 64 letters, digits or . _ : -"
              " for each intent.")),
    _bad("MA-1104", "就诊号等编号中含有卡号或身份证号。",
         "A field contains a card number or a resident identity number.",
         Text("本次未处理。就诊号、账单号、幂等键和操作员只能用内部编号，请通知本院信息科。",
              "Nothing was done this time. Use internal numbers for visit, bill, key and"
              " operator.")),
    _bad("MA-1105", "请求内容过大。", "The request body is too large.", _FIX_PROGRAM),
    _bad("MA-1106", "请求的内容类型不对。",
         "The content type is not one that this call takes.", _FIX_PROGRAM),
    _bad("MA-1107", "请求头的写法不对。", "A header value is malformed.",
         _FIX_PROGRAM),
    _bad("MA-1108", "正式环境不接受沙箱时间。",
         "This is no sandbox: Medaid-Sandbox-Time is refused.",
         Text("本次未处理。请通知本院信息科去掉沙箱时间，再按原单重试。",
              "Nothing was done this time. Remove the header; the same key is fine.")),
    _bad("MA-1109", "请求头过长或过多。", "The head of the request is too large.",
         _FIX_PROGRAM),
    _bad("MA-1110", "金额必须在 0 至 1000 万元之间。",
         "An amount must lie between 0 and 10 million yuan (unit: fen)."),
    _bad("MA-1111", "服务结束日期早于开始日期。",
         "The service ends before it starts."),
    _bad("MA-1112", "服务日期在今天之后。", "The service date lies after today."),
    _bad("MA-1113", "总额不等于自费、超限价、先行自付与政策范围内四项之和。",
         "The total is not the sum of self-funded, over-limit, pre-selfpay and "
         "in-policy amounts."),
    _bad("MA-1114", "各项基金支付之和超过总额。",
         "The funds have paid more than the total."),
    _bad("MA-1115", "个人账户支付超过应付金额。",
         "The personal account pays more than is owed."),
    _bad("MA-1116", "账单总额为零。", "The bill's total is zero."),
    _bad("MA-1117", "服务日期早于这里最早的救助政策。",
         "The service date lies before the earliest policy here.",
         Text("请核对就诊日期。日期无误的，先按医保结算结果收费，"
              "请患者持票据到街道（乡镇）受理中心申请。",
              "Check the date of service. If it is right, collect what insurance"
              " left; the patient applies at the reception centre.")),
    _bad("MA-1120", "缺少必填字段。", "A required field is missing."),
    _bad("MA-1121", "未知字段。", "The field is not known."),
    _bad("MA-1122", "金额必须是以分为单位的整数，不能是小数或文字。",
         "An amount is an integer of fen: no fraction, text or boolean."),
    _bad("MA-1123", "取值不在允许的范围之内。", "Not one of the allowed values."),
    _bad("MA-1124", "日期的写法不对，应如 2026-01-05，且不早于 1900 年。",
         "A date is written YYYY-MM-DD, in the year 1900 or later."),
    _bad("MA-1125", "时间的写法不对，应如 2026-01-05T02:14:09Z。",
         "An instant is written as RFC 3339 in UTC, ending in Z."),
    _bad("MA-1126", "长度或字符不符合要求。", "The length or a character is not allowed."),
    _bad("MA-1127", "同一字段出现了两次。", "The field stands more than once."),
    _bad("MA-1128", "内容的类型不对。", "The type is wrong."),
    _bad("MA-1129", "身份证号码的校验位不正确。",
         "The check digit of the resident identity number is wrong."),
    _bad("MA-1130", "数值超出允许范围。", "The number is out of range."),
    _bad("MA-1131", "两种写法必须并且只能用一种。",
         "Give exactly one of the two alternatives."),
    _bad("MA-1132", "月份的写法不对，应如 2026-01，1900 至 2150 年。",
         "A month is written YYYY-MM, in the years 1900 to 2150.", _OTHER_MONTHS),
    _bad("MA-1133", "结束月份早于开始月份。", "The last month lies before the first.",
         _OTHER_MONTHS),
    _bad("MA-1134", "月份过多，一次最多 120 个月。", "At most 120 months at once.",
         _OTHER_MONTHS),
    _bad("MA-1135", "结果过多，无法一次给出。", "The answer would be too large.",
         Text("请缩短月份，或只查一家医疗机构，再重新查询。",
              "Ask for fewer months, or for one facility.")),
    _bad("MA-1136", "结束日期早于开始日期。", "The last day lies before the first.",
         _OTHER_DAYS),
    _bad("MA-1137", "日期过多，一次最多 31 天。", "At most 31 days at once.", _OTHER_DAYS),
    _bad("MA-1138", "日期在今天之后。", "The day lies after today.", _OTHER_DAYS),
    _bad("MA-1139", "日期不在所填范围之内。", "The day lies outside of those asked for.",
         _OTHER_DAYS),
    _bad("MA-1140", "请求没有在时限内送完，未处理。",
         "The request did not arrive completely in time: not processed.", _AGAIN),
    *HIS_REASONS,
    # 2xxx: decided by rule
    _decided("MA-2000", "按救助政策给予救助。", "Aid is given under the policy.", _NONE),
    _decided("MA-2001", "本单没有可救助的金额。", "There is nothing that aid may touch.",
             _PATIENT_PAYS),
    _decided("MA-2002", "本年度救助限额已用完。", "The year's aid cap is used up.",
             Text("按医保结算后的金额收费，请患者保留票据；仍有困难的可到街道（乡镇）"
                  "受理中心咨询。",
                  "Collect the amount left after insurance and have the patient keep the"
                  " bill; in hardship the sub-district's reception centre can advise.")),
    _decided("MA-2003", "尚未超过起付标准。", "The deductible is not yet exceeded.",
             _PATIENT_PAYS),
    _decided("MA-2004", "该救助类别不含此类就诊。",
             "This category receives no aid for this kind of care.", _PATIENT_PAYS),
    _decided("MA-2005", "该类别的救助依申请办理，不在结算时给付。",
             "This category's aid is given on application, not at the desk.",
             Text("按医保结算后的金额收费，请患者保留票据，到街道（乡镇）受理中心申请。",
                  "Collect the amount left after insurance; the patient keeps the bill and"
                  " applies at the sub-district's reception centre.")),
    _decided("MA-2100", "在救助对象名册中，就诊日期有效。",
             "On the assistance roster on the date of service.", _NONE),
    _decided("MA-2101", "救助对象名册中没有这张卡。",
             "The card is not on the assistance roster.",
             Text("请核对卡号，可换身份证再查；仍没有的先按医保结算收费，"
                  "请患者保留票据到街道（乡镇）受理中心咨询。",
                  "Check the card, or try the identity card; else charge as an ordinary"
                  " patient, who keeps the bill and asks at the reception centre.")),
    _decided("MA-2102", "救助资格在就诊日期之前已到期。",
             "Eligibility had ended on the date of service.",
             Text("请核对就诊日期；先按医保结算收费，请患者保留票据，"
                  "到街道（乡镇）受理中心申请复核。",
                  "Check the date; charge as an ordinary patient, who keeps the bill and"
                  " asks the reception centre for a review.")),
    _decided("MA-2103", "救助资格在就诊日期尚未生效。",
             "Eligibility had not begun on the date of service.",
             Text("请核对就诊日期；先按医保结算收费，请患者保留票据，"
                  "到街道（乡镇）受理中心咨询。",
                  "Check the date; charge as an ordinary patient, who keeps the bill and"
                  " asks at the reception centre.")),
    Reason("MA-2104", Text("暂时查不到救助资格。",
                           "Eligibility cannot be told at the moment."),
             Text("请患者稍候，按原单重试；暂不要按全额收费。仍不行请通知本院信息科。",
                  "Try again shortly with the same key before charging in full. If it"
                  " stays, tell the hospital's IT department."),
             retry_allowed=True, same_key=True),
    Reason("MA-2105", Text("暂时查不到剩余额度。",
                           "The remaining quota cannot be read at the moment."),
           Text("救助资格不受影响，可以结算；结算时按实际额度计算。",
                "Eligibility stands; settling computes with the true quota."),
           retry_allowed=True, same_key=True),
    Reason("MA-2106", Text("救助名册已超过允许的时限，暂不按它答复。",
                           "The roster is stale: no answer is given by it."),
           Text("请患者稍候，按原单重试；暂不要按全额收费。请通知本院信息科联系结算网关值班人员。",
                "Try again with the same key before charging in full; have the IT"
                " department call the gateway's staff on duty."),
           retry_allowed=True, same_key=True),
    _decided("MA-2201", "账单中已有医疗救助支付。", "Aid was already paid on this bill.",
             Text("请核对账单中的医疗救助金额：确已救助的按账单收费；录入有误的更正后"
                  "新开一笔。",
                  "Check the bill's medical aid amount: where it is right, collect as"
                  " billed; where not, correct it and settle under a new key.")),
    _decided("MA-2202", "该就诊账单已经结算。", "This bill of the visit is settled already.",
             _COLLECT_FIRST),
    _decided("MA-2203", "该就诊账单已按其他金额结算。",
             "This bill of the visit is settled already, with other amounts.",
             Text("先冲正首次结算，再新开一笔；确是第二张账单的，注明原因后新开一笔。",
                  "Reverse the first settlement, then settle under a new key; a true"
                  " second bill is sent under a new key with its reason."),
             retry=True),
    _decided("MA-2204", "救助金额与告知患者的不同，未结算。",
             "The aid differs from the expected amount; nothing was settled.",
             Text("请向患者说明新的金额，同意后新开一笔。",
                  "Tell the patient the new amount; confirm under a new key."),
             retry=True),
    _decided("MA-2205", "这笔结算已被提前冲正，没有生效。",
             "A reversal for this key arrived first; the settlement is void.",
             Text("如仍需结算，请新开一笔。", "To settle after all, use a new key."),
             retry=True),
    _decided("MA-2206", "未按规定转诊，不予救助。",
             "Not properly referred: no aid under the policy.",
             Text("有转诊或备案手续的，补录后新开一笔；没有的先按医保结算收费，"
                  "请患者到街道（乡镇）受理中心咨询。",
                  "With a referral or filing, enter it and settle under a new key; else"
                  " collect after insurance, and the reception centre can advise.")),
    _decided("MA-2207", "超过申报期限。", "The filing limit has passed.",
             Text("先按医保结算收费，请患者保留票据，到街道（乡镇）受理中心咨询补办。",
                  "Collect after insurance; the patient keeps the bill and asks at the"
                  " reception centre about a late claim.")),
    _decided("MA-2208", "与此前的结算重复或冲突，按民政部门规定不予即时救助。",
             "It repeats or contradicts an earlier claim; the bureau's rules give no aid"
             " at the desk.",
             Text("先按医保结算收费，请患者保留票据，到街道（乡镇）受理中心核对。",
                  "Collect after insurance; the patient keeps the bill and asks at the"
                  " reception centre.")),
    _decided("MA-2209", "与此前的结算相近，需要核对后确认。",
             "It resembles an earlier claim and has to be confirmed.",
             Text("请核对患者本人和病历，属实的填写确认原因后新开一笔。",
                  "Check the patient and the chart; where it is right, settle under a new"
                  " key with confirm_reason."),
             retry=True),
    # 3xxx: who may ask
    Reason("MA-3101", Text("没有登录，或登录已过期。", "There is no valid access token."),
           Text("请重新登录，再按原单重试。",
                "Sign in again, then retry with the same key."),
           retry_allowed=True, same_key=True),
    Reason("MA-3102", Text("请求的签名无效。", "The request signature is not valid."),
           Text("请通知本院信息科核对接入密钥、电脑时间和签名内容。",
                "Check key, clock and signed components.")),
    Reason("MA-3103", Text("请求已经用过，或电脑时间相差超过 60 秒。",
                           "The signed request was used already or is not of this minute."),
           Text("请校准电脑时间后重试；仍不行请通知本院信息科。",
                "Set the clock and sign with a new nonce."),
           retry_allowed=True, same_key=True),
    Reason("MA-3104", Text("本机构无权进行此操作。", "This party may not do that."),
           Text("请通知本院信息科，向结算网关值班人员核对接入权限。",
                "Have the hospital's IT department ask the gateway's staff on duty.")),
    Reason("MA-3105", Text("请求过于频繁。", "Too many requests."),
           Text("请稍候，按原单重试，不要新开一笔。",
                "Retry with the same key after the given time."),
           retry_allowed=True, same_key=True),
    Reason("MA-3106", Text("本机构同时提交的请求过多。",
                           "Too many requests of this party are under way."),
           _AGAIN, retry_allowed=True, same_key=True),
    *HIS_ACCESS_REASONS,
    # 4xxx: keys, identities, state
    Reason("MA-4101", Text("没有找到。", "Not found."),
           Text("请核对编号；如查的是刚提交的结算，表示尚未结算，请按原单重试。",
                "Check the number. For a key, not found means not settled yet.")),
    Reason("MA-4102", Text("这笔业务正在处理中。", "This key is being processed."),
           _AGAIN, retry_allowed=True, same_key=True),
    Reason("MA-4103", Text("该幂等键已用于其他内容，本次未结算。",
                           "This key was used with other content; nothing was settled"
                           " now."),
           Text("请先查原单的结果；确是另一笔业务的，新开一笔。",
                "Look at what the key has settled first; for another intent use a new"
                " key."),
           retry_allowed=True, same_key=False),
    Reason("MA-4104", Text("人员或就诊与原结算不符。",
                           "Person or visit is not that of the settlement."),
           Text("本次未办理。请核对患者本人、就诊和原结算后再办理。",
                "Nothing was done this time. Check person, visit and settlement.")),
    Reason("MA-4105", Text("没有这个接口地址。", "There is no such address."), _ADDRESS),
    Reason("MA-4106", Text("该接口地址不支持这种方法。",
                           "The method is not allowed here."), _ADDRESS),
    Reason("MA-4107", Text("今日提前冲正次数已达上限。",
                           "The day's limit of reversals without a settlement is reached."),
           Text("未冲正。请按原单重试结算，或通知本院信息科联系结算网关值班人员。",
                "Nothing was reversed. Retry the settlement under its own key, or have"
                " the IT department ask the gateway's staff on duty.")),
    Reason("MA-4108", Text("没有这个案件。", "There is no such case."),
           Text("请核对案件编号。", "Check the id of the case.")),
    Reason("MA-4109", Text("案件已办结，不能再改。",
                           "The case is closed and changes no more."),
           Text("新的提醒会归入新的案件。", "New alerts gather in a new case.")),
    *HIS_STATE_REASONS,
    # 42xx: months
    *MONTH_REASONS,
    # 5xxx: not now
    Reason("MA-5101", Text("系统繁忙，本次未处理。", "Busy: not processed this time."),
           _AGAIN, retry_allowed=True, same_key=True),
    Reason("MA-5102", Text("未在时限内开始处理，本次未处理。",
                           "Not begun before its deadline: nothing was done this time."),
           _AGAIN, retry_allowed=True, same_key=True),
    Reason("MA-5103", Text("结果未知，可能已经结算。", "The outcome is unknown."),
           Text("请患者稍候，按原单重试或查询；不要当作失败，不要新开一笔。",
                "Retry or look up with the same key; do not treat it as failed."),
           retry_allowed=True, same_key=True),
    Reason("MA-5104", Text("暂停结算：安全检查未通过。",
                           "Settlement is stopped: a safety check failed."),
           Text("请通知本院信息科联系结算网关值班人员；患者不能等的先按医保结算收费，"
                "恢复后冲正原单。",
                "Have the IT department call the gateway's staff on duty; retry later"
                " with the same key. Who cannot wait pays what insurance left; then"
                " reverse the original by its key."),
           retry_allowed=True, same_key=True),
    Reason("MA-5105", Text("数据库暂时无法访问，本次未处理。",
                           "The database cannot be reached: nothing was done this time."),
           _AGAIN, retry_allowed=True, same_key=True),
    Reason("MA-5106", Text("没有适用于该日期的救助政策，未结算。",
                           "No policy is in force for this date: not settled."),
           Text("请核对就诊日期；无误的请通知本院信息科联系结算网关值班人员。",
                "Check the date; where it is right, have the IT department call the"
                " gateway's staff on duty. Retry later with the same key."),
           retry_allowed=True, same_key=True),
    Reason("MA-5107", Text("网关内部错误，结果未知。",
                           "Internal error of the gateway: nothing is promised."),
           Text("请按原单重试；仍不行请通知本院信息科联系结算网关值班人员。",
                "Retry with the same key; if it persists, have the IT department call"
                " the gateway's staff on duty."),
           retry_allowed=True, same_key=True),
    *FILE_REASONS,
    *RULE_REASONS,
)  # fmt: skip


def reason(code: str) -> Reason:
    """The reason with this code; `KeyError` for a code that does not exist."""
    return REASONS[code]
