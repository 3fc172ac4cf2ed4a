"""What is said of a package, in Chinese; the English sentence is said after it.

A sentence that has no translation of its own is told by its code.
"""

from __future__ import annotations

import re
from functools import lru_cache

_SENTENCES = {
    # One record.
    "the sealed content lacks a member, or one is wrong": "密文内容缺项或有误",
    "stands twice": "重复",
    "no reversal here undoes it": "本包中没有冲销它的冲正记录",
    "the package has not the policy that it names": "包中没有该记录所称的政策文件",
    "the index lies beyond the month's cut": "日志序号超出本月截止位置",
    "the record is of another month": "记录属于其他月份",
    "no hospital of its facility closed the month": "该机构本月没有关账",
    "the settlement that it undoes is not here": "缺少被冲正的原结算",
    "the original given is not what it undoes": "所附原结算不是被冲正的那一笔",
    "what it undoes stands behind it in the log": "原结算在日志中排在冲正之后",
    "a line of it has no index": "有一行没有日志序号",
    "its {} is not that of the settlement it undoes": "冲正的 {} 与原结算不一致",
    "the sealed claims are not the clear ones": "密文中的要素与明文不一致",
    "the named policy pack gives another decision for the sealed bill": (
        "按所称政策文件重新计算, 结果不同"
    ),
    "the named policy pack was not in force for the sealed bill": (
        "所称政策文件在该账单适用日期未生效"
    ),
    "its total is not that of the sealed bill": "费用总额与密文账单不一致",
    "the sealed bill is one that cannot be": "密文账单本身不成立",
    "a running total that the decision rests on is not in it, or is none": (
        "缺少计算所依据的年度累计额, 或该数额不成立"
    ),
    "it does not say whose running totals it rests on": "没有说明累计额属于何人",
    "the sealed instant is not of its day": "密文中的时刻不在结算日期当天",
    "it takes back other amounts from running totals than were added": (
        "冲正退回的累计额与当初计入的不同"
    ),
    # All records together.
    "records and proof do not lead to the root that the checkpoint signs": (
        "记录与证明算不出检查点签署的根"
    ),
    "the proof lacks a node of 32 bytes": "证明缺少节点",
    "it stands twice, or behind a later one": "记录重复, 或次序颠倒",
    "its id stands at index {} too": "结算 id 与序号 {} 重复",
    "its bill is paid at index {} already": "同一账单在序号 {} 已经救助",
    "it undoes what index {} has undone already": "该结算已被序号 {} 冲正",
    "a running total is not what the entry before, {}, has left": (
        "年度累计额与上一笔 (序号 {}) 之后的余额不符"
    ),
    "{} of {} records are a sandbox's, on which no money moves": (
        "{} 条为沙箱记录 (共 {} 条), 沙箱记录不付款"
    ),
    "index {} is called deferred and is here too": "序号 {} 称为留待后月, 本包却有",
    "index {} lies beyond the month's cut": "序号 {} 超出本月截止位置",
    "index {} to {} of the log is missing": "缺少序号 {} 至 {}",
    "index {} of the log is missing": "缺少序号 {}",
    "{} is {}; the records give {}": "{} 为 {}, 按记录应为 {}",
    "{} is missing": "缺少 {}",
    "{} is too much": "多出 {}",
    "ledger does not have its members": "汇总缺项",
    "ledger.{} does not add up to ledger.net.{}": "分组 {} 之和与净额 {} 不符",
    # The earlier package.
    "{} in it: {}": "其中 {}: {}",
    "the month does not begin where the earlier package ends": "起点与上一包终点不接",
    "the earlier package deferred {}; here, or deferred further, are {}": (
        "上一包留待后月的是 {}; 本包补入或继续留待的是 {}"
    ),
    "the package that it follows is not of the month before": "所接续的包不是上个月的",
    "the earlier checkpoint, the earlier package and this month's first index do not"
    " name one place of the log": "上期检查点、上一包与本月起点不在日志同一位置",
    "it names no earlier package, and follows one": "未指明上一包, 却不是从头开始",
    "it does not name the earlier package given": "没有指明所给的上一包",
    "it is not the one that this package follows": "不是本包所接续的那一个包",
    "proof of two histories: the log signed two different roots of {} entries, in the"
    " {} of the earlier package and in the {} of this one; keep both files": (
        "历史被改写的证明: 日志对同样 {} 条记录签署了两个不同的根, 见上一包的 {}"
        " 与本包的 {}; 请保存两个文件"
    ),
    "its checkpoint is not the one named here": "其检查点与本包所指的不同",
    "{} has another text here": "{} 在本包中内容不同",
    "it calls itself the log's first package and holds entries of earlier months,"
    " which a package before may have paid": "自称首包却含以前月份的记录, 可能重复付款",
    # Short parts.
    "its first_index is no index": "first_index 不是序号",
    "its previous does not have its members": "previous 缺项",
    "it is of another size than the manifest says": "大小与清单首页不符",
    "its {} is no row of stretches": "{} 不是序号区间",
    "the key that signed it was retired before the month began": (
        "签署所用密钥在本月之前已停用"
    ),
    "key {} was retired before the month began": "密钥 {} 在本月之前已停用",
    "key {} was not valid on {}": "密钥 {} 在 {} 无效",
    "the policy in it has another name": "其中的政策文件名称不符",
    "it is no policy pack": "不是政策文件",
    "no record names this policy": "没有记录使用该政策文件",
    "it is none of the policies given with --policy": "不在民政局自存的政策文件之列",
    "no such hospital closed the month": "没有这家已关账的机构",
    "a hospital in it does not have its members": "其中一家机构缺项",
    "its differences do not have their members": "差异缺项",
    "its hospitals stand twice or in another order": "机构重复或次序不对",
    "it names another statement than {}": "所指对账单不是 {}",
    "its {} is not that of the package": "其 {} 与本包不符",
    "fewer than two officers have signed the statement": "签署对账单的经办人不足两名",
    "a hospital has signed in an officer's place": "由医疗机构代替经办人签署",
    "key {} is not the named officer's": "密钥 {} 不属于所称经办人",
    "key {} makes no signatures": "密钥 {} 不能用于签名",
    "a signature is not in hex": "签名编码有误",
    "a signature bears no instant": "签名没有时刻",
    "the signatures do not have their form": "签名格式有误",
    # Lists.
    "its first line has not the columns that it should have": "首行列名不符",
    "line {} and what follows are of no record": "第 {} 行起没有对应记录",
    "line {} is not what the records add up to": "第 {} 行与记录合计不符",
    "line {} is not what the records say": "第 {} 行与记录不符",
    "line {} is not what the clear claims say": "第 {} 行与明文要素不符",
    "it has not the sheets that it should have": "工作表不符",
    "it is far longer than the list and the sums need": "远超明细和合计所需长度",
    "it is no spreadsheet that can be read": "不是可读的电子表格",
    "{} in it is not what the list and the sums say": "其中 {} 与明细和合计不符",
    # Parts and container.
    "a part stands twice in it": "有部分重复",
    "the list of parts is not the one that the manifest vouches for": (
        "部分清单不是首页签署的那一份"
    ),
    "a line of the list of parts has another form": "部分清单有一行格式有误",
    "the list of parts names a part twice": "部分清单有重复",
    "the package has no such part": "包中缺少该部分",
    "longer than {} bytes": "超过 {} 字节",
    "it is no canonical JSON": "不是规范 JSON",
    "the parts stand in another order than listed": "各部分次序与清单不符",
    "its bytes do not have the checksum of its header": "内容与校验和不符",
    "its bytes are not those that were signed": "内容不是签署时的内容",
    "the part does not belong into a package": "不应出现在包中",
    "the part is listed, and is not here": "清单中有, 包中没有",
    "the part is here, and is not listed": "包中有, 清单中没有",
    "the line is not that of an original": "原结算行格式有误",
    "the path of an original is no row of hashes": "原结算的证明路径有误",
    "a line is not a hash of 32 bytes": "有一行不是散列值",
    "the directory at the end differs from byte {}": "末尾目录自第 {} 字节起不符",
    "the header at byte {} is not one that we write": "第 {} 字节处的文件头不符",
    "the header of member {} at byte {} is not one that we write": (
        "部分 {} 的文件头 (第 {} 字节) 不符"
    ),
    "it has more than {} parts": "部分超过 {} 个",
    "the manifest is of another log": "首页属于另一个日志",
    "the note is no manifest of a month package": "首页不是月度包首页",
    "a line of the manifest does not have its form": "首页有一行格式有误",
    # What is no package at all.
    "it is no month package: it does not begin like a zip": "不是月度包: 不是 zip 文件",
    "it is no month package: its parts are compressed": "不是月度包: 其内容经过压缩",
    "the file ends inside a header; fetch it again": "文件不完整, 请重新获取",
    "the file ends inside member {}: it is half a package; fetch it again": (
        "文件在 {} 中间结束, 请重新获取"
    ),
    "the file ends before its directory does: it is half a package; fetch it again": (
        "文件不完整, 请重新获取"
    ),
    "the file has no directory at its end: it is half a package; fetch it again": (
        "文件不完整, 请重新获取"
    ),
    # What was not checked, and what a person should look at.
    "that two officers signed each hospital's statement: the trust file names no"
    " officer's key": "两名经办人的签名: 信任文件中没有经办人密钥",
    "contents, decisions, groups, statement.xlsx, and of statement.csv all but the"
    " columns that the clear claims tell: give --bureau-key": (
        "密文内容、救助计算、分组、statement.xlsx 及 statement.csv 的大部分列:"
        " 请用 --bureau-key"
    ),
    "{}: this version cannot check it": "{}: 本版本不能核对",
    "that the policies are those that the bureau approved: give its own copies with"
    " --policy, or compare the SHA-256": (
        "政策文件是否为民政局批准的: 请用 --policy 给出自存文件, 或比对 SHA-256"
    ),
    "that it brings what the package of {} deferred: give that with --previous": (
        "{} 的包留待后月的记录是否补入: 请用 --previous 给出该包"
    ),
    "records, sums and lists, because the parts are not those that were signed": (
        "记录、合计与清单: 因各部分不是签署时的内容"
    ),
    "sums and lists, because not every record holds": "合计与清单: 因有记录不成立",
    "a card stands for another person than before, so its caps began anew; ask why the"
    " roster was changed: index {}": (
        "同一张卡先后对应不同的人, 限额重新起算; 请查明名册变更原因: 序号 {}"
    ),
}
_BY_CODE = {
    "MA-8001": "编码不规范",
    "MA-8101": "记录格式有误",
    "MA-8102": "记录要素有误",
    "MA-8103": "签名不成立",
    "MA-8104": "算法与密钥不符",
    "MA-8105": "密文不能解开",
    "MA-8106": "密文与明文不一致",
    "MA-8201": "密钥不在信任文件中, 或内容密封给别的密钥",
    "MA-8202": "密钥不作此用途",
    "MA-8203": "密钥在该日无效",
    "MA-8301": "证明格式有误",
    "MA-8302": "证明不成立",
    "MA-8303": "签署的首页或检查点格式有误",
    "MA-8304": "属于另一个日志",
    "MA-8305": "日志有两种历史, 即历史被改写",
    "MA-8402": "签名文件有误",
    "MA-8601": "缺少部分, 或部分格式有误",
    "MA-8602": "部分与本包不符",
}
_OTHERWISE = "核对不成立"


@lru_cache(maxsize=1)
def _forms() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Sentences as patterns; the most exact ones first."""
    by_words = sorted(_SENTENCES.items(), key=lambda item: item[0].count("{}"))
    return tuple(
        (re.compile("(.+)".join(map(re.escape, english.split("{}"))), re.DOTALL), told)
        for english, told in by_words
    )


def own_words(sentence: str) -> str | None:
    """The translation of just this sentence; `None` where there is none."""
    for form, told in _forms():
        if (match := form.fullmatch(sentence)) is not None:
            return told.format(*match.groups())
    return None


def both(sentence: str, code: str = "") -> str:
    """Chinese first, English second, and nothing that a terminal would obey."""
    told = own_words(sentence) or _BY_CODE.get(code, _OTHERWISE)
    return shown(f"{told} {sentence}")


def shown(text: str) -> str:
    """A text with everything that does not print spelt out."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text
    )
