"""Open arrival: each request starts at its time, whatever became of those before it.

A closed loop waits for an answer before it asks again, so a server that stalls is
asked less and looks better than it is. Here the schedule does not know the server.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator

#: Sleeping is cut into pieces, so that what is added meanwhile is seen in time.
_NAP_S = 0.02


class Agenda:
    """Tasks by the instant at which they are due; new ones may come at any time."""

    def __init__(self) -> None:
        """Begin empty."""
        self._heap: list[tuple[float, int, object]] = []
        self._order = itertools.count()

    def add(self, due_s: float, task: object) -> None:
        """Do `task` at `due_s`."""
        heapq.heappush(self._heap, (due_s, next(self._order), task))

    def next_due(self) -> float | None:
        """When the next one is due; `None` when nothing is left."""
        return self._heap[0][0] if self._heap else None

    def pop(self) -> tuple[float, object]:
        """Take the next one out."""
        due_s, _, task = heapq.heappop(self._heap)
        return due_s, task

    def __len__(self) -> int:
        return len(self._heap)


class Dispatcher:
    """Starts what is due, never waits for it, and knows how late each start was."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        start: Callable[[float, object], None],
        late: Callable[[float, float], None],
    ) -> None:
        """Take the clock (seconds since the load began) and what starts a task.

        `start(due_s, task)` must return at once; `late(due_s, seconds)` is told of
        each start.
        """
        self._clock = clock
        self._sleep = sleep
        self._start = start
        self._late = late
        self.agenda = Agenda()

    def run(
        self,
        arrivals: Iterator[tuple[float, object]],
        *,
        until: Callable[[], bool] = lambda: False,
    ) -> None:
        """Start all arrivals and all that is on the agenda; return after the last.

        Arrivals come in the order of their time and are drawn one ahead, so a soak
        of hours needs no list. `until` ends the run before its time.
        """
        coming = next(arrivals, None)
        while not until():
            if coming is not None and not self._before(coming[0]):
                self._begin(*coming)
                coming = next(arrivals, None)
                continue
            due_s = self.agenda.next_due()
            if due_s is None and coming is None:
                return
            if due_s is not None and self._clock() >= due_s:
                self._begin(*self.agenda.pop())
                continue
            first = min(one for one in (due_s, coming and coming[0]) if one is not None)
            self._sleep(min(_NAP_S, max(0.0, first - self._clock())))

    def _before(self, due_s: float) -> bool:
        """Whether the next arrival lies ahead, or something else is due earlier."""
        on_agenda = self.agenda.next_due()
        if on_agenda is not None and on_agenda < due_s:
            return True
        return self._clock() < due_s

    def _begin(self, due_s: float, task: object) -> None:
        self._late(due_s, self._clock() - due_s)
        self._start(due_s, task)
