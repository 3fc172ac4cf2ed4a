"""The demo district: 13 sub-districts and 20 hospitals, all of them invented."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.demo.identities import FICTIONAL_PROVINCE

#: Six digits: province 99 exists in no register.
DISTRICT = f"{FICTIONAL_PROVINCE}0104"

_FICTIONAL = "（虚构）"
_SUBDISTRICT = f"街道{_FICTIONAL}"
_SUBDISTRICT_NAMES = (
    "云杉", "白桦", "青枫", "银杏", "红豆杉", "水杉", "香樟",
    "梧桐", "垂柳", "古槐", "紫藤", "石楠", "金桂",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Subdistrict:
    """One of the 13 offices that keep the roster."""

    code: str
    """Nine digits."""
    name: str


@dataclass(frozen=True, slots=True)
class Hospital:
    """One facility of the pilot."""

    code: str
    name: str
    level: int
    """1 for a community hospital, up to 3."""
    subdistrict: str
    weight: int
    """How busy it is beside the others."""


SUBDISTRICTS = tuple(
    Subdistrict(f"{DISTRICT}{number:03d}", f"{name}{_SUBDISTRICT}")
    for number, name in enumerate(_SUBDISTRICT_NAMES, start=1)
)


def _hospitals() -> Iterator[Hospital]:
    """Two large hospitals, four of the second level, fourteen community ones."""
    kinds = (
        (2, 3, "演示中心医院", 70),
        (4, 2, "演示区医院", 55),
        (14, 1, "演示社区卫生服务中心", 34),
    )
    number = 0
    for count, level, kind, weight in kinds:
        for _ in range(count):
            place = SUBDISTRICTS[number % len(SUBDISTRICTS)]
            number += 1
            yield Hospital(
                code=f"DEMO-H{number:02d}",
                name=f"{place.name.removesuffix(_SUBDISTRICT)}{kind}{_FICTIONAL}",
                level=level,
                subdistrict=place.code,
                weight=weight + 3 * (number % 5),
            )


HOSPITALS = tuple(_hospitals())
