"""What is wrong with a message in the national envelope, in its own words."""

from __future__ import annotations

from settlement.domain.decision import Text
from settlement.domain.reason import Reason

_FIX_PROGRAM = Text(
    "本次未处理。请通知本院信息科检查接口程序，更正后重发。",
    "Nothing was done this time. Have the hospital's IT department correct the sending"
    " program and send again.",
)
_SETTLE_NATIONALLY_FIRST = Text(
    "本次未处理。请核对医保结算是否完成，按医保返回的结果重发；仍不行请通知本院信息科。",
    "Nothing was done this time. See that insurance has settled and send its answer as"
    " it came; if it stays, tell the hospital's IT department.",
)


def _bad(code: str, zh: str, en: str, next_step: Text = _FIX_PROGRAM) -> Reason:
    return Reason(code, Text(zh, en), next_step, retry_allowed=True, same_key=True)


#: Malformed or impossible.
HIS_REASONS = (
    _bad("MA-1201", "不支持的交易编号。", "There is no such transaction (infno)."),
    _bad("MA-1202", "报文中的交易编号与接口地址不一致。",
         "The infno of the body is not that of the address."),
    _bad("MA-1203", "金额须以元为单位，最多两位小数。",
         "An amount is in yuan, with at most two decimal places."),
    _bad("MA-1204", "本次数据与医保结算信息不一致。",
         "The data are not those of insurance's own answer.", _SETTLE_NATIONALLY_FIRST),
    _bad("MA-1205", "各项支付与个人负担之和不等于总额。",
         "What the funds and the patient pay is not the total.",
         _SETTLE_NATIONALLY_FIRST),
    _bad("MA-1206", "明细中的医疗救助与结算信息不符。",
         "The details name medical aid that the settlement does not contain.",
         _SETTLE_NATIONALLY_FIRST),
    _bad("MA-1207", "电子凭证无法对应到人。", "The e-voucher says nothing of who it is.",
         Text("本次未处理。请改用身份证或社会保障卡，或传入医保返回的证件号码。",
              "Nothing was done this time. Use the identity or social security card, or"
              " send the certno that insurance has answered.")),
    _bad("MA-1208", "不支持的医疗类别。", "The med_type is not known here."),
    _bad("MA-1209", "定点医药机构编号与接入身份不一致。",
         "The institution is not the one that has signed."),
    _bad("MA-1210", "日期的写法不对，应如 2026-01-05，时间接着写 02:14:09。",
         "A date is written yyyy-MM-dd, a time yyyy-MM-dd HH:mm:ss."),
    _bad("MA-1211", "就医地或参保地的字段名拼写不对，应为所列名称。",
         "The two places are spelt mdtrtarea_admvs and insuplc_admdvs."),
    _bad("MA-1220", "明细文件的列数不足。",
         "A line of the file has fewer columns than the layout."),
    _bad("MA-1221", "文件数据的编码不对，无法读取。", "The file is not in base64."),
    _bad("MA-1222", "本机构在网关暂存的文件过多。",
         "The hospital holds too many files at the gateway.",
         Text("未保存。文件两日后自动清除，请届时再传；已传的无需重传。",
              "Nothing was kept. Files go after two days; send it again then.")),
    _bad("MA-1223", "没有这个文件，或已过下载截止时间。",
         "There is no such file, or no more.",
         Text("请重新上传明细文件后再对明细账。",
              "Upload the file again, then ask for details.")),
    _bad("MA-1230", "人员编号不是本网关发给本机构的。",
         "This psn_no is none that the gateway has given this hospital.",
         Text("未查询。请通知本院信息科，改传就诊凭证类型和就诊凭证编号。",
              "Nothing was looked up. Send mdtrt_cert_type and mdtrt_cert_no instead.")),
    _bad("MA-1231", "证件号码与社会保障卡不是同一人。",
         "Identity number and social security card are of different persons.",
         Text("请核对患者本人的卡和证件后重新读取；未核对清楚前不要结算。",
              "Check card and identity card with the patient and read them again; do not"
              " settle before.")),
    _bad("MA-1232", "没有这种字典。", "There is no such dictionary.",
         Text("请改用所列的一种。", "Ask for one of those that are named.")),
    _bad("MA-1233", "与该结算不符。", "Not what the settlement came with."),
    _bad("MA-1234", "没有结算编号、报文编号或就诊编号。",
         "Neither setl_id nor medins_setl_id nor mdtrt_id is given."),
    _bad("MA-1235", "年月应如 202601，且不晚于本月。",
         "A month is written 202601, and is none to come."),
)  # fmt: skip

#: Who may ask.
HIS_ACCESS_REASONS = (
    Reason("MA-3107", Text("本机构未开通这种接入方式。",
                           "This way of signing is not open to this institution."),
           Text("请通知本院信息科，向结算网关值班人员申请开通或改用已开通的方式。",
                "Have the hospital's IT department ask the gateway's staff on duty.")),
    Reason("MA-3108", Text("请求来自未登记的网络地址。",
                           "The request comes from an address that is not registered."),
           Text("请通知本院信息科，向结算网关值班人员核对登记的网络地址。",
                "Have the hospital's IT department ask the gateway's staff on duty.")),
    Reason("MA-3109", Text("这份签名已经用过，原报文可能已经处理。",
                           "The signature was used; its message may have been done."),
           Text("请按原单重发（报文编号不变，重新签名），不要新开一笔。",
                "Send the same message again under its msgid, signed anew."),
           retry_allowed=True, same_key=True),
)  # fmt: skip

#: State.
HIS_STATE_REASONS = (
    Reason("MA-4110", Text("这笔结算已由后来的报文确认，不能按原报文冲正。",
                           "A later message was answered with this settlement."),
           Text("未冲正。确需撤销的，请按结算编号撤销（2208），或冲正后来的报文。",
                "Nothing was reversed. To undo it, cancel by its setl_id (2208) or"
                " reverse the later message.")),
    Reason("MA-4111", Text("这笔结算已经撤销。", "This settlement was undone."),
           Text("不要按原结算收费。如仍需结算，请用新的报文重新结算。",
                "Do not charge by it. To settle after all, send a new message."),
           retry_allowed=True),
    Reason("MA-4112", Text("撤销不能再冲正。", "A cancellation cannot be reversed."),
           Text("请查询结算状态；如仍需结算，请用新的报文重新结算。",
                "Look the settlement up; to settle after all, send a new message."),
           retry_allowed=True),
)  # fmt: skip
