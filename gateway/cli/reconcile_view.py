"""How a month stands, for people at a terminal, for programs, and for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from gateway.cli.policy_view import table_of
from gateway.hospital_lists.spreadsheets import Cell, Yuan, write_csv
from settlement.domain.calendar import SHANGHAI, month_name
from settlement.domain.matching import KINDS, REPAIRS, Kind, Repair
from settlement.domain.money import yuan_text
from settlement.domain.month_lines import one_line
from settlement.service.reconcile.matching import Matched
from settlement.service.reconcile.working import MonthState, Told

_STATES = {
    "closed": "已结账 closed",
    "ready": "可结账 ready to close",
    "differences": "有差异 differences open",
    "no list": "医院未报清单 no list came",
    "not matched": "待核对 to be matched",
}
_OWNERS = {"hospital": "医院", "gateway": "结算网关", "bureau": "民政部门"}
_SIDES = ("hospital", "gateway", "bureau")
_SIDE_NAMES = {"hospital": "医院", "gateway": "网关", "bureau": "民政"}
_DIFFERENCE_STATES = {
    "open": "未处理 open", "carried_over": "已结转 carried over",
    "resolved": "已处理 resolved", "gone": "已消失 gone",
}  # fmt: skip


def signed_yuan(amount_fen: int) -> str:
    """An amount of either sign, as people read it: `-1,057.60`."""
    return f"-{yuan_text(-amount_fen)}" if amount_fen < 0 else yuan_text(amount_fen)


def _cells(*texts: str) -> Iterator[Text]:
    """Texts as they are: what a hospital has written is no markup and no control."""
    for text in texts:
        yield Text("\n".join(map(one_line, text.split("\n"))))


def print_matches(
    console: Console, month: int, matched: Sequence[Matched], *, with_bureau: bool
) -> None:
    """One row for each hospital: what was compared, and what came out."""
    sides = (
        "三方 three ways" if with_bureau else "双方 two ways, without the bureau's key"
    )
    table = table_of(
        "医院", "网关笔数", "网关救助金额", "清单行数", "医院救助金额", "结果",
        title=f"{month_name(month)} 核对 match：{sides}",
    )  # fmt: skip
    for each in matched:
        ours, theirs = each.tally.gateway, each.tally.hospital
        listed = each.list_sha256 is not None
        table.add_row(
            *_cells(
                each.facility.code,
                f"{ours.count:,}",
                signed_yuan(ours.aid_fen),
                f"{each.tally.lines:,}" if listed else "未报 none",
                signed_yuan(theirs.aid_fen) if listed else "—",
                _outcome(each.kinds, is_matched=listed or with_bureau),
            )
        )
    console.print(table)


def _outcome(kinds: dict[str, int], *, is_matched: bool) -> str:
    if not is_matched:
        return "无可核对 nothing to match with"
    if not kinds:
        return "平 flat"
    return "；".join(
        f"{KINDS[Kind(kind)].text.zh.rstrip('。')} {kind} ×{count:,}"
        for kind, count in kinds.items()
    )


def print_state(console: Console, state: MonthState) -> None:
    """One row for each hospital, and where the month is cut."""
    cut = state.cut
    table = table_of(
        "医院", "名称", "状态", "净笔数", "净救助金额", "未处理差异", "已结转",
        "上期结转未清", "签名官员",
        title=f"{month_name(cut.month)} 对账 reconciliation",
    )  # fmt: skip
    for each in state.hospitals:
        table.add_row(
            *_cells(
                each.facility.code,
                each.facility.name,
                _STATES[each.state],
                f"{each.net.count:,}",
                signed_yuan(each.net.aid_fen),
                f"{each.differences.get('open', 0):,}",
                f"{each.differences.get('carried_over', 0):,}",
                f"{each.carried_in:,}",
                "、".join(each.officers) or "—",
            )
        )
    console.print(table)
    opened = cut.opened_at.astimezone(SHANGHAI).isoformat(timespec="seconds")
    (where,) = _cells(
        f"日志 log {cut.first_index:,} – {cut.tree_size:,}，{opened} {cut.opened_by}"
    )
    console.print(where)


def print_differences(console: Console, told: Sequence[Told]) -> None:
    """Each difference with its amounts, who has to act, and what to do."""
    table = table_of(
        "编号", "医院", "差异", "责任方", "救助金额", "结算／就诊", "处理办法", "状态",
        title="差异 differences", lines=True,
    )  # fmt: skip
    # It is copied into `medaid reconcile resolve`.
    table.columns[0].no_wrap = True
    for each in told:
        row = each.row
        kind, repair = KINDS[Kind(row.kind)], REPAIRS[Repair(row.repair)]
        named = row.settlement_id.hex() if row.settlement_id else row.listed_id or "—"
        day = f"{row.actual_day}\n" if row.actual_day else ""
        table.add_row(
            *_cells(
                row.id.hex(),
                f"{row.facility}\n{month_name(row.month)}",
                f"{kind.text.zh}\n{kind.text.en}",
                _OWNERS[row.owner],
                "\n".join(_amount_lines(each)),
                f"{named}\n{row.visit_no}\n{row.key}".rstrip(),
                f"{day}{repair.zh}\n{repair.en}",
                "\n".join((_DIFFERENCE_STATES[row.state], *_history_lines(each))),
            )
        )
    console.print(table)


def _amount_lines(told: Told) -> Iterator[str]:
    for side in _SIDES:
        amounts = told.row.amounts[side]
        if amounts is not None:
            yield f"{_SIDE_NAMES[side]} {signed_yuan(amounts['aid_fen'])}"


def _history_lines(told: Told) -> Iterator[str]:
    for event in told.events:
        at = event.at.astimezone(SHANGHAI).strftime("%m-%d %H:%M")
        yield f"{at} {event.who} {event.action} {event.note}".rstrip()


_HEADERS = (
    "差异编号", "月份", "医院", "差异", "kind", "责任方", "状态", "结算id", "冲正id",
    "就诊号", "幂等键", "清单行", "医院救助金额", "网关救助金额", "民政救助金额",
    "应属日期", "处理办法",
)  # fmt: skip


def write_differences(path: Path, told: Sequence[Told]) -> None:
    """The differences as a table; raises `click.ClickException`."""
    try:
        with path.open("wb") as file:
            write_csv(file, _HEADERS, map(_csv_row, told))
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be written: {error.strerror}"
        ) from error


def _csv_row(told: Told) -> list[Cell]:
    row = told.row
    amounts: list[Cell] = []
    for side in _SIDES:
        stated = row.amounts[side]
        amounts.append(None if stated is None else Yuan(stated["aid_fen"]))
    return [
        row.id.hex(),
        month_name(row.month),
        row.facility,
        KINDS[Kind(row.kind)].text.zh,
        row.kind,
        _OWNERS[row.owner],
        _DIFFERENCE_STATES[row.state],
        row.settlement_id.hex() if row.settlement_id else row.listed_id,
        row.reversal_id.hex() if row.reversal_id else "",
        row.visit_no,
        row.key,
        " ".join(map(str, row.lines)),
        *amounts,
        row.actual_day,
        REPAIRS[Repair(row.repair)].zh,
    ]
