"""Whole packs at random: every feature of the format, sound by construction.

They are drawn as documents and written as JSON, which is YAML too, so that the real
reader compiles them. `Draws.yearly` keeps to rules that look at the year alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

CARES = ("outpatient", "outpatient_special", "emergency", "inpatient")
CATEGORIES = ("jia", "yi", "bing")
LEVELS = ("未定级", "一级", "二级", "三级")
_RATES = ("80%", "33.3333%", "100%", "0.0001%", "50%", "95.5%")
_FIGURE = "人均收入"

Node = dict[str, Any]


@dataclass
class Draws:
    """What is drawn from, and whether the rules look at the year alone."""

    draw: st.DrawFn
    yearly: bool = False

    def one(self, *choices: Any) -> Any:
        """One of the choices."""
        return self.draw(st.sampled_from(choices))

    def fen(self, least: int, most: int) -> int:
        """An amount, small ones as likely as large ones."""
        return self.draw(
            st.integers(least, min(most, 300)) | st.integers(least, most)
        )  # fmt: skip

    def amount(self, most: int, least: int = 1) -> str:
        """A fixed amount, or a share of the published figure."""
        if self.one(True, True, True, False):
            return yuan(self.fen(least, most))
        year, part = self.one("上年", "本年"), self.one("10%", "0.0333%", "25%", "1%")
        name = self.one(_FIGURE, "income")
        return f"{year}{name}的{part}{self.one('', '，取整到元')}"

    def limit(self, most: int) -> str:
        """An amount, or no limit."""
        return str(self.one("不限", self.amount(most)))


@st.composite
def whole_packs(draw: st.DrawFn, *, yearly: bool = False) -> str:
    """A pack of up to three categories and pots with any of the format's rules."""
    draws = Draws(draw, yearly)
    categories = CATEGORIES[: draw(st.integers(1, 3))]
    cares = {care: _care(draws, care, categories) for care in CARES}
    within = _within(draws)
    pots = sorted(
        {
            pot
            for care in CARES
            for category in ("", *categories)
            for pot in _chain(cares[care], category, within)
        }
    )
    pack = _head(draws, categories) | {
        "pots": {pot: {"zh": pot, "en": pot} | within[pot] for pot in pots},
        "care": cares,
        "base": _base(draws, categories),
    }
    tables: Node = {name: {} for name in ("rates", "deductibles", "visit_caps", "tilt")}
    pack |= tables | {"year_caps": {}}
    for category in categories:
        for name, row in _benefits(draws).items():
            tables[name][category] = row
        pack["year_caps"][category] = {
            pot: _rule(
                draws.limit(400_000)
                if any(
                    not _uncovered(tables["rates"][category][care])
                    and pot in _chain(cares[care], category, within)
                    for care in CARES
                )
                else "不享受"
            )
            for pot in pots
        }
    pack |= (
        _figures(draws)
        if "年人均收入的" in _text(pack) or "年income的" in _text(pack)
        else {}
    )
    return _text(pack | _CASES)


def _text(pack: Node) -> str:
    return json.dumps(pack, ensure_ascii=False)


def _rule(value: Any) -> Node:
    return {"value": value, "source": "s"}


def _head(draws: Draws, categories: tuple[str, ...]) -> Node:
    return {
        "schema": "medaid-pack/1",
        "id": "drawn",
        "version": "1",
        "title": {"zh": "随机", "en": "drawn"},
        "scheme": {"zh": "随机", "en": "drawn"},
        "jurisdiction": "990101",
        "fictional": "是",
        "in_force": {"from": "2024-01-01", "to": "open", "source": "s"},
        "known_since": "2024-01-01",
        "instruments": {
            "d": {"number": "测1号", "title": "测", "issued": "2024-01-01",
                  "published": "unconfirmed"}
        },
        "sources": {
            "s": {"instrument": "d", "article": "第一条", "quote": "原文。",
                  "status": "confirmed"}
        },
        "year": _rule(draws.one("calendar_year", "每年09-01起", "每年07-15起")),
        "rounding": _rule(draws.one("half_up", "down")),
        "filing_limit": _rule(draws.one("无", "无", "30天")),
        "several_identities": _rule("就高不重复"),
        "categories": {name: _category(draws, name) for name in categories},
        "places": {
            place: _rule(draws.one("按账单", "按账单", "视为已转诊", "视为未转诊"))
            for place in ("local", "filed_elsewhere", "unfiled")
        },
    }  # fmt: skip


def _category(draws: Draws, name: str) -> Node:
    category = {
        "title": {"zh": f"{name}类", "en": name},
        "short": {"zh": name, "en": name},
        "aliases": [f"{name}等"],
        "national_codes": [],
        "source": "s",
    }
    if draws.one(True, *[False] * 7):
        category["on_application"] = {"zh": "请申请。", "en": "Apply.", "source": "s"}
    return category


def _care(draws: Draws, care: str, categories: tuple[str, ...]) -> Node:
    pot = _rule(draws.one("a", "b", "c"))
    if draws.one(True, False, False):
        own = draws.one(*categories)
        pot["by_category"] = {own: _rule(draws.one("a", "b", "c"))}
    return {
        "title": {"zh": care, "en": care},
        "pot": pot,
        "day": _rule(draws.one("service_start", "service_end")),
        "referral": _rule(draws.one("不要求", "不要求", "不要求", "要求")),
    }


def _within(draws: Draws) -> dict[str, Node]:
    """A pot lies within a later one or in none, so that there is no circle."""
    return {
        "a": draws.one({}, {"within": "b"}, {"within": "c"}),
        "b": draws.one({}, {"within": "c"}),
        "c": {},
    }


def _chain(care: Node, category: str, within: dict[str, Node]) -> list[str]:
    own = care["pot"].get("by_category", {}).get(category, care["pot"])
    pots = [own["value"]]
    while within[pots[-1]]:
        pots.append(within[pots[-1]]["within"])
    return pots


def _base(draws: Draws, categories: tuple[str, ...]) -> Node:
    words = {
        "pre_selfpay": ("计入", "不计入"),
        "commercial": ("扣除", "不扣除"),
        "charity": ("扣除", "不扣除"),
        "top_up": ("允许", "不允许"),
    }
    own = words | {"insurance_deductible": ("计入", "不计入")}
    base = {"costs": _rule("政策范围内费用")}
    base |= {key: _rule(draws.one(*both)) for key, both in words.items()}
    if draws.one(True, False):
        base["insurance_deductible"] = _rule(draws.one("计入", "不计入"))
    if draws.one(True, False, False):
        base["by_category"] = {
            name: {
                key: _rule(draws.one(*own[key]))
                for key in draws.draw(
                    st.lists(st.sampled_from(sorted(own)), min_size=1, unique=True)
                )
            }
            for name in draws.draw(
                st.lists(st.sampled_from(categories), min_size=1, unique=True)
            )
        }
    return base


def _uncovered(cell: Node) -> bool:
    return cell.get("value") == "不享受"


def _benefits(draws: Draws) -> Node:
    """The rows of one category: its yearly amounts are the same for all care."""
    deductible, tilt_cap = draws.amount(20_000), draws.limit(500_000)
    tables: Node = {name: {} for name in ("rates", "deductibles", "visit_caps", "tilt")}
    for care in CARES:
        rate = _rate(draws)
        tables["rates"][care] = rate
        if _uncovered(rate):
            cells = ("无", "不享受", {"value": "不享受"})
        else:
            cells = (
                _deductible(draws, deductible),
                "不限" if draws.yearly else draws.limit(100_000),
                _tilt(draws, tilt_cap),
            )
        tables["deductibles"][care] = _rule(cells[0])
        tables["visit_caps"][care] = _rule(cells[1])
        tables["tilt"][care] = cells[2] | {"source": "s"}
    return tables


def _deductible(draws: Draws, yearly_amount: str) -> str:
    kinds = ["无", f"每年{yearly_amount}"]
    if not draws.yearly:
        kinds.append(f"每次{draws.amount(300)}")
    return str(draws.one(*kinds))


def _graded(draws: Draws, *within: str) -> Any:
    """One rate, or rates by level or referral, or by one within the other."""
    kind = draws.one(
        "one", "one", *[name for name in ("levels", "referred") if name not in within]
    )
    if kind == "levels":
        return {"levels": {level: _graded(draws, kind, *within) for level in LEVELS}}
    if kind == "referred":
        keys = ("referred", "unreferred")
        return {key: _graded(draws, kind, *within) for key in keys}
    return draws.one(*_RATES, *(["不享受"] if within else []))


def _bands(draws: Draws) -> list[Node]:
    edges = sorted({draws.fen(1, 60_000) for _ in range(draws.one(1, 2, 3))})
    texts = ["0元", *(yuan(edge) for edge in edges), "不限"]
    return [
        {"from": begin, "to": end, "rate": _graded(draws)}
        for begin, end in pairwise(texts)
    ]


def _period(draws: Draws) -> Node:
    return {"per": "每年" if draws.yearly else draws.one("每年", "每次")}


def _rate(draws: Draws) -> Node:
    if draws.one(True, False):
        return {"bands": _bands(draws), "source": "s"} | _period(draws)
    return _rule(_graded(draws)) if draws.one(*[True] * 6, False) else _rule("不享受")


def _tilt(draws: Draws, year_cap: str) -> Node:
    if draws.one(True, False):
        return {"value": "不享受"}
    terms = {
        "threshold": draws.amount(20_000, least=0),
        "year_cap": year_cap,
        "referral": draws.one("要求", "不要求"),
    } | _period(draws)
    if draws.one(True, False):
        return terms | {"bands": _bands(draws)}
    return terms | {"rate": _graded(draws)}


def _figures(draws: Draws) -> Node:
    """The published figure that amounts are shares of, other in each year."""
    years = ("2024", "2025", "2026", "2027")
    values = {year: _rule(yuan(draws.fen(100, 9_000_000))) for year in years}
    title = {"zh": _FIGURE, "en": "income per head"}
    return {"indicators": {"income": {"title": title, "values": values}}}


_CASES: Node = {
    "cases": [
        {
            "name": "算例",
            "given": {"categories": ["jia"], "care": "outpatient", "on": "2026-01-05"}
            | {"in_policy": "100元", "deductible": "0元"},
            "expect": {"in_force": "是"},
        }
    ]
}


def yuan(fen: int) -> str:
    """An amount as packs write it."""
    return f"{fen // 100}.{fen % 100:02d}元"
