"""What `medaid his simulate` shows of a day on a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import click
from rich.console import Console
from rich.table import Table

from gateway.cli.his_simulate_sandbox import Audit
from gateway.his.money import yuan_of
from gateway.his_simulator.books import Outcome
from gateway.his_simulator.result import DayResult

Check = tuple[bool, str, str]
"""Whether it holds, and what, in Chinese and English."""
_SHOWN = 20
OUTCOMES = {
    Outcome.SETTLED: ("结算", "settled"),
    Outcome.CANCELLED: ("已撤销", "cancelled"),
    Outcome.DECLINED: ("不予救助", "declined"),
    Outcome.NOT_ASKED: ("非救助对象", "not asked"),
    Outcome.REVERSED: ("已冲正", "reversed"),
    Outcome.OPEN: ("未明", "open"),
}
FAULTS = {
    "none": ("无故障", "no fault"),
    "answer-lost": ("应答丢失", "answer lost"),
    "request-lost": ("请求丢失", "request lost"),
    "slow": ("应答缓慢", "slow"),
    "doubled": ("报文重复", "doubled"),
    "out-of-order": ("冲正先到", "out of order"),
    "clock-skew": ("时钟不准", "clock skew"),
    "infcode-type": ("infcode 类型", "infcode type"),
    "wrong-encoding": ("编码错误", "wrong encoding"),
    "msgid-repeated": ("报文ID重用", "msgid repeated"),
    "msgid-changed": ("报文ID不符", "msgid changed"),
    "output-text": ("output 为字符串", "output as text"),
}


def hospital_table(result: DayResult) -> Table:
    """A line for each hospital."""
    table = _table("hospital", ("aid, CNY", "3201"))
    for each in result.hospitals:
        mended = sum(statement.mended for statement in each.statements)
        flat = "flat" if each.is_flat else "NOT FLAT"
        table.add_row(
            each.fixmedins_code,
            *_counts(each.outcomes),
            yuan_of(each.aid_fen),
            f"{flat} +{mended}" if mended else flat,
        )
    table.add_section()
    table.add_row("all", *_counts(result.outcomes), yuan_of(result.aid_fen), "")
    return table


def fault_table(result: DayResult) -> Table:
    """A line for each fault: what became of the visits that were to meet it."""
    struck = {fault.value: count for fault, count in result.struck.items()}
    table = _table("fault", ("struck",))
    for name, outcomes in result.by_fault.items():
        table.add_row(name, *_counts(outcomes), f"{struck.get(name, 0)}")
    return table


def _table(first: str, last: Sequence[str]) -> Table:
    # Eighty columns hold all of it.
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for _, name in OUTCOMES.values():
        table.add_column(name, justify="right")
    for name in last:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _counts(outcomes: Mapping[Outcome, int]) -> list[str]:
    return [f"{outcomes.get(each, 0)}" for each in OUTCOMES]


def checks_of(result: DayResult, found: Audit | None) -> list[Check]:
    """What must hold, each with whether it does."""
    flat = sum(each.is_flat for each in result.hospitals)
    count = len(result.hospitals)
    checks = [
        (
            not result.findings,
            f"每个报文都有应有的结果；问题 {len(result.findings)} 个",
            f"every message ended as it may; {len(result.findings)} findings",
        ),
        (
            flat == count,
            f"对总账：{count} 家医院中 {flat} 家平",
            f"3201: {flat} of {count} hospitals flat",
        ),
    ]
    own, told = yuan_of(result.aid_fen), yuan_of(result.gateway_aid_fen)
    checks.append(
        (
            own == told,
            f"逐笔查询 5203：医院账救助 {own} 元，网关答 {told} 元",
            f"5203 of each: aid by hospitals' books {own} CNY, by the gateway {told}",
        )
    )
    if found is not None:
        own, stored = yuan_of(result.aid_fen), yuan_of(found.aid_fen)
        faults = [*found.violations, *found.findings]
        checks += [
            (
                own == stored,
                f"救助金额：医院账 {own} 元，网关账 {stored} 元",
                f"aid: hospitals' books {own} CNY, the gateway's records {stored} CNY",
            ),
            (
                not faults,
                f"网关账目核查：{found.records} 条记录，问题 {len(faults)} 个",
                f"check-books, verify: {found.records} records, {len(faults)} faults",
            ),
        ]
    return checks


def show_day(
    result: DayResult, found: Audit | None, checks: list[Check], *, as_json: bool
) -> None:
    """Print tables and checks, or all of it as JSON."""
    if as_json:
        document = result.document()
        document["ok"] = all(holds for holds, _, _ in checks)
        document["checks"] = [
            {"holds": holds, "zh": zh, "en": en} for holds, zh, en in checks
        ]
        if found is not None:
            document["gateway"] = {
                "aid_fen": found.aid_fen,
                "records": found.records,
                "findings": [*found.violations, *found.findings],
            }
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    console = Console(soft_wrap=True)
    console.print(hospital_table(result))
    console.print()
    console.print(fault_table(result))
    log = ", ".join(f"{count:,} {state}" for state, count in result.log.items())
    click.echo(f"transaction log: {log}")
    for each in result.findings[:_SHOWN]:
        click.echo(f"FOUND {each.fixmedins_code} {each.mdtrt_id} {each.what}")
    for holds, _, en in checks:
        click.echo(f"  {'holds' if holds else 'FAILS'}  {en}")
