"""Every event that the code logs is in the table of events, and no other is."""

import ast
import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.logs import (
    LINES_MAX,
    REQUEST_ID,
    WINDOW_S,
    JsonLines,
    Repeats,
    configure_logs,
)
from tests.support.sources import PROJECT, python_files, read_text

_LEVELS = {"debug", "info", "warning", "error", "critical"}
_ROW = re.compile(r"^\| `([a-z._]+)` \| (\w+) \| ([^|]*)\|", re.MULTILINE)
#: Fields that are given as more than a dictionary written in place.
_BY_HAND = {"worker.died": {"worker", "pid", "status", "pause_s"}}
#: Written by the formatter, not by a call.
_NOT_CALLED = {"library.message"}


def _documented() -> dict[str, tuple[str, set[str]]]:
    text = (PROJECT / "docs" / "log-events.md").read_text(encoding="utf-8")
    rows = [row for row in _ROW.findall(text) if "." in row[0]]
    return {
        name: (level, set(re.findall(r"`(\w+)`", fields)))
        for name, level, fields in rows
    }


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for path in python_files("gateway", "settlement", "eligibility_cache", "crypto"):
        for node in ast.walk(ast.parse(read_text(path) or "")):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in {"_log", "logger", "log"}
                and node.func.attr in _LEVELS | {"exception", "log", "warn"}
            ):
                yield f"{path}:{node.lineno}", node


def _name_of(call: ast.Call) -> str | None:
    match call.args:
        case [ast.Constant(value=str(name)), *_]:
            return name
        case _:
            return None


def _fields_of(call: ast.Call) -> set[str]:
    for keyword in call.keywords:
        if keyword.arg == "extra" and isinstance(keyword.value, ast.Dict):
            keys = keyword.value.keys
            return {str(key.value) for key in keys if isinstance(key, ast.Constant)}
    return set()


def test_each_log_call_names_an_event_of_the_table() -> None:
    """Name, level and fields are as documented; no sentence is put together."""
    documented = _documented()
    wrong = []
    for place, call in _calls():
        name = _name_of(call)
        level = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name is None or len(call.args) != 1 or name not in documented:
            wrong.append(f"{place}: {name} is not an event of docs/log-events.md")
            continue
        expected = (level, _BY_HAND.get(name, _fields_of(call)))
        if documented[name] != expected:
            wrong.append(f"{place}: {name} is {expected}, the table says otherwise")

    assert wrong == []


def test_each_event_stands_once_in_the_table() -> None:
    """Twice means two pieces of advice."""
    text = (PROJECT / "docs" / "log-events.md").read_text(encoding="utf-8")
    names = [name for name, _, _ in _ROW.findall(text) if "." in name]

    assert [name for name in set(names) if names.count(name) > 1] == []


def test_each_event_of_the_table_is_logged_somewhere() -> None:
    """The table promises nothing that the code does not do."""
    logged = {_name_of(call) for _, call in _calls()}

    assert set(_documented()) - logged == _NOT_CALLED


def test_each_page_that_the_table_names_exists() -> None:
    """Whoever follows the table at night ends at a page."""
    text = (PROJECT / "docs" / "log-events.md").read_text(encoding="utf-8")
    pages = re.findall(r"\]\((\.\./deploy/[^)]+)\)", text)

    assert pages
    assert [page for page in pages if not (PROJECT / "docs" / page).is_file()] == []


def _record(event: str, at: float, level: int = logging.WARNING) -> logging.LogRecord:
    record = logging.LogRecord("gateway.app", level, "x", 1, event, (), None)
    record.created = at
    return record


def test_line_tells_event_time_worker_and_fields() -> None:
    """UTC to the millisecond; what is no JSON is told by its type alone."""
    record = _record("database.lost", 1_767_579_249.1239)
    record.reason, record.thing = "ConnectionResetError", ValueError("A12345678")

    line = json.loads(JsonLines(worker=2).format(record))

    assert line["time"] == "2026-01-05T02:14:09.123Z"
    assert (line["event"], line["level"], line["worker"]) == (
        "database.lost", "warning", 2,
    )  # fmt: skip
    assert (line["reason"], line["thing"]) == ("ConnectionResetError", "ValueError")
    assert "message" not in line
    assert "request" not in line


async def test_line_names_the_request_that_is_worked_on() -> None:
    """Only what is logged within the request names it."""

    async def within() -> str:
        REQUEST_ID.set("4fd0")
        return JsonLines().format(_record("request.failed", 0.0))

    inside = await asyncio.create_task(within())

    assert json.loads(inside)["request"] == "4fd0"
    assert "request" not in json.loads(JsonLines().format(_record("a.b", 0.0)))


def test_repeated_fault_writes_some_lines_and_counts_the_rest() -> None:
    """10,000 lost batches in a second are 20 lines; the next window says so."""
    repeats = Repeats()

    written = sum(
        repeats.filter(_record("database.lost", n / 10_000)) for n in range(10_000)
    )
    other = repeats.filter(_record("worker.died", 0.5))
    later = _record("database.lost", WINDOW_S + 1.0)

    assert (written, other) == (LINES_MAX, True)
    assert repeats.suppressed == 10_000 - LINES_MAX
    assert repeats.filter(later)
    assert vars(later)["suppressed"] == 10_000 - LINES_MAX


def test_critical_events_and_the_access_log_always_pass() -> None:
    """The one line that says why settlement stopped is never left out."""
    repeats = Repeats()
    for _ in range(LINES_MAX + 1):
        repeats.filter(_record("settle.stopped", 1.0))

    assert not repeats.filter(_record("settle.stopped", 1.0))
    assert repeats.filter(_record("settle.stopped", 1.0, logging.CRITICAL))
    assert repeats.filter(_record("request.answered", 1.0, logging.INFO))


def test_clock_that_goes_back_does_not_silence_an_event() -> None:
    """A window also ends when the clock was set back."""
    repeats = Repeats()
    for _ in range(LINES_MAX + 5):
        repeats.filter(_record("database.lost", 1_000.0))

    assert repeats.filter(_record("database.lost", 10.0))


@pytest.fixture
def kept_root() -> Iterator[None]:
    """Put the root logger back as it was."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.getLogger("asyncio").setLevel(logging.NOTSET)


def test_process_writes_json_lines_from_its_level_on(
    kept_root: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`debug` shows batches, `info` does not."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    log = logging.getLogger("gateway.x")

    for level in ("info", "debug"):
        configure_logs(level)
        log.debug("settle.batch_committed", extra={"claims": 3, "at": level})

    lines = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert [line["at"] for line in lines] == ["debug"]


def test_documents_and_code_lie_where_this_test_looks() -> None:
    """The scan would pass for nothing if it found nothing."""
    assert len(list(_calls())) > 20
    assert Path(PROJECT / "docs" / "log-events.md").is_file()
