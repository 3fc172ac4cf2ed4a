"""An event loop without clock, threads and sockets: the same seed, the same run.

Time jumps to the next timer when nothing is ready. Callbacks belong to a process:
within one they run in the order in which they were registered, as asyncio promises;
between processes the seed decides. A process can be stopped for a while or killed,
after which nothing of it ever runs again.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: More steps than any sound run takes.
STEPS_MAX = 5_000_000


class StuckError(Exception):
    """Work is pending and nothing can ever wake it, or it never comes to an end."""


#: The process whose callback runs now.
_CURRENT: ContextVar[Process | None] = ContextVar("process", default=None)


class Process:
    """What is stopped and killed as one: a worker, the server, everybody else."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.is_paused = False
        self.ready: deque[SimHandle] = deque()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.context = Context()
        self.context.run(_CURRENT.set, self)


class SimHandle(asyncio.Handle):
    """A callback with the process that it belongs to; made a million times."""

    __slots__ = ("process",)

    def __init__(
        self, callback: Callable[..., Any], args: Any, context: Context
    ) -> None:
        # Without the base's __init__, which asks for tracebacks that nobody reads.
        self._callback = callback
        self._args = args
        self._context = context
        self._cancelled = False
        self.process = context.get(_CURRENT)

    def cancel(self) -> None:
        """It is left out when its turn comes."""
        self._cancelled = True

    def step(self) -> None:
        """Call it, in its own context."""
        self._context.run(self._callback, *self._args)


class SimLoop(asyncio.AbstractEventLoop):
    """Runs one simulation; everything that is random comes from `random`.

    Sockets, signals, pipes and subprocesses raise `NotImplementedError`.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._now = 0.0
        self._order = 0
        self.world = Process("world")
        self._runnable: list[Process] = []
        self._timers: list[tuple[float, int, Any]] = []
        self._closed = False
        self.steps = 0
        #: Exceptions that nobody awaited: bugs of the product or of the simulation.
        self.unhandled: list[str] = []

    # -- what asyncio asks for -------------------------------------------------

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._now

    def get_debug(self) -> bool:
        """No debugging of asyncio's own."""
        return False

    def is_running(self) -> bool:
        """True within `run`."""
        return asyncio._get_running_loop() is self

    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        """A task of the current process, which dies with it."""
        task = asyncio.Task(coro, loop=self, **kwargs)
        context = kwargs.get("context")
        process = context.get(_CURRENT) if context is not None else _CURRENT.get()
        tasks = (process or self.world).tasks
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> SimHandle:
        """Behind what the same process has registered already."""
        handle = SimHandle(callback, args, context or copy_context())
        self._enqueue(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> Any:
        """Once the clock shows `when`."""
        timer = SimHandle(callback, args, context or copy_context())
        self._order += 1
        heapq.heappush(self._timers, (when, self._order, timer))
        return timer

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> Any:
        """After `delay` seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def run_in_executor(
        self, _executor: Any, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """A thread's work, done in one piece a moment later; there are no threads."""
        done = self.create_future()

        def work() -> None:
            if done.cancelled():
                return
            try:
                done.set_result(func(*args))
            except Exception as error:  # noqa: BLE001  # handed on as a thread would
                done.set_exception(error)

        self.call_later(self._random.random() * 0.002, work)
        return done

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody awaited; the run fails for it."""
        error = context.get("exception")
        self.unhandled.append(f"{context.get('message')}: {error!r}")

    def close(self) -> None:
        """The simulation is over."""
        self._closed = True

    # -- processes ---------------------------------------------------------------

    def spawn(
        self, process: Process | None, coro: Coroutine[Any, Any, T]
    ) -> asyncio.Task[T]:
        """Begin a task in a process; whatever it begins belongs there too."""
        context = (process or self.world).context.copy()
        return self.create_task(coro, context=context)

    def begin(self, process: Process | None, coro: Coroutine[Any, Any, None]) -> None:
        """The same for what nobody waits for."""
        self.spawn(process, coro).set_name("begun")

    def later(self, delay: float, callback: Callable[..., Any], *args: Any) -> None:
        """Something of the world, whoever asks for it and whether that lives then."""
        self.call_later(delay, callback, *args, context=self.world.context.copy())

    def kill(self, process: Process) -> None:
        """SIGKILL: nothing of the process runs again, not even its `finally`."""
        process.is_dead = True
        process.ready.clear()
        if process in self._runnable:
            self._runnable.remove(process)

    def pause(self, process: Process) -> None:
        """SIGSTOP."""
        process.is_paused = True
        if process in self._runnable:
            self._runnable.remove(process)

    def resume(self, process: Process) -> None:
        """SIGCONT."""
        process.is_paused = False
        if process.ready and not process.is_dead and process not in self._runnable:
            self._runnable.append(process)

    def _enqueue(self, handle: Any) -> None:
        process: Process = handle.process or self.world
        if process.is_dead:
            return
        ready = process.ready
        if not ready and not process.is_paused:
            self._runnable.append(process)
        ready.append(handle)

    # -- running -----------------------------------------------------------------

    def run(self, coro: Coroutine[Any, Any, T], *, until: float) -> T:
        """Run to the coroutine's end.

        Raises `StuckError` when everything waits for ever, and where the clock or
        the number of steps passes any sound run's.
        """
        asyncio._set_running_loop(self)
        try:
            main = self.spawn(None, coro)
            while not main.done():
                if not self._runnable:
                    self._advance(until)
                self._step()
            return main.result()
        finally:
            asyncio._set_running_loop(None)

    def _advance(self, until: float) -> None:
        """Let the clock jump to the next timer."""
        while self._timers:
            when, _, timer = heapq.heappop(self._timers)
            process = timer.process
            if timer._cancelled or (process is not None and process.is_dead):
                continue
            self._now = max(self._now, when)
            if self._now > until:
                raise StuckError(f"not at rest after {until:.0f} simulated seconds")
            self._enqueue(timer)
            if self._runnable:
                return
        if not self._runnable:
            raise StuckError("work is pending and nothing can wake it")

    def _step(self) -> None:
        runnable = self._runnable
        if not runnable:
            return
        count = len(runnable)
        place = int(self._random.random() * count) if count > 1 else 0
        process = runnable[place]
        handle = process.ready.popleft()
        if not process.ready:
            del runnable[place]
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise StuckError("more steps than any sound run takes")
        if handle._cancelled:
            return
        try:
            handle.step()
        except Exception as error:  # noqa: BLE001  # as any event loop
            self.call_exception_handler({"message": "callback", "exception": error})


def current_process() -> Process | None:
    """The process that asks."""
    return _CURRENT.get()


def bury(process: Process) -> None:
    """After a run: close what a killed process left, so that nobody complains."""
    process.is_dead = True
    for task in list(process.tasks):
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is dead
        if task.done():
            # It ended in the moment of the kill; nobody was left to be told.
            task.cancelled() or task.exception()
            continue
        try:
            coro: Any = task.get_coro()
            coro.close()
        except (RuntimeError, asyncio.InvalidStateError):
            continue
    process.tasks.clear()
