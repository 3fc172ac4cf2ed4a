"""How long `make bench` takes, planned and shown: ten minutes at most."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.bench.ground import console
from tests.bench.rising import LEVELS

#: All of it, on 2 cores.
MOST_S = 600.0
#: A gateway's start and drain, and the desks' signing in.
_START_S = 4.0
#: To connect a crowd, and to wait for its last answers.
_CROWD_S = 1.5


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long is measured; the document is written at the default ones alone."""

    seconds: float = 6.0
    """One round of one server."""
    steady: float = 50.0
    rounds: int = 3

    def plan(self) -> dict[str, float]:
        """The steps in their order, with the seconds that each is given."""
        one, rounds = self.seconds, self.rounds
        echo = one / 3
        return {
            "roster": 12.0,
            "beside the echo": rounds * 3 * (one + echo) + echo + _START_S,
            "steady": self.steady + 2 * echo,
            "p99 at half": rounds * one,
            "hot person": rounds * (one + echo + 2.0) + echo,
            "one caller": rounds * 2 * one + 3.0,
            "cost": 2 * one + 2 * echo + _START_S + 5.0,
            "rising load": rounds * (len(LEVELS) * (one + _CROWD_S) + 1.0 + _START_S),
            "two workers": rounds * 2 * (one + _START_S),
            "envelope": rounds * 4 * (one / 4 + 0.5) + _START_S + 2.0,
            "FastAPI": rounds * 2 * (one + 6.0) + 10.0,
            "deduction": 5.0,
        }


class Course:
    """Which step is under way, how many are left, and the time since the beginning."""

    def __init__(self, lengths: Lengths) -> None:
        """Nothing is shown before `showing`."""
        self._plan = lengths.plan()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn(f"of {sum(self._plan.values()) / 60:.0f} min planned"),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=sum(self._plan.values()))
        self._began = time.monotonic()
        #: Seconds that each step took.
        self.took: dict[str, float] = {}

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show it as long as the block runs."""
        with self._progress:
            yield

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step of the plan."""
        number = list(self._plan).index(name) + 1
        self._progress.update(
            self._task, description=f"{number}/{len(self._plan)} {name}"
        )
        began = self.elapsed_s
        yield
        self.took[name] = self.took.get(name, 0.0) + self.elapsed_s - began
        done = sum(self._plan[each] for each in self.took)
        self._progress.update(self._task, completed=done)
