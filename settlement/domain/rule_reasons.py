"""The reasons 74xx: alert rules that cannot be used.

They are part of the one ordered list, `settlement.domain.reasons.REASONS`. The last
two digits mean what they mean for policy packs, 70xx: one reader reads both.
"""

from __future__ import annotations

from settlement.domain.decision import Text
from settlement.domain.reason import Reason

_CORRECT_RULES = Text(
    "按所示行号和字段更正后，换一个版本号重新提交。",
    "Correct the place shown and hand the document in again under a new version.",
)


def _rules(code: str, zh: str, en: str) -> Reason:
    return Reason(code, Text(zh, en), _CORRECT_RULES)


RULE_REASONS: tuple[Reason, ...] = (
    _rules("MA-7401", "提示规则文件过大或嵌套过深。",
           "The alert rules are too large or too deep."),
    _rules("MA-7402", "提示规则不是有效的 YAML 文件。",
           "The alert rules are not valid YAML."),
    _rules("MA-7403", "提示规则中同一个键出现两次。",
           "A key stands twice in the alert rules."),
    _rules("MA-7404", "提示规则中不允许使用锚点和引用。",
           "Anchors and aliases are not allowed in alert rules."),
    _rules("MA-7405", "提示规则中不允许使用标签。",
           "Tags are not allowed in alert rules."),
    _rules("MA-7406", "提示规则中有未知的键。", "A key of the alert rules is unknown."),
    _rules("MA-7407", "提示规则缺少必需的内容。",
           "Something that must be in the alert rules is missing."),
    _rules("MA-7408", "提示规则中内容的形式不对。",
           "A value of the alert rules has the wrong shape."),
    _rules("MA-7409", "提示规则中的值不在允许范围内。",
           "A value of the alert rules is not an allowed one."),
    _rules("MA-7410", "提示规则中金额的写法不对。",
           "An amount of the alert rules is not written as it must be."),
    _rules("MA-7411", "提示规则中比例的写法不对，或超过 100%。",
           "A share in the alert rules is not written as it must be, or above 100%."),
    _rules("MA-7412", "提示规则中的日期有误。", "A day of the alert rules is wrong."),
    _rules("MA-7413", "提示规则引用了没有定义的内容。",
           "Something is named in the alert rules but not defined."),
    _rules("MA-7414", "无法读取此提示规则的格式版本。",
           "This version of the format of alert rules cannot be read."),
    _rules("MA-7415", "提示规则的内容相互矛盾。",
           "Two values of the alert rules contradict each other."),
    _rules("MA-7417", "提示规则中算例的结果不符。",
           "A worked case of the alert rules comes out differently."),
    _rules("MA-7419", "提示规则写明的出处没有被引用。",
           "A source of the alert rules is written but never cited."),
)  # fmt: skip
