"""Words of alerts and cases for people, Chinese first."""

from __future__ import annotations

from settlement.domain.reasons import REASONS
from settlement.service.watch.work import CaseClaim, ListedAlert, ListedCase

#: In the order in which a case goes through them.
CASE_STATES = {
    "new": "新 new",
    "assigned": "已分派 assigned",
    "confirmed": "已确认 confirmed",
    "dismissed": "已驳回 dismissed",
    "recovered": "已追回 recovered",
}
ALERT_STATES = {
    "raised": "",
    "withdrawn": "已撤回 withdrawn",
    "muted": "已静默 muted",
}
CARE = {
    "outpatient": "门诊 outpatient",
    "outpatient_special": "慢特病 special",
    "inpatient": "住院 inpatient",
    "emergency": "急诊 emergency",
}
ACTIONS = {
    "opened": "立案 opened",
    "assigned": "分派 assigned",
    "confirmed": "确认 confirmed",
    "dismissed": "驳回 dismissed",
    "muted": "静默 muted",
    "unmuted": "恢复 unmuted",
    "recovery ordered": "追回 recovery ordered",
    "recovered": "已追回 recovered",
    "identity shown": "查看身份 identity shown",
}
_SHORT = 8


def short(identity: bytes) -> str:
    """The first digits: enough for a command."""
    return identity.hex()[:_SHORT]


def about_case(case: ListedCase) -> str:
    """Whom or what a case is about: tokens, no names."""
    return about(case.person, case.household, case.facility, None)


def about_alert(alert: ListedAlert) -> str:
    """Whom or what an alert is about."""
    return about(alert.person, alert.household, alert.facility, alert.operator)


def about(
    person: bytes | None,
    household: bytes | None,
    facility: str | None,
    operator: str | None,
) -> str:
    """A person's or household's token by its first digits, or a hospital's code."""
    if person is not None:
        return f"人员 person {short(person)}"
    if household is not None:
        return f"家庭 household {short(household)}"
    if operator is not None:
        return f"操作员 operator {facility} {operator}"
    return f"机构 hospital {facility}"


def became_of(claim: CaseClaim) -> str:
    """What became of a claim, in a few words."""
    if claim.reversed_at is not None:
        return "已冲正 reversed"
    if claim.state == b"d":
        known = REASONS.get(claim.reason)
        return f"{claim.reason} {known.text.zh if known else ''}".strip()
    if claim.recovery_ordered_at is not None:
        return "待追回 to be recovered"
    return "有效 stands"
