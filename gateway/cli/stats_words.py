"""Statistics in words, the same for terminal, CSV and page: Chinese first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from settlement.domain.bill import CareType
from settlement.domain.calendar import month_name
from settlement.domain.money import yuan_text
from settlement.service.aid_statistics import (
    By,
    Dimension,
    Figures,
    Growth,
    Series,
    Statistics,
)

_MINUTES_AN_HOUR = 60
_NO_GROWTH = Growth(None, None, None)
TOTAL = "合计 total"
NONE = "—"
DIMENSIONS = {
    Dimension.SUBDISTRICT: ("街道（乡镇）", "sub-district"),
    Dimension.HOSPITAL: ("医疗机构", "hospital"),
    Dimension.CATEGORY: ("救助对象类别", "category"),
    Dimension.CARE_TYPE: ("就诊类别", "care type"),
}
BY = {
    By.SERVICE: (
        "按服务结束月份统计，已冲正的不计",
        "by month of service, net of reversals",
    ),
    By.SETTLED: (
        "按结算月份统计，冲正计入其发生的月份",
        "by month of settling, a reversal in its own month",
    ),
}
CARES = {
    CareType.OUTPATIENT: "门诊",
    CareType.OUTPATIENT_SPECIAL: "门诊特殊病",
    CareType.EMERGENCY: "急诊",
    CareType.INPATIENT: "住院",
}


class Line(NamedTuple):
    """One row of a table: a month, or all of them."""

    month: str
    figures: Figures
    growth: Growth
    """Of all the months there is none: nothing stands before them."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The figures, and what categories are called."""

    found: Statistics
    categories: Mapping[str, str]

    @property
    def title(self) -> str:
        """Which months, and of whom."""
        query = self.found.query
        months = f"{month_name(query.months.first)}..{month_name(query.months.last)}"
        return months if query.facility is None else f"{months} · {query.facility}"

    @property
    def dimension(self) -> tuple[str, str]:
        """What the groups are, in Chinese and English."""
        dimension = self.found.query.dimension
        return ("", "") if dimension is None else DIMENSIONS[dimension]

    def name(self, group: Series) -> str:
        """What people call a group; nothing in it moves a terminal's cursor."""
        name = group.name or ""
        if not group.key:
            name = "未知 unknown"
        elif self.found.query.dimension is Dimension.CATEGORY:
            name = self.categories.get(group.key, "")
        elif self.found.query.dimension is Dimension.CARE_TYPE:
            name = CARES[CareType(group.key)]
        return "".join(char if char.isprintable() else "?" for char in name)

    def label(self, group: Series) -> str:
        """The same with its code."""
        return f"{self.name(group)} {group.key}".strip()


def lines(series: Series) -> Iterator[Line]:
    """Every month, and all of them together where there are several."""
    for month in series.months:
        yield Line(month_name(month.month), month.figures, month.growth)
    if len(series.months) > 1:
        yield Line(TOTAL, series.total, _NO_GROWTH)


def yuan(fen: int | None) -> str:
    """An amount, below 0 too; a dash where there is none."""
    if fen is None:
        return NONE
    return f"-{yuan_text(-fen)}" if fen < 0 else yuan_text(fen)


def percent(per_mille: int | None) -> str:
    """Growth as people read it: `+69.9%`; a dash where there is none."""
    if per_mille is None:
        return NONE
    sign = "-" if per_mille < 0 else "+"
    return f"{sign}{abs(per_mille) // 10:,}.{abs(per_mille) % 10}%"


def hours(minutes: int) -> str:
    """Minutes as hours and minutes: `614:40`."""
    sign = "-" if minutes < 0 else ""
    whole, rest = divmod(abs(minutes), _MINUTES_AN_HOUR)
    return f"{sign}{whole:,}:{rest:02d}"


def saved_sentence(figures: Figures) -> str:
    """What all the months together have saved."""
    return (
        f"节省工作人员 {hours(figures.minutes_saved)}（时:分），减少群众往返"
        f" {figures.trips_saved:,} 趟 / saved: staff time"
        f" {hours(figures.minutes_saved)} (hours), {figures.trips_saved:,} trips"
    )
