"""The run's report: one HTML file that needs nothing else, JSON, and JUnit XML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from loadtests.charts import Series, line_chart
from loadtests.findings import as_documents
from loadtests.metrics import Point
from loadtests.plan import Plan
from loadtests.samples import Samples, Tally
from loadtests.verdict import Outcome, Verdict, errors_of

_WORDS = {
    Verdict.GO: ("可以上线", "GO"),
    Verdict.NO_GO: ("不可上线", "NO-GO"),
    Verdict.INVALID: ("结果无效", "INVALID"),
}
_WHY = {
    Verdict.GO: (
        "所有指标在预算之内，全部核对相符。",
        "Every budget was kept and every check holds.",
    ),
    Verdict.NO_GO: (
        "下表标红的各项超出预算或核对不符。",
        "What is marked red below broke its budget or its check.",
    ),
    Verdict.INVALID: (
        (
            "压测端自身没有按时发出请求，这次结果不能说明网关好或不好；请减轻压测端负载，"
            "或换用更多机器后重做。"
        ),
        (
            "The load generator itself was not sound, so this run speaks neither for"
            " nor against the gateway; give it more machines, and run again."
        ),
    ),
}
_CALLS = {
    "eligibility": "查询资格", "quote": "试算", "settle": "结算", "reverse": "冲正",
    "repeat": "重复提交", "look_up": "查询结算", "malformed": "错误请求",
    "flood": "超速请求", "decided": "从首次提交到得到结果",
}  # fmt: skip
_BUDGETS = {
    "generator: starts more than 50 ms late": "压测端：晚于 50 毫秒发出的请求",
    "generator: processor of the busiest process": "压测端：最忙进程的处理器占用",
    "generator: all processes finished, with their notes": (
        "压测端：全部进程正常结束且记录齐全"
    ),
    "event restart-database: exit status": "重启数据库的退出码",
    "event roster-review: exit status": "导入名册变更的退出码",
    "errors": "错误应答",
    "ended, of those that were due": "已结束的请求",
    "longest wait for a decision": "得到结果的最长等待",
    "knee, in busiest minutes": "拐点（最忙一分钟的倍数）",
    "memory of the workers, second quarter to last": "工作进程内存增长",
    "answers 429 to the hospital that floods": "对超速医院的 429 应答",
    "answers 429 to anybody else": "对其他医院的 429 应答",
}
_STYLE = """
body{font:15px/1.5 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;
max-width:900px;margin:2em auto;padding:0 1em;color:#1a1a1a}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:1.8em}
table{border-collapse:collapse;width:100%;font-size:14px}
td,th{border-bottom:1px solid #ddd;padding:.25em .5em;text-align:left}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.v{padding:.8em 1em;border-left:8px solid;margin:1em 0;font-size:1.1em}
.go{border-color:#2c7a3f;background:#eef7f0}.no-go{border-color:#b3261e;background:#fcefee}
.invalid{border-color:#8a6d00;background:#fdf7e0}
.bad{color:#b3261e;font-weight:600}svg{width:100%;height:auto}
svg text{font-size:11px;fill:#333}svg text.t{font-weight:600;font-size:12px}
svg text.e{text-anchor:end}svg text.c{text-anchor:middle}
svg .g{stroke:#e4e4e4}svg .m{stroke:#b3261e;stroke-dasharray:3 3}
.en{color:#555}@media print{body{margin:0}}
"""
_BIN_COUNT = 120


@dataclass(frozen=True, slots=True)
class RunData:
    """Everything that a report shows."""

    plan: Plan
    outcome: Outcome
    samples: Samples
    points: Sequence[Point]
    events: Sequence[dict[str, Any]]
    about: dict[str, str]
    """Machine, versions, target, when; words as they are shown."""


def write_reports(folder: Path, data: RunData) -> None:
    """Write report.html, report.json and junit.xml into the run's folder."""
    (folder / "report.html").write_text(html(data), encoding="utf-8")
    text = json.dumps(document(data), ensure_ascii=False, indent=1)
    (folder / "report.json").write_text(text, encoding="utf-8")
    ET.ElementTree(junit(data)).write(
        folder / "junit.xml", encoding="utf-8", xml_declaration=True
    )


def document(data: RunData) -> dict[str, Any]:
    """The report for programs."""
    outcome = data.outcome
    return {
        "verdict": outcome.verdict.value,
        "plan": data.plan.name,
        "busiest_minute": data.plan.busiest_minute,
        "seconds": data.plan.seconds,
        "about": data.about,
        "budgets": [
            {
                "name": one.name, "measured": one.measured, "budget": one.budget,
                "kept": one.kept,
            }
            for one in outcome.judged
        ],
        "checks": as_documents(outcome.findings),
        "calls": {call: _numbers(tally) for call, tally in _calls(data.samples)},
        "steps": [
            {
                "visits_per_s": step.visits_per_s,
                "requests_per_s": step.requests_per_s, "p99_ms": step.p99_ms,
                "error_share": step.error_share, "holds": step.holds,
            }
            for step in outcome.steps
        ],
        "events": list(data.events),
    }  # fmt: skip


def _calls(samples: Samples) -> list[tuple[str, Tally]]:
    calls = samples.by_call()
    return [(call, calls[call]) for call in _CALLS if call in calls]


def _numbers(tally: Tally) -> dict[str, Any]:
    return {
        "count": tally.count,
        "errors": errors_of(tally),
        **{
            f"p{name}_ms": _rounded(tally.percentile_ms(percent))
            for name, percent in (("50", 50), ("95", 95), ("99", 99), ("100", 100))
        },
        "codes": {code.lstrip("!"): n for code, n in sorted(tally.codes.items())},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def junit(data: RunData) -> ET.Element:
    """Each budget and each check as a test case; an invalid run is an error."""
    outcome = data.outcome
    suite = ET.Element("testsuite", name=f"loadtest.{data.plan.name}")
    failures = errors = 0
    for one in outcome.judged:
        case = ET.SubElement(suite, "testcase", classname="budget", name=one.name)
        if not one.kept:
            kind = "error" if one.of_generator else "failure"
            errors += one.of_generator
            failures += not one.of_generator
            text = f"{one.measured}, budget {one.budget}"
            ET.SubElement(case, kind, message=text)
    for finding in outcome.findings:
        case = ET.SubElement(suite, "testcase", classname="check", name=finding.name)
        if not finding.holds:
            failures += 1
            message = ET.SubElement(case, "failure", message=finding.en)
            message.text = "\n".join(finding.faults)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failures))
    suite.set("errors", str(errors))
    root = ET.Element("testsuites")
    root.append(suite)
    return root


def html(data: RunData) -> str:
    """The report for people: Chinese first, then English."""
    verdict = data.outcome.verdict
    zh, en = _WORDS[verdict]
    why_zh, why_en = _WHY[verdict]
    plan = data.plan
    return "".join([
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">',
        f"<title>{zh} {en}: {escape(plan.name)}</title><style>{_STYLE}</style></head>",
        "<body><h1>医疗救助结算网关压测报告 <span class=en>Load test</span></h1>",
        f"<p>{escape(plan.zh)}<br><span class=en>{escape(plan.en)}</span></p>",
        f'<div class="v {verdict.value}"><b>{zh} {en}</b><br>{why_zh}<br>',
        f"<span class=en>{why_en}</span></div>",
        *_statement(plan, verdict),
        *_budget_table(data), *_check_table(data), *_call_table(data),
        *_step_table(data), *_charts(data), *_code_table(data), *_about(data),
        "</body></html>",
    ])  # fmt: skip


def _statement(plan: Plan, verdict: Verdict) -> Iterator[str]:
    """The sentence that an operator wants to say; only where it is true."""
    times = max(max(one.begin, one.end) for one in plan.phases)
    if verdict is not Verdict.GO or plan.steps or any(one.hours for one in plan.phases):
        return
    yield (
        f"<p>本系统在预计最忙一分钟（{plan.busiest_minute:,.0f} 笔结算）的 {times:g}"
        f" 倍负载下达到全部指标。<br><span class=en>This installation carried {times:g}"
        f" times its expected busiest minute ({plan.busiest_minute:,.0f} settlements)"
        " within every budget.</span></p>"
    )


def _table(heads: Iterable[str], rows: Iterable[Sequence[str]], left: int) -> str:
    """A table whose cells are HTML already; numbers stand right from `left` on."""

    def cells(kind: str, values: Iterable[str]) -> str:
        return "".join(
            f"<{kind}{' class=n' if place >= left else ''}>{value}</{kind}>"
            for place, value in enumerate(values)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><tr>{cells('th', heads)}</tr>{body}</table>"


def _mark(text: str, *, is_good: bool) -> str:
    return text if is_good else f'<span class="bad">{text}</span>'


def _budget_table(data: RunData) -> Iterator[str]:
    yield "<h2>预算 <span class=en>Budgets</span></h2>"
    rows = [
        (
            _budget_name(one.name), escape(one.measured), escape(one.budget),
            _mark("符合 kept" if one.kept else "超出 broken", is_good=one.kept),
        )
        for one in data.outcome.judged
    ]  # fmt: skip
    yield _table(("项目 item", "实测 measured", "预算 budget", ""), rows, 1)


def _budget_name(name: str) -> str:
    """Chinese first, where the words are known; the name as JSON has it after."""
    first, _, rest = name.partition(":")
    zh = _CALLS[first] + rest if first in _CALLS else _BUDGETS.get(name, "")
    return f"{zh} <span class=en>{escape(name)}</span>" if zh else escape(name)


def _check_table(data: RunData) -> Iterator[str]:
    yield "<h2>核对 <span class=en>Correctness, from the clients' own notes</span></h2>"
    rows = []
    for one in data.outcome.findings:
        faults = "<br>".join(escape(fault) for fault in one.faults)
        words = f"{escape(one.zh)}<br><span class=en>{escape(one.en)}</span>"
        result = _mark(
            "相符 holds" if one.holds else f"不符 fails<br>{faults}", is_good=one.holds
        )
        if one.skipped:
            result += f"<br><span class=en>{escape(one.skipped)}</span>"
        rows.append((words, result, f"{one.tried:,}"))
    yield _table(("承诺 promise", "结果 result", "核对数 tried"), rows, 2)


def _call_table(data: RunData) -> Iterator[str]:
    yield "<h2>各类请求 <span class=en>Calls, latency in ms since due</span></h2>"
    heads = ("请求 call", "数量 count", "p50", "p95", "p99", "最长 max", "错误 errors")
    rows = []
    for call, tally in _calls(data.samples):
        errors = errors_of(tally)
        values = [tally.percentile_ms(percent) for percent in (50, 95, 99, 100)]
        rows.append((
            f"{_CALLS[call]} <span class=en>{call}</span>", f"{tally.count:,}",
            *(f"{value or 0:,.1f}" for value in values),
            _mark(f"{errors:,}", is_good=errors == 0),
        ))  # fmt: skip
    yield _table(heads, rows, 1)


def _code_table(data: RunData) -> Iterator[str]:
    yield "<h2>应答代码 <span class=en>Answers by code</span></h2>"
    rows = [
        (
            f"{_CALLS[call]} <span class=en>{call}</span>",
            _mark(escape(code.lstrip("!")), is_good=not code.startswith("!")),
            f"{count:,}",
        )
        for call, tally in _calls(data.samples)
        if call != "decided"
        for code, count in tally.codes.most_common()
    ]
    yield _table(("请求 call", "代码 code", "数量 count"), rows, 2)


def _step_table(data: RunData) -> Iterator[str]:
    if not data.outcome.steps:
        return
    yield "<h2>拐点 <span class=en>The knee: the last step that held</span></h2>"
    rows = [
        (
            f"{step.visits_per_s:,.1f}", f"{step.requests_per_s:,.1f}",
            f"{step.p99_ms or 0:,.1f}", f"{step.error_share:.3%}",
            _mark("是 yes" if step.holds else "否 no", is_good=step.holds),
        )
        for step in data.outcome.steps
    ]  # fmt: skip
    heads = (
        "就诊/秒 visits/s", "请求/秒 requests/s", "p99 ms", "错误 errors", "稳住 holds",
    )  # fmt: skip
    yield _table(heads, rows, 0)


def _charts(data: RunData) -> Iterator[str]:
    yield "<h2>经过 <span class=en>Over time</span></h2>"
    seconds = max([*data.samples.seconds, 1]) + 1.0
    marks = [(one["begin_s"], one["do"]) for one in data.events]
    bins = list(_bins(data.samples, seconds))
    rate = [(at, sum(t.count for c, t in calls.items() if c != "decided") / width)
            for at, width, calls in bins]  # fmt: skip
    errors = [(at, sum(map(errors_of, calls.values())) / width)
              for at, width, calls in bins]  # fmt: skip
    yield line_chart(
        "吞吐 Throughput", "每秒 a second",
        [Series("answers", rate), Series("errors", errors)],
        marks=marks, seconds=seconds,
    )  # fmt: skip
    for call in ("eligibility", "quote", "settle", "reverse"):
        series = [
            Series(f"p{percent}", _percentiles(bins, call, percent))
            for percent in (50, 95, 99)
        ]
        yield line_chart(
            f"{_CALLS[call]} {call}", "ms", series,
            marks=marks, seconds=seconds, is_logarithmic=True,
        )  # fmt: skip
    yield from _saturation(data, seconds, marks)


def _saturation(
    data: RunData, seconds: float, marks: Sequence[tuple[float, str]]
) -> Iterator[str]:
    def series(name: str, of: str, factor: float = 1.0) -> Series:
        values = ((point.s, getattr(point, of)) for point in data.points)
        return Series(name, [(s, v * factor) for s, v in values if v is not None])

    generator = [
        Series(f"generator {number}", [(s, v * 100) for s, v in sorted(one.items())])
        for number, one in enumerate(data.samples.cpu.values())
    ]
    for title, unit, lines in (
        ("处理器 Processor", "%", [
            series("machine", "machine_cpu", 100),
            series("workers", "gateway_cpu", 100), *generator[:4],
        ]),
        ("提交用时 Commit", "ms", [series("commit", "commit_ms"),
                                series("loop delay", "loop_ms")]),
        ("批量与等待 Batch and queue", "笔 claims", [series("batch", "batch"),
                                            series("waiting", "waiting")]),
        ("名册滞后 Roster lag", "s", [series("lag", "roster_lag_s")]),
        ("内存 Memory", "MB", [series("workers", "memory_mb")]),
    ):  # fmt: skip
        yield line_chart(title, unit, lines, marks=marks, seconds=seconds)


def _bins(
    samples: Samples, seconds: float
) -> Iterator[tuple[float, int, dict[str, Tally]]]:
    """Some hundred pieces of the run: middle, width, and its sums."""
    width = max(1, round(seconds / _BIN_COUNT))
    for begin in range(0, int(seconds), width):
        calls = samples.by_call(range(begin, begin + width))
        yield begin + width / 2, width, calls


def _percentiles(
    bins: Iterable[tuple[float, int, dict[str, Tally]]], call: str, percent: float
) -> list[tuple[float, float]]:
    values = (
        (at, calls[call].percentile_ms(percent))
        for at, _, calls in bins
        if call in calls
    )
    return [(at, value) for at, value in values if value is not None]


def _about(data: RunData) -> Iterator[str]:
    yield "<h2>环境 <span class=en>Machine and versions</span></h2>"
    rows = [(escape(name), escape(value)) for name, value in data.about.items()]
    yield _table(("", ""), rows, 2)
