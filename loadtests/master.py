"""The process that conducts a run: `python -m loadtests conduct` starts it.

It waits for all generating processes, gives them one instant to begin at, runs the
plan's events, reads the gateway's metrics, shows how it goes, and ends the run.
"""

from __future__ import annotations

import gevent.monkey

gevent.monkey.patch_all()

import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections import Counter, deque  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from locust.env import Environment  # noqa: E402

from loadtests.locustfile import District  # noqa: E402
from loadtests.metrics import scrape  # noqa: E402
from loadtests.run_file import Run, read_run  # noqa: E402
from loadtests.samples import Tally  # noqa: E402
from loadtests.verdict import read_budgets  # noqa: E402

_WORKERS_WITHIN_S = 120
#: The word has to reach everybody before it counts.
_HEAD_START_S = 1.0
_WINDOW_S = 10
_METRICS_EVERY_S = 2.0


class Conductor:
    """One run from the first worker's coming to the last one's end."""

    def __init__(self, run: Run, budgets: dict[str, Any], *, is_quiet: bool) -> None:
        """`budgets` tell when a step of a knee is broken."""
        self._run = run
        self._world = run.world()
        self._budgets = budgets
        self._is_quiet = is_quiet
        self._pulses: deque[tuple[float, dict[str, Any]]] = deque()
        self._prepared = self._finished = 0
        self._begin = 0.0
        self._environment = Environment(user_classes=[District], host=run.target)

    def conduct(self, host: str, port: int, web: str) -> bool:
        """Whether all processes came and finished."""
        environment = self._environment
        runner = environment.create_master_runner(host, port)
        runner.register_message("pulse", self._take_pulse)
        runner.register_message("prepared", self._take_prepared)
        runner.register_message("finished", self._take_finished)
        if web:
            # Its page reads the command line again, as if it were locust's.
            del sys.argv[1:]
            where, _, web_port = web.rpartition(":")
            environment.create_web_ui(where or "127.0.0.1", int(web_port))
        wanted = self._run.processes
        if not _until(lambda: len(runner.clients.ready) >= wanted, _WORKERS_WITHIN_S):
            print("load test: not all processes came", file=sys.stderr)
            return False
        runner.start(user_count=wanted, spawn_rate=wanted)
        if not _until(lambda: self._prepared >= wanted, _WORKERS_WITHIN_S):
            print("load test: not all processes got ready", file=sys.stderr)
            return False
        self._begin = time.time() + _HEAD_START_S
        runner.send_message("go", {"begin_at": self._begin})
        metrics = gevent.spawn(self._watch_metrics)
        events = [gevent.spawn(self._event, one) for one in self._run.plan.events]
        done = self._watch(runner)
        # What was begun is brought to its end, also where the load was over sooner.
        gevent.joinall(events, timeout=_WORKERS_WITHIN_S)
        gevent.killall([metrics, *events])
        runner.quit()
        self._say(f"{'done' if done else 'a process did not finish'}\n")
        return done

    def _now(self) -> float:
        return time.time() - self._begin

    def _take_pulse(self, environment: Any, msg: Any, **_: Any) -> None:
        self._pulses.append((self._now(), msg.data))

    def _take_prepared(self, environment: Any, msg: Any, **_: Any) -> None:
        self._prepared += 1

    def _take_finished(self, environment: Any, msg: Any, **_: Any) -> None:
        self._finished += 1

    def _watch(self, runner: Any) -> bool:
        """Show how it goes until all have finished; end it early at the knee."""
        plan, is_over = self._run.plan, False
        until = plan.seconds + plan.settle_down_s + _WORKERS_WITHIN_S
        while self._finished < self._run.processes:
            gevent.sleep(1.0)
            if self._now() > until or not runner.clients.running:
                return bool(self._finished >= self._run.processes)
            window = self._window()
            self._show(window)
            if plan.steps and not is_over and self._is_broken(window):
                is_over = True
                runner.send_message("over", {})
        return True

    def _window(self) -> tuple[Tally, int, float, float]:
        while self._pulses and self._pulses[0][0] < self._now() - _WINDOW_S:
            self._pulses.popleft()
        tally, errors, late, cpu = Tally(), 0, 0.0, 0.0
        for _, pulse in self._pulses:
            tally.buckets.update(Counter(dict(pulse["b"])))
            errors += pulse["errors"]
            late = max(late, pulse["late_ms"])
            cpu = max(cpu, pulse["cpu"])
        return tally, errors, late, cpu

    def _show(self, window: tuple[Tally, int, float, float]) -> None:
        tally, errors, late, cpu = window
        count = sum(tally.buckets.values())
        width = max(1.0, min(_WINDOW_S, self._now()))
        median, high = tally.percentile_ms(50), tally.percentile_ms(99)
        owed = {pulse["index"]: pulse["owed"] for _, pulse in self._pulses}
        self._say(
            f"{max(0, self._now()):5.0f} s of {self._run.plan.seconds:.0f}"
            f"  {count / width:6.1f}/s  p50 {median or 0:6.1f} ms  p99 {high or 0:7.1f}"
            f" ms  errors {errors}  owed {sum(owed.values())}  generator: CPU"
            f" {cpu:.0%}, late {late:.0f} ms"
        )

    def _say(self, line: str) -> None:
        if self._is_quiet:
            return
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{line}")
        elif int(self._now()) % _WINDOW_S == 0 or line.endswith("\n"):
            sys.stderr.write(f"{line.rstrip()}\n")
        sys.stderr.flush()

    def _is_broken(self, window: tuple[Tally, int, float, float]) -> bool:
        """Whether the step under way has broken for good; the report tells where."""
        tally, errors, _, _ = window
        knee = self._budgets["knee"]
        count = sum(tally.buckets.values())
        if self._now() < _WINDOW_S or count == 0:
            return False
        # Twice the limit: what is near it is judged from all samples afterwards.
        is_slow = (tally.percentile_ms(99) or 0) > 2 * knee["p99_ms"]
        return bool(is_slow or errors > 2 * knee["error_share"] * count)

    def _event(self, event: Any) -> None:
        gevent.sleep(max(0.0, event.at_s - self._now()))
        command = self._world.commands[event.do]
        begun = self._now()
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        line = {
            "do": event.do, "begin_s": round(begun, 3), "end_s": round(self._now(), 3),
            "status": ended.returncode,
        }  # fmt: skip
        self._append("events.jsonl", line)
        self._say(f"{event.do}: status {ended.returncode}\n")

    def _watch_metrics(self) -> None:
        while True:
            gevent.sleep(_METRICS_EVERY_S)
            values = scrape(self._world.metrics)
            self._append("metrics.jsonl", {"s": round(self._now(), 2), **values})

    def _append(self, name: str, line: dict[str, Any]) -> None:
        with (self._run.folder / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _until(is_true: Any, within_s: float) -> bool:
    for _ in range(int(within_s * 10)):
        if is_true():
            return True
        gevent.sleep(0.1)
    return False


def conduct(folder: Path, host: str, port: int, web: str, *, is_quiet: bool) -> bool:
    """Conduct the run of this folder; whether all processes finished."""
    run = read_run(folder)
    budgets = read_budgets(folder / "budgets.toml")
    return Conductor(run, budgets, is_quiet=is_quiet).conduct(host, port, web)
