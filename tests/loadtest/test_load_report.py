"""The report: one file, nothing from outside, nothing personal; JSON and JUnit."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from loadtests.charts import Series, line_chart
from loadtests.metrics import Point
from loadtests.report import RunData, document, html, write_reports
from loadtests.verdict import BUDGETS, judge, read_budgets
from tests.loadtest.made import finding, plan, samples


def _data(**changes: object) -> RunData:
    run = samples(**changes)  # type: ignore[arg-type]
    points = [
        Point(s=n, machine_cpu=0.5, gateway_cpu=0.3, commit_ms=2, batch=3, loop_ms=1,
              waiting=0, roster_lag_s=0, memory_mb=180)
        for n in range(0, 60, 2)
    ]  # fmt: skip
    outcome = judge(plan(), read_budgets(BUDGETS), run, [finding()], points)
    events = [{"do": "<restart>", "begin_s": 10, "end_s": 12, "status": 0}]
    return RunData(plan(), outcome, run, points, events, {"机器 machine": "2 cores <>"})


class _Page(HTMLParser):
    """What a browser would fetch, and which elements it would draw."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [
            value or ""
            for name, value in attrs
            if name in {"src", "href", "srcset", "data", "action", "poster"}
        ]
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_fetches_nothing() -> None:
    """No script, no style sheet, no picture, no address from elsewhere."""
    text = html(_data())
    page = _Page()
    page.feed(text)

    assert page.fetched == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert page.open == []
    assert "://" not in text
    assert not re.search(r"url\(|@import", text)


def test_charts_are_drawn() -> None:
    """Throughput, four calls, and saturation: processor, commit, batch, lag, memory."""
    text = html(_data())
    page = _Page()
    page.feed(text)

    assert page.tags.count("svg") == 10
    assert page.tags.count("polyline") >= 20
    for word in ("吞吐", "p99", "commit", "batch", "Roster lag", "generator 0"):
        assert word in text


def test_chinese_comes_first() -> None:
    """The verdict, in both languages, and what operators want to say."""
    text = html(_data())

    assert text.index("可以上线") < text.index("GO")
    assert "结算 p99 <span class=en>settle: p99</span>" in text
    assert "预计最忙一分钟（600 笔结算）的 1 倍" in text
    assert "不可上线" in html(_data(ms={"settle": 900}))
    invalid = html(_data(late_ms=90))
    assert "结果无效" in invalid
    assert "倍负载下达到全部指标" not in invalid


def test_words_from_outside_are_escaped() -> None:
    """Names of commands and machines are text, whatever they hold."""
    text = html(_data())

    assert "&lt;restart&gt;" in text
    assert "<restart>" not in text
    assert "2 cores &lt;&gt;" in text


def test_what_broke_is_marked() -> None:
    """Who reads a no-go sees at once why."""
    text = html(_data(ms={"settle": 900}))

    assert text.count("超出 broken") == 2
    assert "超出" not in html(_data())


def test_json_and_junit_say_the_same(tmp_path: Path) -> None:
    """Programs read the verdict, each budget and each check."""
    data = _data(ms={"settle": 900})
    write_reports(tmp_path, data)

    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert told == json.loads(json.dumps(document(data)))
    assert told["verdict"] == "no-go"
    assert told["calls"]["settle"]["p99_ms"] == pytest.approx(900, rel=0.02)
    suite = ET.parse(tmp_path / "junit.xml").getroot()[0]  # noqa: S314  # our own file
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["settle: p50", "settle: p99"]
    assert suite.get("failures") == "2"
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_an_unsound_generator_is_an_error_of_junit(tmp_path: Path) -> None:
    """CI tells a run that says nothing from one that says no."""
    write_reports(tmp_path, _data(cpu=0.95))

    suite = ET.parse(tmp_path / "junit.xml").getroot()[0]  # noqa: S314  # our own file
    assert (suite.get("errors"), suite.get("failures")) == ("1", "0")


def test_a_failed_check_shows_its_cases() -> None:
    """Keys of cases, so that somebody can go and look."""
    data = _data()
    findings = (finding(holds=False),)
    data = replace(data, outcome=replace(data.outcome, findings=findings))

    assert "LT-1: is there 2 times" in html(data)


def test_times_below_a_chart_are_whole() -> None:
    """The last one stands at the edge; a character takes six units of the width."""
    drawn = line_chart("t", "ms", [Series("a", [(0, 1)])], seconds=36_000)

    width = int(re.findall(r'viewBox="0 0 (\d+)', drawn)[0])
    times = re.findall(r'<text x="([\d.]+)"[^>]* class="c">([^<]+)<', drawn)
    assert times[-1][1] == "36000 s"
    assert all(float(x) + 3 * len(text) <= width for x, text in times)
