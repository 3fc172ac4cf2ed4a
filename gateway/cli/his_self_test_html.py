"""One page of a self-test: no script, nothing from outside, Chinese first."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.cli.his_self_test_view import WORDS, sandbox_text, summary
from gateway.cli.policy_html import Cell, heading, line, page, table
from gateway.his_self_test.lines import Report, Result, State
from settlement.domain.decision import Text

_CSS = {State.PASSED: "more", State.FAILED: "mark", State.NOT_RUN: "open"}


def report_page(report: Report) -> str:
    """The whole page."""
    foot = f"HIS 接口自测 self-test · {report.at} · medaid"
    return page(f"HIS 接口自测 {report.at}", foot, _parts(report))


def _parts(report: Report) -> Iterator[str]:
    yield heading("HIS 接口自测", "self-test of a HIS connection", level=1)
    yield line(f"{report.url} · {report.at}")
    yield line(sandbox_text(report))
    yield line(summary(report))
    failed = [each for each in report.results if each.state is State.FAILED]
    if failed:
        yield heading("须处理", "to be done")
        yield table(
            ("项目 line", "原因 why", "处理 what to do"),
            [
                (
                    Cell(each.line.id, "id"),
                    _both(each.why) if each.why else "",
                    _both(each.line.advice),
                )
                for each in failed
            ],
        )
    yield heading("逐项结果", "line by line")
    yield table(
        ("结果", "项目 line", "应为 expected", "发送与应答 sent and came"),
        [_row(each) for each in report.results],
    )


def _row(result: Result) -> tuple[str, ...]:
    word = WORDS[result.state]
    told = [f"▶ {each.sent}\n◀ {each.came}" for each in result.exchanges]
    told += [_both(note) for note in result.notes]
    if result.why is not None:
        told.append(_both(result.why))
    return (
        Cell(f"{word.zh}\n{word.en}", _CSS[result.state]),
        f"{_both(result.line.title)}\n{result.line.id}",
        _both(result.line.expected),
        Cell("\n".join(told), "id"),
    )


def _both(text: Text) -> str:
    return text.zh if text.zh == text.en else f"{text.zh}\n{text.en}"
