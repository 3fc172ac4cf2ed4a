"""Logs as JSON lines on standard error, made so that they cannot quote a request.

Exceptions are written as their types and places in the code, never their messages:
a driver's message may hold values of the statement that failed.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from types import TracebackType

_FRAMES = 12


class JsonLines(logging.Formatter):
    """One JSON object for each log record."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, message and, for an exception, where it came from."""
        line: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exceptions"] = _chain(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


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


def configure_logs() -> None:
    """Send every logger of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # asyncio's own reports quote the repr of objects, which may hold a request.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
