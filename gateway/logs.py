"""Logs as JSON lines on standard error, made so that they cannot quote a request.

A log call names an event and gives its fields: `_log.warning("database.lost",
extra={"reason": ...})`. docs/log-events.md says what each event means.
Exceptions are written as their types and places in the code, never their messages:
a driver's message may hold values of the statement that failed.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType

#: The HTTP request that is being worked on; what is logged meanwhile names it.
REQUEST_ID: ContextVar[str] = ContextVar("request_id")
#: Lines of one event that are written within `WINDOW_S`; the rest is counted.
LINES_MAX = 20
WINDOW_S = 10.0

_EVENT = re.compile(r"[a-z]+(?:\.[a-z]+(?:_[a-z]+)*)+")
_FRAMES = 12
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """One JSON object for each log record."""

    def __init__(self, worker: int | str | None = None) -> None:
        """`worker`: number of this process among the workers, or what else it does."""
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, event, where from, and the event's own fields.

        What is no event of ours, as libraries log, is written with its message.
        """
        line: dict[str, object] = {
            "time": _instant(record.created),
            "level": record.levelname.lower(),
        }
        if _EVENT.fullmatch(str(record.msg)):
            line["event"] = record.msg
        else:
            line |= {"event": "library.message", "message": record.getMessage()}
        line |= {"logger": record.name, "process": record.process}
        if self._worker is not None:
            line["worker"] = self._worker
        request = REQUEST_ID.get(None)
        if request is not None:
            line["request"] = request
        line |= {k: v for k, v in vars(record).items() if k not in _STANDARD}
        if record.exc_info and record.exc_info[1] is not None:
            line["exceptions"] = _chain(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=_type_name)


class Repeats(logging.Filter):
    """Lets a fault that repeats itself write some lines, and counts the others.

    An event gets `LINES_MAX` lines in each `WINDOW_S`; the first line of the next
    window says in `suppressed` how many were left out. Critical events and the
    access log always pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self.suppressed = 0
        """Lines left out so far."""
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is written."""
        if record.levelno >= logging.CRITICAL or record.msg == "request.answered":
            return True
        name = (record.name, str(record.msg))
        began, count = self._windows.get(name, (record.created, 0))
        # Also when the clock was set back.
        if abs(record.created - began) >= WINDOW_S:
            if count > LINES_MAX:
                record.suppressed = count - LINES_MAX
            began, count = record.created, 0
        self._windows[name] = (began, count + 1)
        if count < LINES_MAX:
            return True
        self.suppressed += 1
        return False


#: Of this process.
REPEATS = Repeats()


def configure_logs(level: str = "info", worker: int | str | None = None) -> None:
    """Send every logger of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(worker))
    handler.addFilter(REPEATS)
    # A line that cannot be written would be explained with the fault's own message.
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # asyncio's own reports quote the repr of objects, which may hold a request.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def _instant(created: float) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    text = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def _type_name(value: object) -> str:
    """Of an object that is no JSON only the type: its text may quote a request."""
    return type(value).__name__


def _chain(error: BaseException) -> list[dict[str, object]]:
    """The exception and its causes, outermost first, without their messages."""
    chain: list[dict[str, object]] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        chain.append(
            {"type": type(current).__name__, "at": _places(current.__traceback__)}
        )
        current = current.__cause__ or current.__context__
    return chain


def _places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    return [f"{frame.name} {_short(frame.filename)}:{frame.lineno}" for frame in frames]


def _short(path: str) -> str:
    return "/".join(path.split("/")[-2:])
