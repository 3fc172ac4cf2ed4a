"""One line of the pass list: what is promised, and what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from settlement.domain.decision import Text

if TYPE_CHECKING:
    from gateway.his_self_test.trial import Trial


class State(StrEnum):
    """What became of a line."""

    PASSED = "pass"
    FAILED = "fail"
    NOT_RUN = "not run"


class Unkept(Exception):
    """The promise does not hold; says how, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.text = Text(zh, en)


class NotRun(Exception):
    """The line cannot be tried here; says why, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.text = Text(zh, en)


@dataclass(frozen=True, slots=True)
class Line:
    """A promise, and how it is tried."""

    id: str
    """`group.name`."""
    title: Text
    expected: Text
    advice: Text
    """What to do where it does not hold."""
    check: Callable[[Trial], Awaitable[None]]
    """Raises `Unkept` or `NotRun`."""

    @property
    def group(self) -> str:
        """What `--only` names."""
        return self.id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A message and its answer, as they may be shown."""

    sent: str
    came: str


@dataclass(frozen=True, slots=True)
class Result:
    """A line that was tried, or was not."""

    line: Line
    state: State
    why: Text | None = None
    """Of what did not hold, or could not be tried."""
    exchanges: tuple[Exchange, ...] = ()
    notes: tuple[Text, ...] = ()

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "id": self.line.id,
            "group": self.line.group,
            "state": self.state.value,
            "title": _both(self.line.title),
            "expected": _both(self.line.expected),
            "exchanges": [
                {"sent": each.sent, "came": each.came} for each in self.exchanges
            ],
            "why": _both(self.why) if self.why else None,
            "notes": [_both(each) for each in self.notes],
            "advice": (_both(self.line.advice) if self.state is State.FAILED else None),
        }


def _both(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}


@dataclass(frozen=True, slots=True)
class Report:
    """The whole pass list."""

    url: str
    at: str
    """yyyy-MM-dd HH:mm:ss, Shanghai."""
    is_sandbox: bool | None
    """`None`: it does not show which."""
    is_ours: bool
    """Its refusals have our codes."""
    could_run: bool = True
    results: list[Result] = field(default_factory=list)

    def count(self, state: State) -> int:
        """How many lines ended so."""
        return sum(each.state is state for each in self.results)

    @property
    def exit_code(self) -> int:
        """0 all that was tried holds, 1 something does not, 2 it could not run."""
        if not self.could_run:
            return 2
        return 1 if self.count(State.FAILED) else 0

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "ok": self.exit_code == 0,
            "url": self.url,
            "at": self.at,
            "sandbox": self.is_sandbox,
            "gateway": self.is_ours,
            "passed": self.count(State.PASSED),
            "failed": self.count(State.FAILED),
            "not_run": self.count(State.NOT_RUN),
            "lines": [each.document() for each in self.results],
        }
