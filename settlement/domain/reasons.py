"""Every reason and error of the gateway, in one ordered list.

Codes are stable and never reused; a retired one stays listed. The list knows no
wire format: `gateway.problems` maps codes to HTTP, other adapters to theirs.

Ranges: 1xxx the request is malformed or impossible; 2xxx decided by rule; 3xxx
who may ask; 4xxx keys, identities and state; 5xxx not now; 6xxx roster files;
7xxx policy packs; 8xxx records and proofs; 9xxx commands and settings.
"""

from __future__ import annotations

from dataclasses import dataclass

from settlement.domain.decision import Text


@dataclass(frozen=True, slots=True)
class Reason:
    """One code with its sentence, what to do next, and whether to try again."""

    code: str
    text: Text
    next_step: Text
    retry_allowed: bool = False
    same_key: bool = False


_NONE = Text("无需其他操作。", "Nothing else to do.")
_FIX_BILL = Text(
    "请信息科核对该字段后重新提交；可用原幂等键。",
    "Have the sending system correct the field and send again; the same key is fine.",
)
_PATIENT_PAYS = Text(
    "按医保结算后的金额向患者收费。", "Collect the amount left after insurance."
)
_COLLECT_FIRST = Text(
    "不要重复收费；按首次结算的金额收取，并打印首次的凭证。",
    "Do not charge twice; collect the first settlement's amounts and print its slip.",
)

_ASK_BUREAU = Text(
    "未导入任何内容；请民政局核对后重新签发文件。",
    "Nothing was taken; ask the bureau to check the file and sign it again.",
)
_CORRECT_ROW = Text(
    "该人员保持原状态；请在下一份文件中更正。",
    "The person keeps the former state; correct the row in the next file.",
)


_CORRECT_PACK = Text(
    "按所示行号和字段更正后重新检查（medaid policy check）。",
    "Correct the place shown, then run `medaid policy check` again.",
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


def _file(code: str, zh: str, en: str, next_step: Text | None = None) -> Reason:
    return Reason(code, Text(zh, en), next_step or _ASK_BUREAU)


def _row(code: str, zh: str, en: str) -> Reason:
    return Reason(code, Text(zh, en), _CORRECT_ROW)


def _pack(code: str, zh: str, en: str) -> Reason:
    return Reason(code, Text(zh, en), _CORRECT_PACK)


REASONS = _reasons(
    # 1xxx: malformed or impossible
    _bad("MA-1101", "请求不是有效的 JSON。", "The request is not valid JSON."),
    _bad("MA-1102", "字段缺失、类型不符或未知。",
         "A field is missing, unknown or of the wrong type."),
    _bad("MA-1103", "缺少 Idempotency-Key 请求头，或格式不符。",
         "The Idempotency-Key header is missing or malformed.",
         Text("每次结算使用新的键（1 至 64 位字母、数字或 . _ : -）。",
              "Send a key of 1 to 64 letters, digits or . _ : - for each intent.")),
    _bad("MA-1104", "字段中含有卡号或身份证号。",
         "A field contains a card number or a resident identity number.",
         Text("就诊号、账单号、幂等键和操作员只能用内部编号。",
              "Use internal numbers for visit, bill, key and operator.")),
    _bad("MA-1105", "请求体过大。", "The request body is too large."),
    _bad("MA-1106", "内容类型必须是 application/json。",
         "The content type must be application/json."),
    _bad("MA-1107", "请求头的值不符合格式。", "A header value is malformed."),
    _bad("MA-1108", "此处不是沙箱，不接受 Medaid-Sandbox-Time。",
         "This is no sandbox: Medaid-Sandbox-Time is refused.",
         Text("去掉该请求头。", "Remove the header.")),
    _bad("MA-1110", "金额必须在 0 至 1000 万元之间（单位：分）。",
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
    _bad("MA-1120", "缺少必填字段。", "A required field is missing."),
    _bad("MA-1121", "未知字段。", "The field is not known."),
    _bad("MA-1122", "金额必须是整数（单位：分），不能是小数、文本或布尔值。",
         "An amount is an integer of fen: no fraction, text or boolean."),
    _bad("MA-1123", "取值不在允许的范围之内。", "Not one of the allowed values."),
    _bad("MA-1124", "日期必须写作 YYYY-MM-DD，且不早于 1900 年。",
         "A date is written YYYY-MM-DD, in the year 1900 or later."),
    _bad("MA-1125", "时间必须写作 RFC 3339 的 UTC 时间，以 Z 结尾。",
         "An instant is written as RFC 3339 in UTC, ending in Z."),
    _bad("MA-1126", "长度或字符不符合要求。", "The length or a character is not allowed."),
    _bad("MA-1127", "字段重复出现。", "The field stands more than once."),
    _bad("MA-1128", "类型不符。", "The type is wrong."),
    _bad("MA-1129", "身份证号码的校验位不正确。",
         "The check digit of the resident identity number is wrong."),
    _bad("MA-1130", "数值超出允许范围。", "The number is out of range."),
    _bad("MA-1131", "须在两种写法中选择且只能选择一种。",
         "Give exactly one of the two alternatives."),
    # 2xxx: decided by rule
    _decided("MA-2000", "按救助政策给予救助。", "Aid is given under the policy.", _NONE),
    _decided("MA-2001", "没有可救助的金额。", "There is nothing that aid may touch.",
             _PATIENT_PAYS),
    _decided("MA-2002", "本年度救助限额已用完。", "The year's aid cap is used up.",
             _PATIENT_PAYS),
    _decided("MA-2003", "尚未超过起付标准。", "The deductible is not yet exceeded.",
             _PATIENT_PAYS),
    _decided("MA-2004", "该类别不享受此类救助。",
             "This category receives no aid for this kind of care.", _PATIENT_PAYS),
    _decided("MA-2100", "在救助对象名册中，就诊日期有效。",
             "On the assistance roster on the date of service.", _NONE),
    _decided("MA-2101", "该卡不在救助对象名册中。",
             "The card is not on the assistance roster.",
             Text("按普通患者收费；患者可到户籍地街道办事处咨询。",
                  "Charge as an ordinary patient; the sub-district office can advise.")),
    _decided("MA-2102", "救助资格在就诊日期已失效。",
             "Eligibility had ended on the date of service.",
             Text("按普通患者收费；患者可到街道办事处申请复核。",
                  "Charge as an ordinary patient; the sub-district office reviews.")),
    _decided("MA-2103", "救助资格在就诊日期尚未生效。",
             "Eligibility had not begun on the date of service.", _PATIENT_PAYS),
    Reason("MA-2104", Text("暂时无法确认救助资格。",
                           "Eligibility cannot be told at the moment."),
             Text("请稍后用原幂等键重试；患者先不要按全额付费离开。",
                  "Try again shortly with the same key before charging in full."),
             retry_allowed=True, same_key=True),
    Reason("MA-2105", Text("剩余额度暂时无法查询。",
                           "The remaining quota cannot be read at the moment."),
           Text("救助资格不受影响；结算时按实际额度计算。",
                "Eligibility stands; settling computes with the true quota."),
           retry_allowed=True, same_key=True),
    _decided("MA-2201", "该账单已由医疗救助支付过。", "Aid was already paid on this bill.",
             Text("核对账单中的医疗救助支付金额；不要重复申请。",
                  "Check the bill's medical aid amount; do not claim again.")),
    _decided("MA-2202", "该就诊账单已经结算。", "This bill of the visit is settled already.",
             _COLLECT_FIRST),
    _decided("MA-2203", "该就诊账单已按其他金额结算。",
             "This bill of the visit is settled already, with other amounts.",
             Text("先冲正首次结算，再用新的幂等键重新结算。",
                  "Reverse the first settlement, then settle under a new key."),
             retry=True),
    _decided("MA-2204", "救助金额与预结算时不同。",
             "The aid differs from the expected amount.",
             Text("向患者说明新的金额，确认后用新的幂等键提交。",
                  "Tell the patient the new amount; confirm under a new key."),
             retry=True),
    _decided("MA-2205", "该结算请求已被提前冲正。",
             "A reversal for this key arrived first; the settlement is void.",
             Text("如仍需结算，请使用新的幂等键。", "To settle after all, use a new key."),
             retry=True),
    _decided("MA-2206", "未按规定转诊，不予救助。",
             "Not properly referred: no aid under the policy.", _PATIENT_PAYS),
    _decided("MA-2207", "超过申报期限。", "The filing limit has passed.", _PATIENT_PAYS),
    # 3xxx: who may ask
    Reason("MA-3101", Text("没有有效的访问令牌。", "There is no valid access token."),
           Text("请重新签到后再试；结算请求用原幂等键。",
                "Sign in again, then retry with the same key."),
           retry_allowed=True, same_key=True),
    Reason("MA-3102", Text("请求签名无效。", "The request signature is not valid."),
           Text("请信息科核对密钥、时间和签名内容。",
                "Check key, clock and signed components.")),
    Reason("MA-3103", Text("请求已经用过，或时间超出 60 秒。",
                           "The signed request was used already or is not of this minute."),
           Text("校准时钟，用新的随机数重新签名。", "Set the clock and sign with a new nonce."),
           retry_allowed=True, same_key=True),
    Reason("MA-3104", Text("无权进行此操作。", "This party may not do that."),
           Text("请联系管理员。", "Ask the operator of the gateway.")),
    Reason("MA-3105", Text("请求过于频繁。", "Too many requests."),
           Text("请按提示的秒数后重试，用原幂等键。",
                "Retry with the same key after the given time."),
           retry_allowed=True, same_key=True),
    # 4xxx: keys, identities, state
    Reason("MA-4101", Text("没有找到。", "Not found."),
           Text("核对编号。按幂等键查询时，未找到表示尚未结算。",
                "Check the number. For a key, not found means not settled yet.")),
    Reason("MA-4102", Text("该幂等键正在处理中。", "This key is being processed."),
           Text("请稍后用原幂等键重试。", "Retry shortly with the same key."),
           retry_allowed=True, same_key=True),
    Reason("MA-4103", Text("该幂等键已用于其他内容。",
                           "This key was used with other content."),
           Text("新的业务请使用新的幂等键。", "Use a new key for a new intent."),
           retry_allowed=True, same_key=False),
    Reason("MA-4104", Text("冲正的卡与原结算的人员不符。",
                           "The card does not belong to the person of the settlement."),
           Text("核对卡号和原结算。", "Check the card and the settlement.")),
    Reason("MA-4105", Text("没有这个地址。", "There is no such address."),
           Text("请信息科核对接口地址。", "Check the path of the call.")),
    Reason("MA-4106", Text("该地址不支持此方法。", "The method is not allowed here."),
           Text("请信息科核对接口方法。", "Check the method of the call.")),
    Reason("MA-4107", Text("今日提前冲正次数已达上限。",
                           "The day's limit of reversals without a settlement is reached."),
           Text("请联系网关管理员。", "Ask the operator of the gateway.")),
    # 5xxx: not now
    Reason("MA-5101", Text("系统繁忙，未处理。", "Busy: not processed."),
           Text("请按提示的秒数后用原幂等键重试。",
                "Retry with the same key after the given time."),
           retry_allowed=True, same_key=True),
    Reason("MA-5102", Text("未在时限内开始处理，未结算。",
                           "Not begun before its deadline: not settled."),
           Text("请用原幂等键重试。", "Retry with the same key."),
           retry_allowed=True, same_key=True),
    Reason("MA-5103", Text("结果未知。", "The outcome is unknown."),
           Text("请用原幂等键重试或查询；不要当作失败处理。",
                "Retry or look up with the same key; do not treat it as failed."),
           retry_allowed=True, same_key=True),
    Reason("MA-5104", Text("暂停结算：安全检查未通过。",
                           "Settlement is stopped: a safety check failed."),
           Text("请联系网关管理员；稍后用原幂等键重试。",
                "Ask the operator; retry later with the same key."),
           retry_allowed=True, same_key=True),
    Reason("MA-5105", Text("数据库暂时无法访问，未结算。",
                           "The database cannot be reached: not settled."),
           Text("请稍后用原幂等键重试。", "Retry shortly with the same key."),
           retry_allowed=True, same_key=True),
    Reason("MA-5106", Text("没有适用于该日期的救助政策。",
                           "No policy is in force for this date."),
           Text("请联系网关管理员。", "Ask the operator of the gateway."),
           retry_allowed=True, same_key=True),
    Reason("MA-5107", Text("网关内部错误。", "Internal error of the gateway."),
           Text("请用原幂等键重试；若仍失败请联系网关管理员。",
                "Retry with the same key; if it persists, ask the operator."),
           retry_allowed=True, same_key=True),
    # 61xx: a roster file that is not taken in
    _file("MA-6101", "清单文件格式不符。", "The manifest is malformed."),
    _file("MA-6102", "清单签名无效，或签名密钥不受信任。",
          "The manifest's signature is not valid, or its key is not trusted."),
    _file("MA-6103", "数据文件缺失或无法读取。",
          "The data file is missing or cannot be read."),
    _file("MA-6104", "数据文件与清单中的 SHA-256 不符。",
          "The data file does not have the SHA-256 of the manifest."),
    _file("MA-6105", "数据行数与清单不符。",
          "The data file does not have the manifest's number of rows."),
    _file("MA-6106", "被拒绝的行过多，整个文件未导入。",
          "Too many rows are refused; nothing of the file was taken.",
          Text("按清单修正各行后重新签发，或由管理员提高 --max-refused。",
               "Correct the listed rows and sign again, or raise --max-refused.")),
    _file("MA-6107", "版本号不高于当前版本。",
          "The version is not above the current one."),
    _file("MA-6108", "增量文件所依据的版本不是当前版本。",
          "The delta does not rest on the current version.",
          Text("依次导入缺少的增量文件，或导入一份全量文件。",
               "Import the missing deltas in order, or a full file.")),
    _file("MA-6109", "as_of 早于当前名册。", "as_of lies before that of the roster."),
    _file("MA-6110", "该文件已经导入。", "This file has been taken in already.", _NONE),
    _file("MA-6111", "名册由另一令牌密钥写入。",
          "The roster was written with another token key.",
          Text("使用写入名册时的密钥目录。",
               "Use the key folder with which the roster was written.")),
    _file("MA-6112", "数据文件的表头不符。", "The data file's header is not as agreed."),
    # 62xx: a row of a roster file; the person keeps the former state
    _row("MA-6201", "无法读取该行（引号或编码有误；应为 UTF-8）。",
         "The row cannot be read: broken quotes, or not UTF-8."),
    _row("MA-6202", "列数与表头不符。", "The row has not as many fields as the header."),
    _row("MA-6203", "必填字段为空。", "A required field is empty."),
    _row("MA-6204", "action 只能是 upsert 或 remove。",
         "The action is neither upsert nor remove."),
    _row("MA-6205", "身份证号不是 18 位。",
         "The identity number does not have 18 characters."),
    _row("MA-6206", "身份证号校验码或出生日期有误（GB 11643）。",
         "The identity number's check digit or birth date is wrong (GB 11643)."),
    _row("MA-6207", "卡号格式不符。", "The card number is malformed."),
    _row("MA-6208", "救助对象类别未知。", "The category is unknown."),
    _row("MA-6209", "日期不是 YYYY-MM-DD。", "The date is not YYYY-MM-DD."),
    _row("MA-6210", "有效期结束早于开始。", "The window ends before it starts."),
    _row("MA-6211", "街道代码不是 9 位数字。",
         "The sub-district does not have 9 digits."),
    _row("MA-6213", "同一资格在文件中出现多次且内容不同。",
         "The same window stands in the file with different content."),
    _row("MA-6214", "该卡属于另一名救助对象。", "The card belongs to another person."),
    _row("MA-6215", "要移除的资格不在名册中。",
         "The removal names a window that the roster does not have."),
    # 7xxx: a policy pack cannot be used; the fault names line, field and remedy
    _pack("MA-7001", "文件过大或嵌套过深。", "The document is too large or too deep."),
    _pack("MA-7002", "不是有效的 YAML 文件。", "The document is not valid YAML."),
    _pack("MA-7003", "同一个键出现两次。", "A key stands twice."),
    _pack("MA-7004", "不允许使用锚点和引用。", "Anchors and aliases are not allowed."),
    _pack("MA-7005", "不允许使用标签。", "Tags are not allowed."),
    _pack("MA-7006", "未知的键。", "A key is unknown."),
    _pack("MA-7007", "缺少必需的内容。", "Something that must be there is missing."),
    _pack("MA-7008", "内容的形式不对。", "A value has the wrong shape."),
    _pack("MA-7009", "值不在允许范围内。", "A value is not an allowed one."),
    _pack("MA-7010", "金额的写法不对。", "An amount is not written as it must be."),
    _pack("MA-7011", "比例的写法不对，或超过 100%。",
          "A rate is not written as it must be, or above 100 %."),
    _pack("MA-7012", "日期有误。", "A day is wrong."),
    _pack("MA-7013", "引用了没有定义的内容。", "Something is named but not defined."),
    _pack("MA-7014", "无法读取此格式版本。",
          "This version of the format cannot be read."),
    _pack("MA-7015", "内容相互矛盾。", "Two values contradict each other."),
    _pack("MA-7016", "一个名称属于两个类别。", "A spelling names two categories."),
    _pack("MA-7017", "算例的结果不符。", "A worked case comes out differently."),
    _pack("MA-7018", "政策文件不能同时使用。", "Packs cannot be used side by side."),
    _pack("MA-7019", "写明的出处没有被引用。", "A source is written but never cited."),
    _pack("MA-7020", "没有这个政策文件。", "There is no such pack."),
)  # fmt: skip


def reason(code: str) -> Reason:
    """The reason with this code; `KeyError` for a code that does not exist."""
    return REASONS[code]
