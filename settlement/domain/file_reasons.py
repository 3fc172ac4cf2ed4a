"""The reasons 6xxx and 7xxx: roster files, hospitals' lists and policy packs.

They are part of the one ordered list, `settlement.domain.reasons.REASONS`.
"""

from __future__ import annotations

from settlement.domain.decision import Text
from settlement.domain.reason import Reason

_NONE = Text("无需其他操作。", "Nothing else to do.")
_ASK_BUREAU = Text(
    "未导入任何内容；请民政局核对后重新签发文件。",
    "Nothing was taken; ask the bureau to check the file and sign it again.",
)
_CORRECT_ROW = Text(
    "该人员保持原状态；请在下一份文件中更正。",
    "The person keeps the former state; correct the row in the next file.",
)
_LOOK_AT_ROW = Text(
    "已导入；请民政局核对，如有误在下一份文件中更正。",
    "The row was taken; the bureau looks at it and corrects what is wrong.",
)

_SEND_LIST_AGAIN = Text(
    "未读入任何内容；请医院按所示更正后重新上传清单。",
    "Nothing was taken; correct what is shown and upload the list again.",
)
_CORRECT_LINE = Text(
    "该行未参与对账；请按所示行号和列更正后重新上传清单。",
    "The line was left out; correct it at the place shown and upload the list again.",
)
_CORRECT_PACK = Text(
    "按所示行号和字段更正后重新检查（medaid policy check）。",
    "Correct the place shown, then run `medaid policy check` again.",
)


def _file(
    code: str,
    zh: str,
    en: str,
    next_step: Text = _ASK_BUREAU,
    *,
    retry_allowed: bool = False,
) -> Reason:
    return Reason(code, Text(zh, en), next_step, retry_allowed)


def _row(code: str, zh: str, en: str) -> Reason:
    return Reason(code, Text(zh, en), _CORRECT_ROW)


def _remark(code: str, zh: str, en: str) -> Reason:
    return Reason(code, Text(zh, en), _LOOK_AT_ROW)


def _list(code: str, zh: str, en: str) -> Reason:
    return Reason(code, Text(zh, en), _SEND_LIST_AGAIN)


def _line(code: str, zh: str, en: str) -> Reason:
    return Reason(code, Text(zh, en), _CORRECT_LINE)


def _pack(code: str, zh: str, en: str) -> Reason:
    return Reason(code, Text(zh, en), _CORRECT_PACK)


FILE_REASONS: tuple[Reason, ...] = (
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
          Text("按清单修正各行后重新签发；经核对可接受的，导入时提高 --max-refused。",
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
    _file("MA-6112", "数据文件的表头不符。",
          "The data file's header is not as agreed."),
    _file("MA-6113", "数据文件的编码与声明不符。",
          "The data file is not in the encoding that was declared.",
          Text("GBK 文件：导入时加 --encoding gb18030，"
               "上传时在 Content-Type 写明 charset=gb18030。",
               "For GBK: import with --encoding gb18030, upload with"
               " charset=gb18030 in Content-Type.")),
    _file("MA-6114", "正在导入另一份名册文件。",
          "Another roster file is being taken in.",
          Text("稍后用同一文件重试。", "Try again later with the same file."),
          retry_allowed=True),
    # 62xx: a row of a roster file; the person keeps the former state
    _row("MA-6201", "无法读取该行（引号或编码有误；应为 UTF-8）。",
         "The row cannot be read: broken quotes, or not UTF-8."),
    _row("MA-6202", "列数与表头不符。",
         "The row has not as many fields as the header."),
    _row("MA-6203", "必填字段为空。", "A required field is empty."),
    _row("MA-6204", "action 只能是 upsert 或 remove。",
         "The action is neither upsert nor remove."),
    _row("MA-6205", "身份证号不是 18 位。",
         "The identity number does not have 18 characters."),
    _row("MA-6206", "身份证号校验码有误（GB 11643）。",
         "The identity number's check digit is wrong (GB 11643)."),
    _row("MA-6207", "卡号格式不符。", "The card number is malformed."),
    _row("MA-6208", "救助对象类别未知。", "The category is unknown."),
    _row("MA-6209", "日期不是 YYYY-MM-DD。", "The date is not YYYY-MM-DD."),
    _row("MA-6210", "有效期结束早于开始。", "The window ends before it starts."),
    _row("MA-6211", "街道代码不是 9 位数字。",
         "The sub-district does not have 9 digits."),
    _row("MA-6212", "街道代码不在本地街道清单中。",
         "The sub-district is not on the list of this installation."),
    _row("MA-6213", "同一资格在文件中出现多次且内容不同。",
         "The same window stands in the file with different content."),
    _row("MA-6214", "该卡属于另一名救助对象。", "The card belongs to another person."),
    _row("MA-6215", "要移除的资格不在名册中。",
         "The removal names a window that the roster does not have."),
    _row("MA-6216", "身份证号为 15 位（第一代），须换成 18 位。",
         "The identity number has 15 digits (first generation); 18 are needed."),
    _row("MA-6217", "身份证号中的出生日期不存在。",
         "The birth date in the identity number is no day."),
    _row("MA-6218", "身份证号中有不允许的字符。",
         "The identity number holds a character that it cannot have."),
    # 623x: a row of a roster file that was taken, and is worth a look
    _remark("MA-6231", "同一人同一类别的有效期重叠。",
            "Windows of one person in one category overlap."),
    _remark("MA-6232", "同一人在文件中有两张卡。",
            "One person stands in the file with two cards."),
    # 63xx: a hospital's list that is not taken in
    _list("MA-6301", "清单中没有任何内容。", "The list is empty."),
    _list("MA-6302", "文件过大。", "The file is too large."),
    _list("MA-6303", "解压后内容过大，或压缩比异常。",
          "Unpacked, the file is too large, or out of all proportion."),
    _list("MA-6304", "压缩文件已损坏或不完整。",
          "The packed file is damaged or cut off."),
    _list("MA-6305", "压缩包内应当只有一个文本文件。",
          "The zip must hold exactly one text."),
    _list("MA-6306", "文件已加密。", "The file is encrypted."),
    _list("MA-6307", "不支持的文件格式（应为 zip、文本、CSV 或 XLSX）。",
          "The file is no zip, text, CSV or XLSX."),
    _list("MA-6308", "文本编码既不是 UTF-8 也不是 GBK（GB18030）。",
          "The text is neither UTF-8 nor GBK (GB18030)."),
    _list("MA-6309", "表头不在第一行、缺少必需的列，或有重复的列。",
          "The header is not the first line, lacks a column, or has one twice."),
    _list("MA-6310", "行数过多，或同一笔重复的行过多。",
          "The list has too many lines, or too many of one settlement."),
    _list("MA-6311", "有一行过长。", "A line is too long."),
    _list("MA-6312", "无法读取的行过多。", "Too many lines cannot be read."),
    _list("MA-6313", "电子表格无法读取。", "The spreadsheet cannot be read."),
    _list("MA-6314", "电子表格过大；请改用文本或 CSV。",
          "The spreadsheet is too large: send text or CSV."),
    _list("MA-6315", "电子表格中有内容的工作表应当只有一个。",
          "Exactly one sheet of the spreadsheet may have content."),
    # 64xx: a line of a hospital's list that is left out
    _line("MA-6401", "列数不足。", "The line has too few columns."),
    _line("MA-6402", "结算号、就诊号和幂等键均为空。",
          "Settlement id, visit number and key are all empty."),
    _line("MA-6403", "编号中有不允许的字符，或过长。",
          "An id holds a character that is not allowed, or is too long."),
    _line("MA-6404", "编号中含有身份证号。", "An id contains an identity number."),
    _line("MA-6405", "金额为空。", "An amount is empty."),
    _line("MA-6406", "金额的写法不对。", "An amount is not written as a number."),
    _line("MA-6407", "金额的小数位过多。", "An amount has too many decimals."),
    _line("MA-6408", "金额超出范围（1000 万元）。",
          "An amount is out of range (10 million yuan)."),
    _line("MA-6409", "退费标志无法识别。", "The refund flag is unknown."),
    _line("MA-6410", "引号不成对。", "The quotes are broken."),
    _line("MA-6411", "编号在表格中按数字保存，末尾数字已丢失；请设为文本。",
          "The sheet keeps the id as a number and has lost digits: make it text."),
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
    _pack("MA-7021", "分档不衔接。", "Bands leave a hole or overlap."),
    _pack("MA-7022", "限额池成了循环。", "Pots lie within each other."),
    _pack("MA-7023", "指标缺少所需年度的数值。",
          "A figure is missing for every year."),
)  # fmt: skip
