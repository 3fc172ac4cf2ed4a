"""One page with a picture of a simulated day: no script, nothing from outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from gateway.cli.his_simulate_view import FAULTS, OUTCOMES, Check
from gateway.cli.policy_html import Cell, heading, line, page, table
from gateway.his.money import yuan_of
from gateway.his_simulator.books import Outcome
from gateway.his_simulator.result import DayResult, HospitalDay

_COLOURS = {
    Outcome.SETTLED: "#2b7a3f",
    Outcome.CANCELLED: "#7fb28c",
    Outcome.DECLINED: "#9db4c8",
    Outcome.NOT_ASKED: "#d0d0d0",
    Outcome.REVERSED: "#d9a441",
    Outcome.OPEN: "#b5251b",
}
_WIDTH, _LABEL, _ROOM, _BAR, _STEP = 820, 190, 270, 13, 18
Row = tuple[str, Mapping[Outcome, int], str]


def day_page(result: DayResult, checks: Sequence[Check]) -> str:
    """The whole page."""
    day = result.on.isoformat()
    foot = f"HIS 模拟日 simulated day · {day} · seed {result.seed}"
    return page(f"HIS 模拟日 {day}", foot, _parts(result, checks))


def _parts(result: DayResult, checks: Sequence[Check]) -> Iterator[str]:
    visits = result.outcomes.total()
    yield heading("医院一日模拟", f"a simulated day of hospitals, {result.on}", level=1)
    yield line(
        f"{len(result.hospitals)} 家医院，{visits} 次就诊，种子 {result.seed}；"
        f"报文 {sum(result.log.values())} 条，其中结果未知 {result.log['UNKNOWN']} 条。"
    )
    yield line(
        f"{len(result.hospitals)} hospitals, {visits} visits, seed {result.seed};"
        f" {sum(result.log.values())} messages, {result.log['UNKNOWN']} with an unknown"
        " outcome. Persons and hospitals are invented.",
        "quiet",
    )
    yield heading("结论", "verdict")
    yield table(
        ("", "检查", "check"),
        [
            (Cell("✔" if holds else "✘", "more" if holds else "mark"), zh, en)
            for holds, zh, en in checks
        ],
    )
    yield _legend()
    yield heading("各类故障下的就诊结果", "outcomes by fault")
    yield stacked(
        "各类故障下的就诊结果 outcomes by fault",
        _by_fault(result),
    )
    yield heading("各医院：就诊、救助金额、对总账", "visits, aid, 3201")
    yield stacked(
        "各医院 hospitals",
        [_hospital(each) for each in result.hospitals],
    )
    if result.findings:
        yield heading("发现的问题", "findings")
        yield table(
            ("医院 hospital", "就诊 visit", "问题 finding"),
            [
                (each.fixmedins_code, Cell(each.mdtrt_id, "id"), each.what)
                for each in result.findings
            ],
        )


def _by_fault(result: DayResult) -> list[Row]:
    struck = {fault.value: count for fault, count in result.struck.items()}
    return [
        (
            " ".join(FAULTS[name]),
            row,
            f"报文受扰 messages struck {struck[name]}" if name in struck else "",
        )
        for name, row in result.by_fault.items()
    ]


def _hospital(each: HospitalDay) -> Row:
    mended = sum(statement.mended for statement in each.statements)
    flat = "平 flat" if each.is_flat else "✘ 不平 not flat"
    told = [f"{yuan_of(each.aid_fen)} 元", flat]
    if mended:
        told.append(f"冲正修复 mended {mended}")
    return each.fixmedins_code, each.outcomes, " · ".join(told)


def _legend() -> str:
    parts, left = [], 0
    for outcome, (zh, en) in OUTCOMES.items():
        parts.append(
            f'<rect x="{left}" y="2" width="11" height="11"'
            f' fill="{_COLOURS[outcome]}"/>'
            f'<text x="{left + 15}" y="11">{escape(f"{zh} {en}")}</text>'
        )
        left += 136
    return _svg("图例 legend", 18, parts)


def stacked(title: str, rows: Sequence[Row]) -> str:
    """A bar for each row, divided by outcome; then its visits, and what is told."""
    most = max((sum(row.values()) for _, row, _ in rows), default=0)
    parts = []
    for number, (label, row, told) in enumerate(rows):
        top, left = number * _STEP, _LABEL
        parts.append(
            f'<text x="{_LABEL - 6}" y="{top + _BAR - 2}" text-anchor="end">'
            f"{escape(label)}</text>"
        )
        for outcome in OUTCOMES:
            count = row.get(outcome, 0)
            long = count * (_WIDTH - _LABEL - _ROOM) // max(1, most)
            if count:
                name = escape(f"{' '.join(OUTCOMES[outcome])}: {count}")
                parts.append(
                    f'<rect x="{left}" y="{top + 1}" width="{max(1, long)}"'
                    f' height="{_BAR}" fill="{_COLOURS[outcome]}">'
                    f"<title>{name}</title></rect>"
                )
            left += long
        text = escape(
            " · ".join(each for each in (f"{sum(row.values())}", told) if each)
        )
        parts.append(f'<text x="{left + 5}" y="{top + _BAR - 2}">{text}</text>')
    return _svg(title, len(rows) * _STEP, parts)


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    name = escape(title)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        f' role="img" aria-label="{name}" font-size="10"><title>{name}</title>'
        + "".join(parts)
        + "</svg>"
    )
