"""The locust user: one for each process, with a whole district's open arrivals.

Locust's own users ask, wait and ask again, which would hide a stall. This one only
starts what is due, each request in a greenlet of its own.
"""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool
from geventhttpclient import HTTPClient
from locust import User, task

from loadtests.desk import Desk
from loadtests.dispatch import Dispatcher
from loadtests.mix import District as Visits
from loadtests.mix import Visit, arrivals, flood, share_of
from loadtests.notes import FileSink, NoteWriter
from loadtests.run_file import Run
from loadtests.samples import SampleWriter, bucket_of
from loadtests.wire import Answer, Sessions, SignInError, authority_of

_CONNECTIONS = 512
_ANSWER_WITHIN_S = 30.0
#: Beside the gateway on the same machine the generator has to be let in at once; it
#: takes a few hundredths of a processor. A better `nice` would not do: Linux weighs it
#: within the process's session alone. Only root may ask for it.
_PRIORITY = 1
#: Collections of the oldest objects are put off to where they cannot be felt.
_GC_THRESHOLD = (20_000, 50, 1_000)
_SCHEDULED = Path("/proc/self/schedstat")
#: A start that is so late is described: what kept the process from it.
_NOTABLE_S = 0.01


class Line:
    """Connections to the gateway, by locust's own fast client; TLS is verified."""

    def __init__(self, target: str) -> None:
        """Open none yet."""
        parts = urlsplit(target)
        self._client = HTTPClient(
            parts.hostname,
            parts.port,
            ssl=parts.scheme == "https",
            concurrency=_CONNECTIONS,
            connection_timeout=10.0,
            network_timeout=_ANSWER_WITHIN_S,
        )
        self._authority = authority_of(target)

    def send(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> Answer | None:
        """One attempt; whatever goes wrong, there is no answer."""
        try:
            response = self._client.request(
                method, path, body, headers | {"Host": self._authority}
            )
            content = bytes(response.read())
        except Exception:  # noqa: BLE001  # sockets, TLS, parsing: all mean no answer
            return None
        found = {str(name).lower(): str(value) for name, value in response.items()}
        return Answer(int(response.status_code), content, found)

    def lose(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        """Send a request whole, and hang up before the answer."""
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        try:
            socket = self._connect()
            socket.sendall("\r\n".join(lines).encode() + body)
            # Long enough for the gateway to have read it, then nobody is there.
            gevent.sleep(0.05)
            socket.close()
        except OSError:
            return

    def _connect(self) -> Any:
        return self._client._connection_pool._create_socket()  # noqa: SLF001


class District(User):
    """One process's share of the run."""

    run_of_process: Run
    """Set by the worker before locust makes the user."""
    go = Event()
    begin_at = 0.0
    """Wall time at which the load begins, the same for all processes."""

    @task
    def never(self) -> None:
        """Locust asks for a task; `run` leaves nothing to it."""

    def run(self) -> None:
        """Get ready, wait for the word, load, and say so when all answers are in."""
        runner = self.environment.runner
        load = Load(self.environment, self.run_of_process, runner.worker_index)
        load.prepare()
        runner.send_message("prepared", {"index": runner.worker_index})
        District.go.wait()
        load.run(self.begin_at)
        runner.send_message("finished", {"index": runner.worker_index})
        # Locust would begin anew; the run is over, so wait to be ended.
        Event().wait()


class Load:
    """Everything that one process does between the word and its last answer."""

    def __init__(self, environment: Any, run: Run, index: int) -> None:
        """`index` is this process's place among all that share the run."""
        self._environment = environment
        self._run = run
        self._index = index
        self._processes = run.processes
        self._zero = time.monotonic()
        self._begin_at = time.time()
        name = f"{index}-{os.getpid()}"
        self._samples = SampleWriter(_ThreadSink(run.folder / f"samples-{name}.jsonl"))
        self._notes = NoteWriter(_ThreadSink(run.folder / f"notes-{name}.jsonl"))
        self._under_way = 0
        self._ended = False
        self._pulse: Counter[int] = Counter()
        self._errors = 0
        self._watch = _SelfWatch()
        self._dispatcher = Dispatcher(
            clock=self._clock,
            sleep=self._watch.sleep,
            start=self._start,
            late=self._was_late,
        )
        self._desk = self._open_desk()

    def _open_desk(self) -> Desk:
        run, line = self._run, Line(self._run.target)
        self._world = run.world()
        self._sessions = Sessions(
            line.send,
            authority=authority_of(run.target),
            operator=f"load-{self._index}",
            clock=time.time,
            nonce=lambda: os.urandom(16).hex(),
        )
        return Desk(
            world=self._world, plan=run.plan, run=run.name, send=line.send,
            lose=line.lose, sessions=self._sessions, clock=self._clock,
            began_at=lambda: self._begin_at, agenda=self._dispatcher.agenda,
            note=self._notes, sample=self._sample, not_sent=self._samples.not_sent,
            give_way=lambda: gevent.sleep(0),
        )  # fmt: skip

    def _clock(self) -> float:
        return time.monotonic() - self._zero

    def prepare(self) -> None:
        """Do beforehand whatever would hold up the first starts."""
        for hospital in self._world.hospitals:
            try:
                self._sessions.headers(hospital)
            except SignInError as error:
                self._notes("wrong", k="", call="sessions", what=str(error))
        plan = self._run.plan
        for number, at_s in enumerate(flood(plan, self._index, self._processes)):
            self._dispatcher.agenda.add(at_s, self._desk.flood_task(number))
        if hasattr(os, "sched_setscheduler"):
            with contextlib.suppress(OSError):
                priority = os.sched_param(_PRIORITY)
                os.sched_setscheduler(0, os.SCHED_RR, priority)
        gc.set_threshold(*_GC_THRESHOLD)
        gc.collect()
        gc.freeze()

    def run(self, begin_at: float) -> None:
        """Start every request at its time; then wait for what is owed."""
        self._zero = time.monotonic() + begin_at - time.time()
        self._begin_at = begin_at
        beat = gevent.spawn(self._beat)
        self._dispatcher.run(self._arrivals(), until=self._is_stopped)
        until_s = self._clock() + self._run.plan.settle_down_s
        while self._clock() < until_s and self._is_waiting():
            self._dispatcher.run(iter(()), until=lambda: self._clock() >= until_s)
            gevent.sleep(0.05)
        self._ended = True
        beat.join()
        self._samples.close()
        self._notes.close()

    def _is_stopped(self) -> bool:
        # The knee is found: what was begun is finished, nothing new is started.
        return bool(getattr(self._environment, "is_over", False))

    def _is_waiting(self) -> bool:
        return self._under_way > 0 or len(self._dispatcher.agenda) > 0

    def _arrivals(self) -> Iterator[tuple[float, object]]:
        run, world = self._run, self._world
        visits = Visits(
            run.plan,
            # Who floods does nothing else: its own refusals are not others'.
            hospitals=len(world.hospitals) - bool(run.plan.flood_per_s),
            cards=len(world.cards),
            revoked=len(world.revoked_cards),
            seed=run.seed,
        )
        mine = share_of(arrivals(run.plan, run.seed), self._index, self._processes)
        for number, at_s in mine:
            yield at_s, visits.visit(number, at_s)

    def _start(self, due_s: float, task: Any) -> None:
        if isinstance(task, Visit):
            task = self._desk.arrive(task)
        self._under_way += 1
        gevent.spawn(self._perform, due_s, task)

    def _perform(self, due_s: float, task: Any) -> None:
        try:
            self._desk.perform(due_s, task)
        finally:
            self._under_way -= 1

    def _was_late(self, due_s: float, late_s: float) -> None:
        self._samples.add(due_s, "late", late_s * 1000, "")
        self._watch.was_late(due_s, late_s)

    def _sample(
        self, due_s: float, call: str, ms: float, code: str, is_error: bool
    ) -> None:
        if is_error:
            self._samples.add(due_s, call, ms, f"!{code}")
            self._errors += 1
        else:
            self._samples.add(due_s, call, ms, code)
        if call != "decided":
            self._pulse[bucket_of(ms)] += 1
        self._environment.events.request.fire(
            request_type="HTTP", name=call, response_time=ms, response_length=0,
            exception=RuntimeError(code) if is_error else None, context={},
        )  # fmt: skip

    def _beat(self) -> None:
        """Once a second: write what was counted, and tell the master."""
        cpu, at = time.process_time(), time.monotonic()
        while not self._ended:
            gevent.sleep(1.0)
            cpu_now, now = time.process_time(), time.monotonic()
            share = (cpu_now - cpu) / (now - at)
            cpu, at = cpu_now, now
            self._samples.gauge(self._clock(), cpu=round(share, 3))
            late_ms = self._tell_latest()
            self._samples.flush()
            self._notes.flush()
            self._environment.runner.send_message(
                "pulse",
                {
                    "s": self._clock(), "b": list(self._pulse.items()),
                    "errors": self._errors, "late_ms": late_ms, "cpu": share,
                    "owed": self._desk.owed, "index": self._index,
                },
            )  # fmt: skip
            self._pulse.clear()
            self._errors = 0

    def _tell_latest(self) -> float:
        """Write of the latest start since the last time; how late it was, in ms."""
        latest_ms = 0.0
        for due_s, late in self._watch.take():
            self._samples.gauge(due_s, **late)
            latest_ms = max(latest_ms, late["late_ms"])
        return latest_ms


class _SelfWatch:
    """Sleeps for the dispatcher, and knows what made it wake up late."""

    def __init__(self) -> None:
        self._gc_s = self._gc_began = 0.0
        self._own_s = self._own_gc_s = self._queued_s = 0.0
        self._latest: dict[int, dict[str, float]] = {}
        gc.callbacks.append(self._collecting)

    def sleep(self, seconds: float) -> None:
        cpu_s, gc_s, queued_s = time.process_time(), self._gc_s, _queued_s()
        gevent.sleep(seconds)
        self._queued_s = _queued_s() - queued_s
        self._own_s = time.process_time() - cpu_s
        self._own_gc_s = self._gc_s - gc_s

    def was_late(self, due_s: float, late_s: float) -> None:
        if late_s < _NOTABLE_S:
            return
        known = self._latest.get(int(due_s))
        if known is None or known["late_ms"] < late_s * 1000:
            self._latest[int(due_s)] = {
                "late_ms": round(late_s * 1000, 2),
                "own_ms": round(self._own_s * 1000, 2),
                "gc_ms": round(self._own_gc_s * 1000, 2),
                "queued_ms": round(self._queued_s * 1000, 2),
            }

    def take(self) -> list[tuple[int, dict[str, float]]]:
        """What was noted since the last time, by second."""
        noted, self._latest = self._latest, {}
        return sorted(noted.items())

    def _collecting(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._gc_began = time.perf_counter()
        else:
            self._gc_s += time.perf_counter() - self._gc_began


def _queued_s() -> float:
    """How long this process could have run, and no processor was free for it."""
    try:
        return int(_SCHEDULED.read_bytes().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


class _ThreadSink:
    """A file written by a thread of its own: a busy disk holds up no start."""

    def __init__(self, path: Path) -> None:
        self._file = FileSink(path)
        self._pool = ThreadPool(1)
        self._error: OSError | None = None

    def write(self, lines: bytes) -> None:
        self._pool.spawn(self._write, lines)

    def _write(self, lines: bytes) -> None:
        try:
            self._file.write(lines)
        except OSError as error:
            self._error = error

    def close(self) -> None:
        """Raises the first error: notes that are not whole prove nothing."""
        self._pool.join()
        self._file.close()
        if self._error is not None:
            raise self._error
