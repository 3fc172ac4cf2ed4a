"""The integration guide as its tests read it: fences by name, tables by heading."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.acceptance.gateway_process import PROJECT

_FENCE = re.compile(r"(?ms)^```([a-z]+)(?: (\S+))?\n(.*?)\n```$")


@cache
def text() -> str:
    """The guide."""
    return (PROJECT / "docs" / "integration.md").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the guide prints it."""

    name: str
    method: str
    path: str
    headers: dict[str, str]
    body: str


def fences() -> list[tuple[str, str, str]]:
    """Language, name and content of every fence."""
    return _FENCE.findall(text())


def fence(name: str) -> str:
    """The one fence of this name."""
    [content] = [content for _, found, content in fences() if found == name]
    return content


def requests() -> list[Request]:
    """Every request, in the order in which a reader sends them."""
    return [
        _request(name.removeprefix("send:"), content)
        for language, name, content in fences()
        if language == "http" and name.startswith("send:")
    ]


def _request(name: str, content: str) -> Request:
    head, _, body = content.partition("\n\n")
    first, *lines = head.split("\n")
    method, path = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    return Request(name, method, path, headers, body)


def answers() -> dict[str, tuple[str, Any]]:
    """By name: `answer` where it stands whole, `part` where some members do."""
    return {
        name.partition(":")[2]: (name.partition(":")[0], json.loads(content))
        for language, name, content in fences()
        if language == "json"
    }


def table(header: str) -> list[list[str]]:
    """The cells of the table that begins with this header row."""
    lines = iter(text().splitlines())
    for line in lines:
        if line == header:
            break
    next(lines)
    found = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    assert found, header
    return found
