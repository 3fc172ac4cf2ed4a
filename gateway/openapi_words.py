"""What `/openapi.json` says of a call, in words: the shapes that every group fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel

_JSON = "application/json"
_BASE = ("MA-1109", "MA-4105", "MA-4106", "MA-5101", "MA-5107")
BODY = ("MA-1101", "MA-1102", "MA-1105", "MA-1106", "MA-1127", "MA-1140")
_SESSION = ("MA-3101", "MA-3104", "MA-3105", "MA-3106", "MA-5105")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One header, query or path parameter."""

    name: str
    place: str
    zh: str
    en: str
    pattern: str
    is_required: bool = False
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallText:
    """One call in words, with its shapes."""

    group: str
    zh: str
    en: str
    detail_zh: str = ""
    detail_en: str = ""
    takes: type[BaseModel] | None = None
    takes_file: bool = False
    """Whether the body is a file."""
    file_types: tuple[str, ...] = ()
    """What the file may be said to be; a hospital's list where nothing stands here."""
    gives: type[BaseModel] | None = None
    media_type: str = _JSON
    status: int = 200
    needs_session: bool = True
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[str, ...] = ()
    may_replay: bool = False

    @property
    def codes(self) -> tuple[str, ...]:
        """Every reason code that the call may be refused with."""
        session = _SESSION if self.needs_session else ()
        return tuple(sorted({*_BASE, *session, *self.problems}))
